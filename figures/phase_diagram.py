"""The phase diagram: what a network of p units has learned from n points at one time, and the contours of tau_mem.

tau_mem diverges at the threshold n*(p), where a grid shows steps. So the colours are drawn on a finer grid, from the
data set's exact boundary lines and from tau_gen, which is smooth.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.interpolate import RegularGridInterpolator

from figures import style
from theory.phases import PHASES

if TYPE_CHECKING:
    import xarray

# Tints of the palette, light enough for black contours and text on top.
COLOURS = {
    "no_generalization": "#D9D9D9",
    "underfit": "#FBF3B5",
    "generalization": "#A6DCC9",
    "memorization": "#F2BE98",
    "architectural_regularization": "#A9CFE8",
}
FINE = 500


@style.styled
def build(diagram: "xarray.Dataset") -> Figure:
    """Draw the regimes as colours, tau_mem as labelled contours, one per decade, and the threshold n*(p).

    diagram: the Dataset of theory.phase_diagram with a training time `tau`.
    """
    figure = style.new(style.SINGLE, 3.3)
    axes = figure.subplots()
    # Before the contours: their labels are placed by lengths on the page.
    axes.set(xscale="log", yscale="log")
    psi_n, psi_p, phase = refined(diagram)
    axes.pcolormesh(
        psi_n,
        psi_p,
        phase,
        cmap=ListedColormap([COLOURS[name] for name in PHASES]),
        norm=BoundaryNorm(np.arange(len(PHASES) + 1) - 0.5, len(PHASES)),
        shading="nearest",
        rasterized=True,
    )
    exponent = np.log10(np.ma.masked_invalid(diagram.tau_mem.values))
    if exponent.count():
        decades = np.arange(np.ceil(exponent.min()), np.floor(exponent.max()) + 1)
        lines = axes.contour(
            diagram.psi_n, diagram.psi_p, exponent, levels=decades, colors=style.BLACK, linewidths=0.7
        )
        axes.clabel(lines, fmt=lambda level: rf"$10^{{{int(level)}}}$", fontsize=7)
    present = [PHASES[code] for code in np.unique(phase) if code >= 0]
    handles = [Patch(color=COLOURS[name], label=name.replace("_", " ")) for name in present]
    threshold = diagram.psi_n_architectural
    if threshold.notnull().any():
        axes.plot(threshold, diagram.psi_p, color=style.BLUE, linewidth=1.0)
        handles.append(Line2D([], [], color=style.BLUE, linewidth=1.0, label=r"threshold $n^*(p)$"))
    # The threshold is known beyond the grid; the picture is not.
    axes.set(xlim=(psi_n[0], psi_n[-1]), ylim=(psi_p[0], psi_p[-1]))
    axes.set_xlabel(r"training points per dimension, $\psi_n = n/d$")
    axes.set_ylabel(r"hidden units per dimension, $\psi_p = p/d$")
    axes.set_title(rf"after training for $\tau$ = {style.decade(float(diagram.tau))}; lines: $\tau_{{mem}}$")
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def refined(diagram: "xarray.Dataset", points: int = FINE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """psi_n, psi_p (points,) and the phase codes (points, points) between the data set's grid points.

    A row whose exact lines do not give the phases on the grid (several crossings, or none) takes the nearest ones.
    """
    log_n, log_p = np.log(diagram.psi_n.values), np.log(diagram.psi_p.values)
    fine_n, fine_p = (np.linspace(axis[0], axis[-1], points) for axis in (log_n, log_p))
    tau = float(diagram.tau)
    phase = diagram.phase.values
    log_gen = np.log(diagram.tau_gen.values)
    lines = [np.log(diagram[name].values) for name in ("psi_n_memorization", "psi_n_architectural")]

    def from_lines(n, memorization, architectural, late):
        """Phase codes from the boundaries' log psi_n (columns) and from whether tau_gen is over the training time."""
        trained = np.where(n > architectural[:, None], 4, np.where(n < memorization[:, None], 3, 2))
        return np.where(late, 1, trained)

    trusted = np.all(from_lines(log_n, *lines, log_gen > np.log(tau)) == phase, axis=1)
    grid = np.stack(np.meshgrid(fine_p, fine_n, indexing="ij"), axis=-1)
    nearest = RegularGridInterpolator((log_p, log_n), phase.astype(float), method="nearest")(grid).astype(int)
    if not trusted.any():
        return np.exp(fine_n), np.exp(fine_p), nearest
    between = RegularGridInterpolator((log_p, log_n), np.where(np.isfinite(log_gen), log_gen, 1e3))(grid)
    smooth = from_lines(fine_n, *(np.interp(fine_p, log_p, line) for line in lines), between > np.log(tau))
    trusted_here = np.interp(fine_p, log_p, trusted) == 1
    return np.exp(fine_n), np.exp(fine_p), np.where(trusted_here[:, None], smooth, nearest)

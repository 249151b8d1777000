"""The phase diagram: what a network of p units has learned from n points after training for some time.

tau_mem diverges at the threshold n*(p), where a grid shows steps. So colours and contours are drawn on a finer grid,
from the data set's exact boundary lines and from times interpolated on either side of them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import distance_transform_edt

from genmem.figures.drawing import style
from genmem.theory.phases import PHASES

if TYPE_CHECKING:
    import xarray

# Tints of the palette, light enough for black contours and text on top.
COLOURS = {
    "no_generalization": "#D9D9D9",
    "underfit": "#FBF3B5",
    "generalization": "#A6DCC9",
    "memorization": "#F2BE98",
    "architectural_regularization": "#A9CFE8",
    "benign_overfitting": "#C79AC0",
}
# The same hues, strong enough for a run's marker to stand out from a region of its own phase.
STRONG = {
    "no_generalization": "#8A8A8A",
    "underfit": "#CDB400",
    "generalization": "#3B957A",
    "memorization": "#C4692A",
    "architectural_regularization": "#4A8ABD",
    "benign_overfitting": "#95538B",
}
FINE = 500


@style.styled
def build(diagram: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw the regimes as colours, tau_mem as labelled contours, one per decade, and the threshold n*(p).

    diagram: the Dataset of theory.phase_diagram with a training time `tau`, or several: a panel each.
    """
    times = [diagram.sel(tau=tau) for tau in diagram.tau.values] if diagram.tau.ndim else [diagram]
    wide = width > style.SINGLE
    figure = style.new(width, 3.2 if wide else 1.2 + 2.1 * len(times))
    panels = figure.subplots(*((1, len(times)) if wide else (len(times), 1)), sharex=True, sharey=True, squeeze=False)
    present: set[str] = set()
    for axes, at in zip(panels.flat, times):
        present |= draw(axes, at)
    panels[-1, panels.shape[1] // 2].set_xlabel(r"training points per dimension, $\psi_n = n/d$")
    panels[panels.shape[0] // 2, 0].set_ylabel(r"hidden units per dimension, $\psi_p = p/d$")
    handles = [Patch(color=COLOURS[name], label=_label(name)) for name in PHASES if name in present]
    handles.append(Line2D([], [], color=style.BLACK, linewidth=0.7, label=r"contours of $\tau_{mem}$"))
    if diagram.psi_n_architectural.notnull().any():
        handles.append(Line2D([], [], color=style.BLUE, linewidth=1.6, label=r"threshold $n^*(p)$"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if wide else 2)
    return figure


def draw(axes: Axes, diagram: "xarray.Dataset", letters: bool = True) -> set[str]:
    """Draw one training time, by default with a letter in each phase; return the phases in it."""
    # Before the contours: their labels are placed by lengths on the page.
    axes.set(xscale="log", yscale="log")
    # Infinite width is no place on a logarithmic axis: it is drawn as a strip above the others.
    infinite = diagram.isel(psi_p=-1) if diagram.psi_p.size > 1 and np.isinf(diagram.psi_p[-1]) else None
    diagram = diagram if infinite is None else diagram.isel(psi_p=slice(None, -1))
    psi_n, psi_p, phase = refined(diagram)
    paint(axes, psi_n, psi_p, phase)
    exponent = decades(diagram, psi_n, psi_p)
    highest = np.log10(diagram.tau_mem.where(np.isfinite(diagram.tau_mem)).max())
    levels = np.arange(np.ceil(exponent.min()), np.floor(highest) + 1) if exponent.count() else []
    if len(levels):
        lines = axes.contour(psi_n, psi_p, exponent, levels=levels, colors=style.BLACK, linewidths=0.7)
        label(axes, lines, ~np.ma.getmaskarray(exponent), psi_n, psi_p, lambda level: rf"$10^{{{int(level)}}}$")
    axes.plot(diagram.psi_n_architectural, diagram.psi_p, color=style.BLUE, linewidth=1.6)
    # The threshold is known beyond the grid; the picture is not.
    axes.set(xlim=(psi_n[0], psi_n[-1]), ylim=(psi_p[0], psi_p[-1]))
    seen = phase
    if infinite is not None:
        seen = np.append(phase, infinite.phase.values)
        _strip(axes, infinite, psi_p)
    axes.set_title(rf"$\tau$ = {style.decade(float(diagram.tau))}")
    present = {PHASES[code] for code in np.unique(seen) if code >= 0}
    for name in present if letters else ():
        place = roomiest(phase == PHASES.index(name), exponent)
        if place is not None:
            axes.text(psi_n[place[1]], psi_p[place[0]], _label(name)[0], weight="bold", ha="center", va="center")
    return present


def _strip(axes: Axes, infinite: "xarray.Dataset", psi_p: np.ndarray) -> None:
    """The phases at infinite width above the plane, marked as such on the axis."""
    low, high = psi_p[-1] * (psi_p[-1] / psi_p[0]) ** np.array([0.02, 0.08])
    n = np.log(infinite.psi_n.values)
    sides = np.exp(np.concatenate([n[:1], (n[1:] + n[:-1]) / 2, n[-1:]]))
    phase, line = infinite.phase.values, float(infinite.psi_n_memorization)
    for k in np.flatnonzero((phase[:-1] == 3) & (phase[1:] == 2)):
        # The exact line, where it lies between these two grid points.
        sides[k + 1] = line if n[k] < np.log(line) < n[k + 1] else sides[k + 1]
    axes.pcolormesh(
        sides,
        [low, high],
        phase[None],
        cmap=ListedColormap([COLOURS[name] for name in PHASES]),
        norm=BoundaryNorm(np.arange(len(PHASES) + 1) - 0.5, len(PHASES)),
        rasterized=True,
    )
    axes.axhspan(psi_p[-1], low, color="white", linewidth=0)
    axes.annotate(
        r"$\infty$",
        (0, np.sqrt(low * high)),
        (-3, 0),
        ("axes fraction", "data"),
        "offset points",
        ha="right",
        va="center",
    )
    axes.set_ylim(psi_p[0], high)


def paint(axes: Axes, x, y, phase) -> None:
    """Colour the plane by phase codes (Y, X)."""
    axes.pcolormesh(
        x,
        y,
        phase,
        cmap=ListedColormap([COLOURS[name] for name in PHASES]),
        norm=BoundaryNorm(np.arange(len(PHASES) + 1) - 0.5, len(PHASES)),
        shading="nearest",
        rasterized=True,
    )


def label(axes: Axes, lines, region: np.ndarray, psi_n, psi_p, text: Callable[[float], str]) -> None:
    """Write on each contour its level, where it is farthest from the border of the region (psi_p, psi_n)."""
    room = _border_distance(region)
    places = []
    for path in lines.get_paths():
        if len(path.vertices):
            n, p = path.vertices.T
            row, column = np.searchsorted(psi_p, p), np.searchsorted(psi_n, n)
            free = room[row.clip(max=len(psi_p) - 1), column.clip(max=len(psi_n) - 1)]
            places.append(path.vertices[free.argmax()])
    axes.clabel(lines, fmt=text, fontsize=7, manual=places)


def _label(name: str) -> str:
    """A phase in the legend; its first letter stands in the picture, which must read without colours too."""
    return f"{name[0].upper()}: {name.replace('_', ' ')}"


def roomiest(region: np.ndarray, exponent: np.ma.MaskedArray) -> tuple[int, int] | None:
    """The place in the region (P, N) farthest from its border and from contours; None where a letter would not fit."""
    bands = np.ma.filled(np.floor(exponent), np.inf)
    distance = np.zeros(region.shape)
    for band in np.unique(bands[region]):
        distance = np.maximum(distance, _border_distance(region & (bands == band)))
    place = np.unravel_index(distance.argmax(), region.shape)
    return place if distance[place] > len(region) / 25 else None


def _border_distance(region: np.ndarray) -> np.ndarray:
    """How far each place of the region (P, N) is from its border, the frame included; 0 outside."""
    return distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]


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


def decades(diagram: "xarray.Dataset", psi_n: np.ndarray, psi_p: np.ndarray) -> np.ma.MaskedArray:
    """log10 tau_mem between the data set's grid points, shape (psi_p, psi_n), masked where it is infinite or unknown.

    Interpolated in v = -log(1/n - 1/n*), which is log n far below the threshold n* and stretches what is close to it,
    where tau_mem diverges; beyond the last finite value of a row, its slope goes on.
    """
    log_p = np.log(diagram.psi_p.values)
    threshold = diagram.psi_n_architectural.fillna(np.inf).values
    exponent = np.log10(diagram.tau_mem.values)

    def place(n, limit):
        with np.errstate(divide="ignore", invalid="ignore"):
            return -np.log(1 / n - 1 / limit)

    low = np.log(diagram.psi_n.values[0])
    table_v = np.linspace(low, np.log(diagram.psi_n.values[-1]) + 5, 1000)
    table = np.full((log_p.size, table_v.size), np.nan)
    for row, values, limit in zip(table, exponent, threshold):
        known = np.isfinite(values)
        if known.sum() > 1:
            v, values = place(diagram.psi_n.values[known], limit), values[known]
            slope = (values[-1] - values[-2]) / (v[-1] - v[-2])
            row[:] = np.interp(table_v, v, values) + slope * np.maximum(table_v - v[-1], 0)
    limit = 1 / np.exp(np.interp(np.log(psi_p), log_p, -np.log(threshold)))
    v = place(psi_n, limit[:, None])
    inside = np.clip(np.nan_to_num(v), table_v[0], table_v[-1])
    grid = np.stack(np.broadcast_arrays(np.log(psi_p)[:, None], inside), axis=-1)
    return np.ma.masked_invalid(np.where(np.isnan(v), np.nan, RegularGridInterpolator((log_p, table_v), table)(grid)))

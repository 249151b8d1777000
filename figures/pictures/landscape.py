"""The test loss over the plane of training points and hidden units: in the window, and after long training."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.figures.drawing.phase_diagram import label
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "The predicted test loss less the Bayes loss, the least that any network can reach, over the training points ψ_n "
    "and hidden units ψ_p per dimension at two training times τ, in steps × learning rate / d². Early, the more "
    "points the better. Late, networks on the memorizing side of the threshold n*(p) have lost it again: with fresh "
    "noise at every step (above) the more units, the worse; with m noises of each point drawn once (below), worst "
    "where the network can just interpolate all n m noised points (dashed, p = n m)."
)
COPIES = 4.0


def calculate(problem: Problem) -> "xarray.Dataset":
    """The losses in the window of large networks and 10 000 times later, with fresh noise and with few noises."""
    copies = problem.copies if np.isfinite(problem.copies) else COPIES
    return landscape(problem, np.geomspace(0.25, 256, 61), np.geomspace(0.25, 256, 61), copies)


def landscape(problem: Problem, psi_n: np.ndarray, psi_p: np.ndarray, copies: float) -> "xarray.Dataset":
    """Datasets of theory.phase_diagram with losses at two times, along `copies` (inf and the given number).

    `excess` (copies, loss_tau, psi_p, psi_n): the test loss less the Bayes loss.
    """
    import xarray

    from genmem import theory
    from genmem.theory import RandomFeatures

    reference = RandomFeatures.of(problem, 64.0, 256.0)
    early = 3 * 10.0 ** np.round(np.log10(reference.timescales().gen))
    diagrams = [
        theory.phase_diagram(
            psi_n, psi_p, problem.t, activation=problem.activation, spectrum=problem.spectrum, copies=m,
            ridge=problem.ridge, losses_at=[early, 1e4 * early],
        )
        for m in (np.inf, copies)
    ]  # fmt: skip
    data = xarray.concat(diagrams, "copies", combine_attrs="drop_conflicts")
    data = data.assign_coords(copies=("copies", [np.inf, copies], {"long_name": "noises drawn for each point"}))
    about = {"long_name": "test loss less the Bayes loss", "units": "1"}
    data["excess"] = (data.test - reference.bayes_loss).assign_attrs(about)
    return data.assign_attrs(bayes_loss=reference.bayes_loss)


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the excess test loss as colours with contours: a column for each time, a row for each `copies`."""
    wide = width > style.SINGLE
    figure = style.new(width, 5.7 if wide else 3.9)
    rows, columns = data.sizes["copies"], data.sizes["loss_tau"]
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # The peak grows without end in time: beyond this colour it is cut off.
    norm = LogNorm(float(data.excess.min()), float(data.excess.quantile(0.995)))
    levels = [10.0**k * factor for k in range(-6, 7) for factor in ((1, 3) if wide else (1,))]
    levels = [level for level in levels if level < norm.vmax / 2]  # white lines do not show on the brightest colours
    for row, column in np.ndindex(rows, columns):
        axes, here = panels[row, column], data.isel(copies=row, loss_tau=column)
        axes.set(xscale="log", yscale="log")
        mesh = axes.pcolormesh(
            data.psi_n, data.psi_p, here.excess, cmap="viridis", norm=norm, shading="gouraud", rasterized=True
        )
        lines = axes.contour(data.psi_n, data.psi_p, here.excess, levels=levels, colors="white", linewidths=0.5)
        if wide:
            label(axes, lines, np.ones(here.excess.shape, bool), data.psi_n, data.psi_p, lambda level: f"{level:g}")
        axes.plot(here.psi_n_architectural, data.psi_p, color=style.VERMILION, linewidth=1.6)
        if np.isfinite(here.copies):
            axes.plot(data.psi_n, data.psi_n * here.copies, color=style.BLACK, linewidth=0.8, linestyle="--")
        axes.set(xlim=(data.psi_n[0], data.psi_n[-1]), ylim=(data.psi_p[0], data.psi_p[-1]))
        name = f"m = {float(here.copies):g}" if np.isfinite(here.copies) else "fresh noise"
        axes.set_title(name + (", " if wide else "\n") + rf"$\tau$ = {style.decade(float(here.loss_tau))}")
    about = (r"training points per dimension, $\psi_n$", r"hidden units per dimension, $\psi_p$")
    for axes in panels[-1]:
        axes.set_xlabel(about[0] if wide else r"$\psi_n = n/d$")
    for axes in panels[:, 0]:
        axes.set_ylabel(about[1] if wide else r"$\psi_p = p/d$")
    figure.colorbar(mesh, ax=panels, label="test loss less Bayes loss", extend="max", aspect=40)
    handles = [
        Line2D([], [], color=style.VERMILION, linewidth=1.6, label=r"threshold $n^*(p)$"),
        Line2D([], [], color=style.BLACK, linewidth=0.8, linestyle="--", label=r"interpolation, $p = n m$"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

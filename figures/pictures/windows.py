"""The two times in one picture: a network learns the score, then its training points; more points leave more time."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.figures.drawing.phase_diagram import COLOURS
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

CAPTION = (
    "Predicted quality and memorization against training time, for more and more training points n = ψ_n d. Every "
    "network approaches the true score at about the same time τ_gen (circles); the more points, the later it begins "
    "to memorize them (τ_mem, squares), so the window in which to stop opens with n."
)
PSI_N = (4.0, 16.0, 64.0, 256.0)
PSI_P = 64.0
DASHES = (":", "-.", "--", "-")
# Before and after the window: tints of the phase diagram.
BEFORE, AFTER = COLOURS["underfit"], COLOURS["memorization"]


def calculate(problem: Problem) -> "xarray.Dataset":
    """Learning curves and times of networks that differ in the number of training points."""
    return windows(problem, PSI_N, PSI_P)


def windows(problem: Problem, psi_n, psi_p: float, points: int = 240) -> "xarray.Dataset":
    """Relative score error and generalization gap over (psi_n, tau), with the three times of each psi_n.

    The gap is L_test - L_train in units of F, the fall of the test loss, so that it is 0.1 at tau_gap.
    """
    import xarray

    models = [RandomFeatures.of(problem, n, psi_p) for n in psi_n]
    times = [model.timescales() for model in models]
    gen, mem, gap = (np.array([getattr(each, name) for each in times]) for name in ("gen", "mem", "gap"))
    latest = max([*mem[np.isfinite(mem)], 100 * gen.max()])
    tau = np.geomspace(gen.min() / 10, 20 * latest, points)
    curves = [model.learning_curves(tau) for model in models]
    unit = {"units": "steps x learning rate / d^2"}
    fall = np.array([each.loss_initial - each.loss_min for each in times])
    return xarray.Dataset(
        {
            "score": (
                ("psi_n", "tau"),
                [each.score / model.score_power for each, model in zip(curves, models, strict=True)],
                {"long_name": "score error, relative to that before training", "units": "1"},
            ),
            "gap": (
                ("psi_n", "tau"),
                [(each.test - each.train) / f for each, f in zip(curves, fall, strict=True)],
                {"long_name": "test less train loss, in units of the test loss's fall F", "units": "1"},
            ),
            "fall": ("psi_n", fall, {"long_name": "F: loss before training less the least test loss"}),
            "tau_gen": ("psi_n", gen, unit | {"long_name": "generalization time"}),
            "tau_mem": ("psi_n", mem, unit | {"long_name": "memorization time"}),
            "tau_gap": ("psi_n", gap, unit | {"long_name": "time at which test and train loss part"}),
        },
        coords={
            "psi_n": ("psi_n", list(psi_n), {"long_name": "training points per dimension, n/d"}),
            "tau": ("tau", tau, unit | {"long_name": "training time"}),
        },
        attrs={"psi_p": psi_p, "t": problem.t},
    )


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw quality, memorization and the windows: below one another in one column, the windows beside them in two."""
    figure, quality, gap, bars = panels(width)
    colours = style.ordered(data.psi_n.size)
    for k, colour in enumerate(colours):
        here = data.isel(psi_n=k)
        dashes = DASHES[k % len(DASHES)]
        for axes, name in ((quality, "score"), (gap, "gap")):
            axes.plot(data.tau, here[name], color=colour, linestyle=dashes)
            _mark_times(axes, here, name, colour)
    quality.set(yscale="log", ylim=(0.6 * float(data.score.min()), 3))
    quality.set_ylabel("score error\n(1: untrained)")
    quality.legend(
        handles=[
            Line2D([], [], color=style.BLACK, linestyle="", marker=style.TIME_MARKERS[kind], label=label)
            for kind, label in style.TIME_LABELS.items()
            if kind in ("gen", "mem")
        ],
        loc="lower left",
    )
    gap.set_ylim(0, 1)
    gap.set_ylabel("test − train loss\n(1: fall of test loss)")
    for axes, title in ((quality, "quality"), (gap, "memorization"), (bars, "when to stop")):
        axes.set_title(title, loc="left", fontweight="bold")
    _windows(bars, data, colours)
    for axes in (quality, gap, bars):
        axes.set(xscale="log", xlim=(float(data.tau[0]), float(data.tau[-1])))
    lowest = (gap, bars) if width > style.SINGLE else (bars,)
    for axes in (quality, gap, bars):
        axes.tick_params(labelbottom=axes in lowest)
    for axes in lowest:
        axes.set_xlabel(r"training time $\tau$ = steps $\times$ learning rate / $d^2$")
    return figure


def panels(width: float) -> tuple[Figure, Axes, Axes, Axes]:
    """An empty figure with the axes of quality, memorization and the windows, as `build` arranges them."""
    if width > style.SINGLE:
        figure = style.new(width, 3.4)
        axes = figure.subplot_mosaic([["quality", "windows"], ["memorization", "windows"]], width_ratios=(1, 1.1))
    else:
        figure = style.new(width, 5.4)
        axes = figure.subplot_mosaic([["quality"], ["memorization"], ["windows"]], height_ratios=(1, 1, 1.3))
    return figure, axes["quality"], axes["memorization"], axes["windows"]


def marker_look(colour) -> dict:
    """How the marker of a time looks, on a curve and on a bar."""
    return {"color": colour, "markeredgecolor": "white", "markeredgewidth": 0.5, "markersize": 5, "linestyle": "none"}


def _mark_times(axes: Axes, here: "xarray.Dataset", name: str, colour) -> None:
    """The two times of one n as markers on its curve."""
    for kind in ("gen", "mem"):
        time = float(here[f"tau_{kind}"])
        if np.isfinite(time):
            height = np.interp(np.log(time), np.log(here.tau), here[name])
            axes.plot(time, height, style.TIME_MARKERS[kind], **marker_look(colour), zorder=3)


def _windows(axes: Axes, data: "xarray.Dataset", colours) -> None:
    """One bar for each n, from tau_gen to tau_mem, the most points on top."""
    first, last = float(data.tau[0]), float(data.tau[-1])
    for k, colour in enumerate(colours):
        gen, mem = float(data.tau_gen[k]), min(float(data.tau_mem[k]), last)
        # The window is also the thickest part, so that it shows without colour.
        parts = (first, gen, BEFORE, 0.3), (gen, mem, colour, 0.66), (mem, last, AFTER, 0.3)
        for left, right, tint, height in parts:
            axes.barh(k, right - left, left=left, height=height, color=tint, linewidth=0)
        for kind, time in (("gen", gen), ("mem", mem)):
            if np.isfinite(data[f"tau_{kind}"][k]):
                axes.plot(time, k, style.TIME_MARKERS[kind], **marker_look(colour), clip_on=False)
    top = data.psi_n.size - 0.5
    gen, mem = float(data.tau_gen[-1]), min(float(data.tau_mem[-1]), last)
    words = [("too early", first, gen), ("stop here", gen, mem)]
    if mem < last:
        words.append(("memorizes", mem, last))
    for text, left, right in words:
        axes.text(np.sqrt(left * right), top, text, ha="center", va="bottom")
    axes.set_ylim(-0.5, top + 0.4)
    axes.set_yticks(range(data.psi_n.size), [f"$n$ = {n:g} $d$" for n in data.psi_n.values])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)

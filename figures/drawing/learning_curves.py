"""Learning curves: train and test loss and the score error against training time, with the window between the times."""

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genmem.figures.drawing import style

if TYPE_CHECKING:
    import xarray

LABELS = {"train": "train loss", "test": "test loss", "score": "score error"}


@style.styled
def build(curves: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw a prediction (see genmem.theory.prediction): losses and score error, times marked.

    curves: train, test and score over dimension tau, and attributes tau_gen, tau_mem, tau_gap, all in
    steps x learning rate / d^2.
    """
    figure, losses, score = panels(curves, width)
    for name, axes in (("train", losses), ("test", losses), ("score", score)):
        axes.plot(curves.tau, curves[name], color=style.LOSS_COLOURS[name], label=LABELS[name])
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def panels(curves: "xarray.Dataset", width: float) -> tuple[Figure, Axes, Axes]:
    """An empty figure with the axes, the shaded window and the marked times that suit `curves`.

    Losses above the score error in one column, beside it in two.
    """
    if width > style.SINGLE:
        figure = style.new(width, 2.9)
        losses, score = figure.subplots(1, 2)
    else:
        figure = style.new(width, 3.7)
        losses, score = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes in (losses, score):
        axes.set_xscale("log")
        axes.set_xlim(curves.tau.values[0], curves.tau.values[-1])
    # After tau_mem the test loss runs away: what matters happens below the loss before training.
    low = float(min(curves.train.min(), curves.test.min()))
    fall = float(curves.test.values[0] - curves.test.min())
    losses.set_ylim(low - 0.08 * (1 - low), min(float(curves.test.max()), 1 + fall) + 0.05 * (1 - low))
    losses.set_ylabel(r"loss per dimension")
    score.set_yscale("log")
    score.set_ylabel("score error")
    for axes in (losses, score) if width > style.SINGLE else (score,):
        axes.set_xlabel(r"training time $\tau$ = steps $\times$ learning rate / $d^2$")
    mark(curves.attrs, losses, score)
    return figure, losses, score


def mark(times: dict, losses: Axes, score: Axes) -> None:
    """Shade the window from tau_gen to tau_mem and draw each finite time as a line, named above the upper axes."""
    end = min(times["tau_mem"], losses.get_xlim()[1])
    for axes in (losses, score):
        axes.axvspan(times["tau_gen"], end, color=style.GREEN, alpha=0.12, linewidth=0)
        for kind in ("gen", "gap", "mem"):
            if math.isfinite(times[f"tau_{kind}"]):
                axes.axvline(times[f"tau_{kind}"], color=style.TIME_COLOURS[kind], linestyle="--", linewidth=0.9)
    left, right = np.log(losses.get_xlim())
    for kind in ("gen", "gap", "mem"):
        place = (np.log(times[f"tau_{kind}"]) - left) / (right - left)
        if 0 <= place <= 1:
            losses.annotate(
                style.TIME_LABELS[kind],
                (place, 1.0),
                # The gap may open close to either time, so its name stands one line above theirs.
                (0, 12 if kind == "gap" else 3),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                color=style.TIME_COLOURS[kind],
            )

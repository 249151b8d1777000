"""Measured training: train and test loss and the memorized fraction against steps, one colour for each n."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style


@style.styled
def build(records: Sequence, t: float) -> Figure:
    """Draw the losses at diffusion time t (above) and f_mem with its 95 % interval (below) against optimizer steps.

    records: empirics.runs.RunRecord of any training-set sizes; runs that differ in the seed alone share a colour.
    """
    figure = style.new(style.SINGLE, 3.6)
    losses, copies = figure.subplots(2, 1, sharex=True)
    sizes = sorted({record.config.n for record in records})
    colours = dict(zip(sizes, style.ordered(len(sizes)), strict=True))
    for record in records:
        # A logarithmic axis has no place for the loss before the first step.
        seen = record.steps > 0
        steps, colour = record.steps[seen], colours[record.config.n]
        train, test = record.loss(t)
        losses.plot(steps, train[seen], color=colour, linestyle="--", linewidth=0.9)
        losses.plot(steps, test[seen], color=colour)
        copies.plot(steps, record.f_mem[seen], color=colour)
        copies.fill_between(
            steps, record.f_mem_low[seen], record.f_mem_high[seen], color=colour, alpha=0.15, linewidth=0
        )
    losses.set_xscale("log")
    losses.set_ylabel(f"denoising loss at t = {t:g}")
    copies.set_ylabel(r"memorized fraction $f_{mem}$")
    copies.set_xlabel("optimizer steps")
    highest = max(record.f_mem_high.max() for record in records)
    copies.set_ylim(-0.02 * highest, max(1.1 * highest, 0.05))
    copies.legend(handles=[Line2D([], [], color=colours[n], label=f"n = {n}") for n in sizes], loc="upper left")
    losses.legend(
        handles=[
            Line2D([], [], color=style.BLACK, label="test"),
            Line2D([], [], color=style.BLACK, linestyle="--", linewidth=0.9, label="train"),
        ],
        loc="lower left",
    )
    return figure

"""Measured training: train and test loss and the memorized fraction against steps, one colour for each n."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.figures.drawing.histories import by_n, histories, one_setting

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Measured train and test losses of networks that differ in the number n of training images (and in seeds), and the "
    "fraction f_mem of their samples that are copies of training images (nearest training image closer than a third of "
    "the second nearest; bands: 95 % intervals)."
)


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The curves of the runs that differ in n and seed alone, of the setting with the most n."""
    return histories(one_setting(records))


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw losses and f_mem against optimizer steps, below one another in one column and side by side in two."""
    if width > style.SINGLE:
        figure = style.new(width, 2.6)
        losses, copies = figure.subplots(1, 2)
    else:
        figure = style.new(width, 4.0)
        losses, copies = figure.subplots(2, 1, sharex=True)
    groups = by_n(data)
    colours = style.ordered(len(groups))
    for colour, (_, runs) in zip(colours, groups, strict=True):
        for _, run in runs.groupby("run"):
            run = run.squeeze("run")
            losses.plot(run.step, run.train, color=colour, linestyle="--", linewidth=0.9)
            losses.plot(run.step, run.test, color=colour)
            copies.plot(run.step, run.f_mem, color=colour)
            copies.fill_between(run.step, run.f_mem_low, run.f_mem_high, color=colour, alpha=0.15, linewidth=0)
    losses.set_ylabel(f"denoising loss at t = {data.attrs['t']:g}")
    copies.set_ylabel(r"memorized fraction $f_{mem}$")
    for axes in (losses, copies):
        # Without samples one panel has no data to take its range from.
        axes.set(xscale="log", xlim=(float(data.step.min()) / 1.2, 1.2 * float(data.step.max())))
    for axes in (losses, copies) if width > style.SINGLE else (copies,):
        axes.set_xlabel("optimizer steps")
    highest = float(data.f_mem_high.max()) if data.f_mem_high.notnull().any() else 0.0
    copies.set_ylim(-0.02 * highest, max(1.1 * highest, 0.05))
    if not data.f_mem.notnull().any():
        copies.text(0.5, 0.5, "no samples were generated", transform=copies.transAxes, ha="center")
    handles = [Line2D([], [], color=colour, label=f"n = {n:,}") for colour, (n, _) in zip(colours, groups)]
    kinds = {"test loss": "-", "train loss": "--"}
    handles += [Line2D([], [], color=style.GREY, linestyle=line, label=label) for label, line in kinds.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if width <= style.SINGLE else len(handles))
    return figure

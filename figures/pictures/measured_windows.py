"""The two times in one picture, measured: the test loss falls, then rises; more images leave more time between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.figures.drawing import style
from genmem.figures.drawing.histories import by_n, histories, one_setting, typical, with_samples
from genmem.figures.pictures.windows import AFTER, BEFORE, DASHES, marker_look, panels

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Measured quality and memorization against optimizer steps, for more and more training images n, one line for "
    "each seed: the test loss above its lowest value, in units of its fall; the fraction f_mem of samples that are "
    "copies of training images; and the window from τ_gen (circles: the test loss is within 5 % of its fall) to τ_mem "
    "(squares: it has risen by 10 % of its fall); in the bars, geometric means over seeds. Copies come later than "
    "τ_mem. A bar ends with the runs; where it ends without a square, τ_mem lies later."
)
_ROOM = 1.5  # a part of a bar shorter than this, as a ratio of times, is too short for its name


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The curves of the runs that differ in n and seed alone, of the setting with the most n.

    excess (run, milestone): the test loss above its lowest value, over its fall; times are read off this curve.
    """
    data = histories(one_setting(with_samples(records)))
    lowest = data.test.min("milestone")
    about = {"long_name": "test loss above its lowest value, over its fall", "units": "1"}
    return data.assign(excess=((data.test - lowest) / (data.initial - lowest)).assign_attrs(about))


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw quality, memorization and the windows: below one another in one column, the windows beside them in two."""
    wide = width > style.SINGLE
    figure, quality, copies, bars = panels(width)
    groups = by_n(data)
    colours = style.ordered(len(groups))
    for k, (colour, (_, runs)) in enumerate(zip(colours, groups, strict=True)):
        for r in range(runs.sizes["run"]):
            run = runs.isel(run=r)
            for axes, name in ((quality, "excess"), (copies, "f_mem")):
                axes.plot(run.step, run[name], color=colour, linestyle=DASHES[k % len(DASHES)], linewidth=0.9)
                _mark_times(axes, run, name, colour)
    quality.set_ylim(-0.02, 0.6)
    quality.set_ylabel("test loss − lowest\n(1: its whole fall)")
    copies.legend(
        handles=[
            Line2D([], [], color=style.BLACK, linestyle="", marker=style.TIME_MARKERS[kind], label=label)
            for kind, label in (("gen", r"$\tau_{gen}$: test loss within 5 %"), ("mem", r"$\tau_{mem}$: risen by 10 %"))
        ],
        loc="upper left",
    )
    highest = max(1.1 * float(data.f_mem.max()), 0.05)
    copies.set_ylim(-0.05 * highest, highest)
    copies.set_ylabel("memorized fraction\n$f_{mem}$")
    for axes, title in (
        (quality, "quality"),
        (copies, "memorization: copies"),
        (bars, "when to stop, by the test loss"),
    ):
        axes.set_title(title, loc="left", fontweight="bold")
    first, last = float(data.step.min()), float(data.step.max())
    _windows(bars, groups, colours, first / 1.2)
    for axes in (quality, copies, bars):
        axes.set(xscale="log", xlim=(first / 1.2, last * 1.2))
    quality.tick_params(labelbottom=False)
    copies.tick_params(labelbottom=wide)
    for axes in (copies, bars) if wide else (bars,):
        axes.set_xlabel("optimizer steps")
    return figure


def _mark_times(axes: Axes, run: "xarray.Dataset", name: str, colour: str) -> None:
    """The two times of one run as markers on its curve, where they were seen."""
    for kind in ("gen", "mem"):
        if not run.censored.sel(event=kind):
            time = float(run.tau.sel(event=kind))
            height = np.interp(np.log(time), np.log(run.step), run[name])
            axes.plot(time, height, style.TIME_MARKERS[kind], **marker_look(colour), zorder=3)


def _windows(axes: Axes, groups, colours: Sequence[str], first: float) -> None:
    """One bar for each n, from tau_gen to tau_mem, the most images on top, as far as its runs went."""
    words = {}  # over the uppermost bar that has room
    for k, (colour, (_, runs)) in enumerate(zip(colours, groups, strict=True)):
        end = float(runs.step.max())
        (gen, gen_late), (mem, mem_late) = typical(runs, "gen"), typical(runs, "mem")
        gen, mem = end if gen_late else gen, end if mem_late else mem
        for left, right, tint in ((first, gen, BEFORE), (gen, mem, colour), (mem, end, AFTER)):
            axes.barh(k, max(right - left, 0), left=left, height=0.62, color=tint, linewidth=0)
        for kind, time, late in (("gen", gen, gen_late), ("mem", mem, mem_late)):
            if not late:
                axes.plot(time, k, style.TIME_MARKERS[kind], **marker_look(colour))
        for text, left, right in (
            ("too early", first, gen),
            ("stop here", gen, mem),
            ("memorizes: test loss +10 %", mem, end),
        ):
            if right > _ROOM * left:
                words[text] = (left, right, k + 0.34)
    for text, (left, right, height) in words.items():
        # The longest one may begin over the window, a line above what is written there; it ends where its bar does.
        longest = text.startswith("memorizes")
        x, side = (right, "right") if longest else (np.sqrt(left * right), "center")
        axes.text(x, height, text + longest * "\n", ha=side, va="bottom")
    axes.set_ylim(-0.5, len(groups) + 0.05)
    axes.set_yticks(range(len(groups)), [f"$n$ = {n:,}" for n, _ in groups])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
        label.set_color(colour)

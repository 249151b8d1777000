"""Not learned, learned in part, generalization, memorization: what a network on a grammar is, over P and time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from genmem.empirics.analysis.levels import LEARNED
from genmem.figures.drawing import style
from genmem.figures.pictures import levels

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Phases of networks on strings of a random grammar over the number P of training strings and the training time. "
    "A level counts as learned from an excess of valid blocks of one half on (see the figure of the levels); "
    "memorization begins at τ_mem, when the held-out loss has risen by 10 % of its fall (squares), or at τ_copy, when "
    "copies exceed those by chance (triangles), whichever is first: what is valid after it may be copied. Seeds are "
    "averaged. The line has slope one."
)
_MEMORIZATION = -1


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """phase (n, time): the highest level learned, or -1 from tau_mem or tau_copy on, whichever is first.

    mem and copy (n,): these times, geometric means over seeds; nan where one run did not reach them.

    Raises InputError if no run is on a grammar and has samples.
    """
    import xarray

    data = levels.calculate(records)
    sizes = np.unique(data.n)
    time = np.geomspace(float(data.step.min()), float(data.step.max()), 200)
    phase = np.full((len(sizes), len(time)), np.nan)
    found = {"mem": [], "copy": []}
    for row, size in enumerate(sizes):
        runs = data.isel(run=np.flatnonzero(data.n == size))
        excess = np.mean([_at(time, run) for run in (runs.isel(run=r) for r in range(runs.sizes["run"]))], axis=0)
        # A level counts with those below it.
        learned = np.cumprod(excess >= LEARNED, axis=1).sum(axis=1).astype(float)
        for name, values in found.items():
            values.append(float(np.exp(np.log(runs[name]).mean(skipna=False))))
        learned[time >= np.fmin(found["mem"][-1], found["copy"][-1])] = _MEMORIZATION
        learned[time > float(runs.step.max())] = np.nan
        phase[row] = learned
    return xarray.Dataset(
        {
            "phase": (("n", "time"), phase, {"long_name": "highest level learned; -1: memorization"}),
            **{name: ("n", values, {"units": "optimizer steps"}) for name, values in found.items()},
        },
        {"n": ("n", sizes), "time": ("time", time, {"units": "optimizer steps"})},
        data.attrs | {"depth": data.sizes["level"]},
    )


def _at(time: np.ndarray, run: "xarray.Dataset") -> np.ndarray:
    """The excess (time, level) between milestones, linear in log-step; that of the last one after it."""
    known = np.isfinite(run.step.values)
    x, y = np.log(run.step.values[known]), run.excess.values[known]
    return np.stack([np.interp(np.log(time), x, column) for column in y.T], axis=1)


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw a column of colour for each P, and the times over it."""
    figure = style.new(width, 3.0)
    axes = figure.subplots()
    depth = int(data.attrs["depth"])
    greens = style.matplotlib.colormaps["YlGnBu"](np.linspace(0.15, 0.75, depth))
    colours = {0: "#EDEDED", **{level + 1: greens[level] for level in range(depth)}, _MEMORIZATION: style.VERMILION}
    names = {0: "not learned", _MEMORIZATION: "memorization", depth: f"generalization: all {depth} levels"}
    time = data.time.values
    edges = np.append(time, time[-1] * time[1] / time[0])
    half = np.sqrt(2.0)
    for row, n in enumerate(data.n.values):
        for value, colour in colours.items():
            here = data.phase.values[row] == value
            starts = np.flatnonzero(np.diff(np.r_[0, here.astype(int)]) == 1)
            ends = np.flatnonzero(np.diff(np.r_[here.astype(int), 0]) == -1)
            for first, last in zip(starts, ends, strict=True):
                axes.fill_between(
                    [n / half, n * half], edges[first], edges[last + 1], color=colour, linewidth=0, zorder=1
                )
    for name in ("mem", "copy"):
        look = {"color": style.BLACK, "markersize": 4, "markerfacecolor": "white", "linestyle": "none", "zorder": 3}
        axes.plot(data.n, data[name], marker=style.TIME_MARKERS[name], label=style.TIME_LABELS[name], **look)
    seen = np.isfinite(data.mem.values)
    if seen.any():
        middle = np.exp(np.mean(np.log(data.mem.values[seen] / data.n.values[seen])))
        axes.plot(data.n, middle * data.n, color=style.BLACK, linewidth=0.7, linestyle="--", label=r"$\propto P$")
    axes.set(
        xscale="log", yscale="log", xlim=(data.n.min() / half, data.n.max() * half), ylim=(edges[0], edges[-1]),
        xlabel="training strings $P$", ylabel="optimizer steps",
    )  # fmt: skip
    axes.set_xticks(data.n.values, [f"{n}" for n in data.n.values])
    axes.minorticks_off()
    handles = [
        Patch(color=colours[value], label=names.get(value, f"partial: {value} of {depth} levels"))
        for value in (0, *range(1, depth + 1), _MEMORIZATION)
    ]
    handles += axes.get_legend_handles_labels()[0]
    place = "outside right upper" if width > style.SINGLE else "outside lower center"
    figure.legend(handles=handles, loc=place, ncols=1 if width > style.SINGLE else 2)
    return figure

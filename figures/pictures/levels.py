"""What is learned of a grammar, level by level, before memorization ends it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.levels import LEARNED, floor_of, is_grammar, levels_of
from genmem.empirics.analysis.measure import setting_of, times_of
from genmem.figures.drawing import style
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Strings of a random grammar, one colour for each number P of training strings and one line for each seed. Level "
    "ℓ: the share of blocks of s^ℓ symbols in the samples that derive from some symbol, less the share in uniform "
    "noise (0: noise, 1: the grammar). Last panel: in nats per symbol, held-out loss (lines) and train loss (thin, "
    "dashed), with the loss of the Bayes-optimal denoiser, which is belief propagation on the tree. Circles: where the "
    "held-out loss is lowest. What is valid after that comes from copies, too."
)


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The levels of the runs on the grammar with the most P; excess, low, high (run, milestone, level), losses, times.

    Raises InputError if no run is on a grammar and has samples.
    """
    import xarray

    records = most_sizes(records)
    found = [levels_of(record) for record in records]
    longest, depth = max(len(run.steps) for run in found), len(found[0].chance)

    def padded(rows) -> np.ndarray:
        rows = [np.asarray(row, float) for row in rows]
        return np.array(
            [np.pad(row, [(0, longest - len(row))] + [(0, 0)] * (row.ndim - 1), constant_values=np.nan) for row in rows]
        )

    def scaled(name: str) -> np.ndarray:
        return padded([(getattr(run, name) - run.chance) / (1 - run.chance) for run in found])

    times = [times_of(record) for record in records]
    curve = ("run", "milestone")
    return xarray.Dataset(
        {
            "step": (curve, padded([run.steps for run in found]), {"units": "optimizer steps"}),
            "excess": ((*curve, "level"), scaled("shares"), {"long_name": "valid blocks less chance", "units": "1"}),
            "low": ((*curve, "level"), scaled("low"), {"long_name": "lower end of the 95 % interval"}),
            "high": ((*curve, "level"), scaled("high"), {"long_name": "upper end of the 95 % interval"}),
            "train": (curve, padded([record.train_loss for record in records]), {"units": "nats per symbol"}),
            "test": (curve, padded([record.test_loss for record in records]), {"units": "nats per symbol"}),
            "floor": ("run", [floor_of(record, record.config.loss_times[0]) for record in records]),
            "best": ("run", [run.best for run in found], {"long_name": "step of the lowest held-out loss"}),
            "mem": ("run", [np.nan if time.mem.censored else time.mem.value for time in times]),
            "copy": ("run", [np.nan if time.copy.censored else time.copy.value for time in times]),
        },
        {
            "n": ("run", [record.config.n for record in records]),
            "seed": ("run", [record.config.seed for record in records]),
            "level": ("level", np.arange(1, depth + 1)),
        },
        {"data": records[0].config.data, "t": records[0].config.loss_times[0], "process": records[0].config.process},
    )


def most_sizes(records: Sequence["RunRecord"]) -> list["RunRecord"]:
    """The runs on grammars of the setting with the most P, by P and seed; raises InputError if there are none."""
    settings: dict[str, list[RunRecord]] = {}
    for record in records:
        if is_grammar(record) and record.config.samples and len(record.steps) > 1:
            settings.setdefault(setting_of(record), []).append(record)
    if not settings:
        raise InputError("runs must hold at least one on strings of a grammar with samples, but none was found")
    runs = max(settings.values(), key=lambda group: (len({record.config.n for record in group}), len(group)))
    return sorted(runs, key=lambda record: (record.config.n, record.config.seed))


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw one panel for each level and one for the losses."""
    depth = data.sizes["level"]
    wide = width > style.SINGLE
    columns = 2 if not wide or depth == 3 else depth + 1
    rows = -(-(depth + 1) // columns)
    figure = style.new(width, (1.75 if wide else 1.5) * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    sizes = np.unique(data.n)
    colours = dict(zip(sizes.tolist(), style.ordered(len(sizes)), strict=True))
    for r in range(data.sizes["run"]):
        run = data.isel(run=r)
        colour = colours[int(run.n)]
        at = int(np.argmin(abs(run.step.values - float(run.best)) + np.where(np.isnan(run.step), np.inf, 0)))
        for axes, level in zip(panels, data.level.values, strict=False):
            here = run.sel(level=level)
            axes.fill_between(run.step, here.low, here.high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(run.step, here.excess, color=colour, linewidth=1)
            axes.plot(run.best, here.excess[at], "o", color=colour, markersize=3.2, markerfacecolor="white")
        losses = panels[depth]
        losses.plot(run.step, run.test, color=colour, linewidth=1)
        losses.plot(run.step, run.train, color=colour, linewidth=0.6, linestyle="--")
        losses.plot(run.best, run.test[at], "o", color=colour, markersize=3.2, markerfacecolor="white")
    for axes, level in zip(panels, data.level.values, strict=False):
        axes.set(ylim=(-0.03, 1.04), xscale="log")
        axes.set_title(f"level {level}", loc="left", fontweight="bold")
        axes.axhline(LEARNED, color=style.GREY, linewidth=0.5, linestyle=":")
    losses = panels[depth]
    losses.axhline(float(data.floor.mean()), color=style.VERMILION, linewidth=1)
    lowest, start = float(data.floor.min()), float(data.test.isel(milestone=0).max())
    losses.set(xscale="log", ylim=(lowest - 0.25 * (start - lowest), start + 0.35 * (start - lowest)))
    losses.set_title("loss, nats", loc="left", fontweight="bold")
    for axes in panels[depth + 1 :]:
        axes.set_visible(False)
    for axes in panels[::columns][:rows]:
        if axes is not losses:
            axes.set_ylabel("valid blocks\n(0: noise, 1: grammar)")
    for axes in panels[(rows - 1) * columns :]:
        axes.set_xlabel("optimizer steps")
    handles = [Line2D([], [], color=colour, label=f"$P$ = {size:,}") for size, colour in colours.items()]
    handles += [
        Line2D([], [], color=style.BLACK, label="held out"),
        Line2D([], [], color=style.BLACK, linewidth=0.6, linestyle="--", label="train"),
        Line2D([], [], color=style.VERMILION, label="Bayes floor"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5 if wide else 3)
    return figure

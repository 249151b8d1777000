"""Whether measured curves of copies fall on one when training time is rescaled, for each parameter that was varied."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genmem.empirics.analysis.collapse import LEVELS, collapse, level_times
from genmem.empirics.analysis.measure import SETTING
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import histories, with_samples
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "The fraction f_mem of samples that are copies against optimizer steps τ and, beside it, against rescaled steps "
    "T, for runs that differ in one parameter: the number of images n, the width W, the batch size B or the learning "
    "rate η. Spread: standard deviation of the logarithm of the times at which the runs reach given levels; smaller "
    "after the rescaling means a collapse. The data hold the same of the loss gap (test less train loss)."
)


@dataclass(frozen=True)
class Factor:
    """A parameter of runs. scale: what the steps are multiplied by at its value, a power of value / smallest value."""

    symbol: str
    power: int
    rescaled: str


# Marion and Wu (arXiv:2605.06077) for n, B and eta; that larger networks are faster by their width is the claim of
# Bonnaire et al. (arXiv:2505.17638).
FACTORS = {
    "n": Factor("n", -1, r"$T = \tau\,n_{min}/n$"),
    "width": Factor("W", 1, r"$T = \tau\,W/W_{min}$"),
    "batch_size": Factor("B", 1, r"$T = \tau\,B/B_{min}$"),
    "learning_rate": Factor("η", 1, r"$T = \tau\,\eta/\eta_{min}$"),
}
QUANTITIES = ("gap", "f_mem")  # the second is drawn
_LINES = ("-", "--", "-.", ":")


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """The curves of each sweep in one parameter, the scale of each run, and the spread before and after rescaling.

    Raises InputError if no parameter was varied alone.
    """

    chosen = {factor: sweep(records, factor) for factor in FACTORS}
    chosen = {factor: runs for factor, runs in chosen.items() if runs}
    if not chosen:
        raise InputError("runs must differ in n, width, batch size or learning rate alone to show a collapse")
    scales = {factor: scale(runs, factor) for factor, runs in chosen.items()}
    data = histories([record for runs in chosen.values() for record in runs])
    fall = data.initial - data.test.min("milestone")
    gap = ((data.test - data.train) / fall).assign_attrs(
        long_name="(test - train loss) / fall of the test loss", units="1"
    )
    found = {
        name: np.full((len(chosen), len(QUANTITIES)), math.nan) for name in ("before", "after", "low", "high", "chance")
    }
    for row, (factor, runs) in enumerate(chosen.items()):
        for column, quantity in enumerate(QUANTITIES):
            try:
                result = asdict(collapse(*level_times(runs, quantity), scales[factor]))
            except InputError:
                continue  # too few of these runs reach a level: not known
            for name, values in found.items():
                values[row, column] = result[name]
    meaning = {
        "before": "standard deviation of log steps at which the runs reach a level",
        "after": "the same of rescaled steps",
        "low": "lower end of the 95 % interval of after / before",
        "high": "upper end of the 95 % interval of after / before",
        "chance": "share of random assignments of the scales that collapse as well",
    }
    return data.assign(
        {"gap": gap}
        | {name: (("factor", "quantity"), values, {"long_name": meaning[name]}) for name, values in found.items()}
    ).assign_coords(
        factor=list(chosen),
        quantity=list(QUANTITIES),
        sweep=("run", [factor for factor, runs in chosen.items() for _ in runs], {"long_name": "what is varied"}),
        scale=("run", np.concatenate(list(scales.values())), {"long_name": "rescaled steps / optimizer steps"}),
    )


def sweep(records: Sequence["RunRecord"], factor: str) -> list["RunRecord"]:
    """The runs that differ in `factor` (and seed) alone: the most values of it, then the most that show copies; or
    none."""
    groups: dict[tuple, list[RunRecord]] = defaultdict(list)
    fixed = [name for name in (*SETTING, "n", "half") if name != factor]
    for record in with_samples(records):
        config = record.config
        groups[config.loss_times[0], *(getattr(config, name) for name in fixed)].append(record)

    def worth(group: list["RunRecord"]) -> tuple[int, int, int]:
        copies = sum(bool(record.f_mem[-1] > LEVELS["f_mem"][0]) for record in group)
        return len({getattr(record.config, factor) for record in group}), copies, len(group)

    best = max(groups.values(), key=worth)
    return sorted(best, key=lambda record: getattr(record.config, factor)) if worth(best)[0] > 1 else []


def scale(runs: Sequence["RunRecord"], factor: str) -> np.ndarray:
    """T / tau of each run (R,)."""
    values = np.array([getattr(run.config, factor) for run in runs], float)
    return (values / values.min()) ** FACTORS[factor].power


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw a pair of panels for each sweep, against steps and against rescaled steps: two pairs in a row in two
    columns."""
    pairs = 2 if width > style.SINGLE and data.sizes["factor"] > 1 else 1
    rows = -(-data.sizes["factor"] // pairs)
    figure = style.new(width, (1.9 if width > style.SINGLE else 1.6) * rows)
    panels = figure.subplots(rows, 2 * pairs, squeeze=False).reshape(-1, 2)
    for pair in panels[data.sizes["factor"] :]:
        for axes in pair:
            axes.remove()
    for pair, factor in zip(panels, data.factor.values, strict=False):
        runs = data.isel(run=np.flatnonzero(data.sweep.values == factor)).sel(factor=factor, quantity="f_mem")
        _pair(pair, runs)
        _name_values(pair[0], runs, str(factor))
        pair[0].set_xlabel(r"optimizer steps $\tau$")
        pair[1].set_xlabel(FACTORS[factor].rescaled)
    return figure


def _pair(pair: Sequence[Axes], runs: "xarray.Dataset") -> None:
    """The copies of one sweep against steps and against rescaled steps, over equally many decades."""
    colours = _colours(runs)
    rescaled = runs.step * runs.scale
    for axes, x, spread in zip(pair, (runs.step, rescaled), (runs.before, runs.after), strict=True):
        for k in range(runs.sizes["run"]):
            colour, line = colours[float(runs[str(runs.factor.values)][k])]
            axes.plot(x[k], runs.f_mem[k], color=colour, linestyle=line)
        axes.set_xscale("log")
        if np.isfinite(spread):
            axes.set_title(f"spread {float(spread):.2f}", fontsize=7, pad=2, loc="right")
    # What happens before the first copy is a line at zero.
    copied = runs.f_mem.where(runs.f_mem > 0).notnull()
    spans = []
    for x in (runs.step, rescaled):
        first = float(x.where(copied).min()) if copied.any() else float(x.min())
        spans.append((first / 2, float(x.max())))
    longest = max(np.log(last / first) for first, last in spans)
    for axes, (first, last) in zip(pair, spans, strict=True):
        margin = np.exp((longest - np.log(last / first)) / 2 + 0.1)
        axes.set_xlim(first / margin, last * margin)
        style.plain_log(axes.xaxis, (1, 3))
    pair[1].sharey(pair[0])
    pair[1].tick_params(labelleft=False)
    pair[0].set_ylabel(r"copies $f_{mem}$")


def _name_values(axes: Axes, runs: "xarray.Dataset", factor: str) -> None:
    """The values of the varied parameter, each in the colour of its curves."""
    for k, (value, (colour, _)) in enumerate(_colours(runs).items()):
        text = f"{FACTORS[factor].symbol} = {value:g}" if k == 0 else f"{value:g}"
        axes.annotate(
            text, (0, 1), (3, -2 - 8 * k), xycoords="axes fraction", textcoords="offset points", va="top", color=colour
        )


def _colours(runs: "xarray.Dataset") -> dict[float, tuple[str, str]]:
    """Colour and line style for each value of the varied parameter."""
    values = np.unique(runs[str(runs.factor.values)])
    return {float(v): (c, _LINES[k % len(_LINES)]) for k, (v, c) in enumerate(zip(values, style.ordered(len(values))))}

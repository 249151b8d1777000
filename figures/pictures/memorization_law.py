"""Is tau_mem proportional to the number of training data? Images, mixtures, grammars and text in one picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.laws import fit_exponent
from genmem.empirics.analysis.measure import setting_of, times_of
from genmem.figures.drawing import style
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

TOGETHER = True
"""Drawn of all runs that are given, in whatever folders."""
CAPTION = (
    "The memorization time, when the held-out loss has risen by 10 % of its fall, against the number n of training "
    "data, for each kind of data: the setting with the most n, one point for each run (arrows: later than the end of "
    "the run). In the legend: the exponent of τ_mem in n with its 95 % interval, censored times included. Lines have "
    "the fitted exponents, dashed grey is proportional to n."
)
_MARKERS = "osDv^P"
_COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """n, tau_mem and if it is censored (run,), and kind of data; exponent, low, high (kind,).

    Raises InputError if no kind of data has an uncensored time at two n.
    """
    import xarray

    chosen: dict[str, list[RunRecord]] = {}
    for record in records:
        if len(record.steps) > 1 and record.status != "diverged":
            chosen.setdefault(setting_of(record), []).append(record)
    best: dict[str, list[RunRecord]] = {}
    for group in chosen.values():
        kind = _kind(group[0])
        here = best.get(kind, [])
        if _worth(group) > _worth(here):
            best[kind] = group
    rows, fits = [], []
    for kind, group in sorted(best.items()):
        times = [times_of(record).mem for record in group]
        n = [record.config.n for record in group]
        if len({size for size, time in zip(n, times, strict=True) if not time.censored}) < 2:
            continue
        fit = fit_exponent(n, [time.value for time in times], [time.censored for time in times])
        logs = [np.log(time.value / size**fit.value) for size, time in zip(n, times, strict=True) if not time.censored]
        fits.append((kind, fit.value, fit.low, fit.high, float(np.exp(np.mean(logs)))))
        rows += [(kind, size, time.value, time.censored) for size, time in zip(n, times, strict=True)]
    if not fits:
        raise InputError("runs must show tau_mem at two numbers of training data of one setting, but none does")
    names, sizes, values, censored = zip(*rows, strict=True)
    kinds, exponent, low, high, factor = zip(*fits, strict=True)
    return xarray.Dataset(
        {
            "tau_mem": ("run", np.array(values), {"units": "optimizer steps"}),
            "censored": ("run", np.array(censored)),
            "exponent": ("kind", np.array(exponent)),
            "low": ("kind", np.array(low)),
            "high": ("kind", np.array(high)),
            "factor": ("kind", np.array(factor), {"long_name": "tau_mem over n^exponent, geometric mean"}),
        },
        {"n": ("run", np.array(sizes)), "of": ("run", list(names)), "kind": ("kind", list(kinds))},
    )


def _kind(record: "RunRecord") -> str:
    """What the data are, in a legend: a path says nothing there, a grammar's m and L do."""
    name, _, argument = record.config.data.partition(":")
    if name == "grammar":
        process = "" if record.config.process == "masked" else f", {record.config.process}"
        return f"grammar {','.join(part for part in argument.split(',') if part[0] in 'mL')}{process}"
    return name


def _worth(group: Sequence["RunRecord"]) -> tuple[int, int]:
    return len({record.config.n for record in group}), len(group)


@style.styled
def build(data: "xarray.Dataset", width: float = style.DOUBLE) -> Figure:
    """Draw the times of all kinds of data over n."""
    wide = width > style.SINGLE
    figure = style.new(width, 3.2 if wide else 4.2)
    axes = figure.subplots()
    handles = []
    for k, kind in enumerate(data.kind.values):
        runs = data.isel(run=np.flatnonzero(data.of == kind))
        law = data.isel(kind=k)
        look = {"color": _COLOURS[k % len(_COLOURS)], "marker": _MARKERS[k % len(_MARKERS)], "markersize": 4}
        seen = ~runs.censored.values.astype(bool)
        axes.plot(runs.n[seen], runs.tau_mem[seen], linestyle="none", markerfacecolor="white", **look)
        for n, tau in zip(runs.n.values[~seen], runs.tau_mem.values[~seen], strict=True):
            axes.plot(n, 1.35 * tau, linestyle="none", marker="")  # the axes must reach as far as the arrow
            axes.annotate("", (n, 1.35 * tau), (n, tau), arrowprops={"arrowstyle": "->", "color": look["color"]})
        ends = np.array([runs.n.min(), runs.n.max()], float)
        if np.isfinite(law.exponent):
            axes.plot(ends, float(law.factor) * ends ** float(law.exponent), color=look["color"], linewidth=1)
        interval = f" ({float(law.low):.2f} to {float(law.high):.2f})" if np.isfinite(law.low) else ""
        known = f"$n^{{{float(law.exponent):.2f}}}${interval}" if np.isfinite(law.exponent) else "too few times"
        handles.append(Line2D([], [], markerfacecolor="white", linewidth=1, **look, label=f"{kind}: {known}"))
    axes.set(xscale="log", yscale="log", xlabel="training data $n$", ylabel=r"$\tau_{mem}$, optimizer steps")
    style.plain_log(axes.xaxis)
    style.plain_log(axes.yaxis, (1, 2, 5))
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    middle = np.sqrt(bottom * top / (left * right))
    guide = np.array([left, right])
    axes.plot(guide, middle * guide, color=style.GREY, linestyle="--", linewidth=0.8, zorder=0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    handles.append(Line2D([], [], color=style.GREY, linestyle="--", linewidth=0.8, label=r"$\propto n$"))
    figure.legend(handles=handles, loc="outside right upper" if wide else "outside lower center")
    return figure

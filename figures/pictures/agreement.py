"""Two models trained on disjoint halves of the data: first they agree with each other, then each with its own data."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.fidelity import agreement
from genmem.empirics.analysis.measure import times_of
from genmem.empirics.randomness import derived_seed
from genmem.empirics.samples.metrics import cosine_similarity, nearest_similarity
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import with_samples
from genmem.shared.errors import InputError

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Two networks trained on disjoint halves of the data, generating from the same noise. First panel: cosine "
    "similarity of what they make of the same noise (mean and its 95 % interval) and of different noise (dotted). "
    "Second panel: similarity of each network's samples to the nearest of its own training images, and to the nearest "
    "of equally many held-out images, which it cannot copy (dotted). In pixels, around the mean of the held-out "
    "images. Networks that have learned nothing agree too: both return much of the noise. Shaded: from τ_gen to τ_mem "
    "of the losses, means of the pair."
)
_DRAWS = 500
_CONFIG = ("n", "width", "batch_size", "learning_rate", "seed")


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """Agreement and similarities of each pair of runs that differ in the half alone, on the steps that both recorded.

    Raises InputError if there is no such pair, or if samples of a pair were not all kept.
    """
    import xarray

    found = pairs(records)
    if not found:
        raise InputError("runs must hold two that differ in the half alone, one first and one second, but they do not")
    data = xarray.concat([of_pair(*pair) for pair in found], "pair", join="outer", combine_attrs="drop_conflicts")
    return data.assign_coords({name: ("pair", [getattr(first.config, name) for first, _ in found]) for name in _CONFIG})


def pairs(records: Sequence["RunRecord"]) -> list[tuple["RunRecord", "RunRecord"]]:
    """All runs on the first half with those on the second half that agree in everything else, ordered by n."""
    by_key = {record.key: record for record in with_samples(records)}
    partners = [
        (record, by_key.get(dataclasses.replace(record.config, half="second").key))
        for record in by_key.values()
        if record.config.half == "first"
    ]
    return sorted(((a, b) for a, b in partners if b is not None), key=lambda pair: pair[0].config.n)


def of_pair(first: "RunRecord", second: "RunRecord") -> "xarray.Dataset":
    """Means over the samples, (milestone) for the pair and (half, milestone) for each model."""
    import xarray

    held_out = first.held_out_images()
    held_out = held_out.reshape(len(held_out), -1)
    centre = held_out.mean(axis=0)
    order = np.random.default_rng(derived_seed(0, "reference")).permutation(len(held_out))
    control = held_out[order[: first.config.n]]
    steps = np.intersect1d(first.steps, second.steps)
    same = [agreement(first, second, int(step)) for step in steps]
    intervals = [_interval(values) for values in same]
    own, other, unrelated = (np.empty((2, len(steps))) for _ in range(3))
    for h, record in enumerate((first, second)):
        training = record.training_images().reshape(record.config.n, -1)
        partner = (second, first)[h]
        for k, step in enumerate(steps):
            samples, theirs = (each.samples(int(step)).reshape(len(same[k]), -1) for each in (record, partner))
            own[h, k] = nearest_similarity(samples, training, centre)[0].mean()
            other[h, k] = nearest_similarity(samples, control, centre)[0].mean()
            unrelated[h, k] = cosine_similarity(samples, np.roll(theirs, 1, axis=0), centre).mean()
    halves = ("half", "milestone")
    times = {name: [getattr(times_of(record), name).value for record in (first, second)] for name in ("gen", "mem")}
    return xarray.Dataset(
        {
            "agreement": (
                "milestone",
                [v.mean() for v in same],
                {"long_name": "similarity of samples of the same noise"},
            ),
            "agreement_low": ("milestone", [low for low, _ in intervals]),
            "agreement_high": ("milestone", [high for _, high in intervals]),
            "unrelated": (
                "milestone",
                unrelated.mean(axis=0),
                {"long_name": "similarity of samples of different noise"},
            ),
            "own": (halves, own, {"long_name": "similarity to the nearest own training image"}),
            "held_out": (halves, other, {"long_name": "similarity to the nearest of equally many held-out images"}),
            "step": ("milestone", steps.astype(float), {"units": "optimizer steps"}),
            "tau_gen": ("half", times["gen"], {"units": "optimizer steps"}),
            "tau_mem": ("half", times["mem"], {"units": "optimizer steps"}),
        },
        coords={"half": ["first", "second"], "milestone": np.arange(len(steps))},
        attrs={"data": first.config.data},
    )


def _interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean."""
    draws = np.random.default_rng(0).choice(values, (_DRAWS, len(values))).mean(axis=1)
    return tuple(np.quantile(draws, [0.025, 0.975]))


@style.styled
def build(data: "xarray.Dataset", width: float = style.SINGLE) -> Figure:
    """Draw the agreement and each model's similarity to its data: below one another, or side by side in two columns."""
    if width > style.SINGLE:
        figure = style.new(width, 2.7)
        between, within = figure.subplots(1, 2, sharey=True)
    else:
        figure = style.new(width, 4.3)
        between, within = figure.subplots(2, 1, sharex=True, sharey=True)
    colours = style.ordered(data.sizes["pair"]) if data.sizes["pair"] > 1 else [style.BLUE]
    for k, colour in enumerate(colours):
        pair = data.isel(pair=k)
        between.fill_between(pair.step, pair.agreement_low, pair.agreement_high, color=colour, alpha=0.2, linewidth=0)
        between.plot(pair.step, pair.agreement, color=colour)
        between.plot(pair.step, pair.unrelated, color=colour, linestyle=":")
        for half, line in zip(("first", "second"), ("-", "--"), strict=True):
            within.plot(pair.step, pair.own.sel(half=half), color=colour, linestyle=line)
        within.plot(pair.step, pair.held_out.mean("half"), color=colour, linestyle=":")
        _window((between, within), pair, colour)
    between.set_ylabel("agreement of the two")
    within.set_ylabel("similarity to nearest image")
    within.set_xscale("log")
    between.set_xscale("log")
    between.set_ylim(min(-0.05, float(data.unrelated.min()) - 0.05), 1.02)
    for axes in (between, within) if width > style.SINGLE else (within,):
        axes.set_xlabel("optimizer steps")
    within.tick_params(labelleft=True)
    _keys(between, {"same noise": "-", "different noise": ":"})
    _keys(within, {"own, first half": "-", "own, second half": "--", "held-out": ":"})
    handles = [Line2D([], [], color=c, label=f"n = {int(n):,}") for c, n in zip(colours, data.n.values, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _window(panels: Sequence[Axes], pair: "xarray.Dataset", colour: str) -> None:
    """Shade the time from tau_gen to tau_mem."""
    gen, mem = (float(np.exp(np.log(pair[name]).mean())) for name in ("tau_gen", "tau_mem"))
    for axes in panels:
        axes.axvspan(gen, mem, color=colour, alpha=0.1, linewidth=0)


def _keys(axes: Axes, lines: dict[str, str]) -> None:
    handles = [Line2D([], [], color=style.GREY, linestyle=line, label=label) for label, line in lines.items()]
    axes.legend(handles=handles, loc="best")

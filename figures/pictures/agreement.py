"""Two models trained on disjoint halves of the data: first they agree with each other, then each with its own data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genmem.empirics.analysis.halves import Pair, pair_of, partners
from genmem.empirics.analysis.mapping import images_of_run
from genmem.empirics.analysis.measure import times_of
from genmem.figures.drawing import style
from genmem.figures.drawing.histories import usable
from genmem.shared.errors import InputError
from genmem.theory.linear_denoiser import LinearDenoiser

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.records.runs import RunRecord

CAPTION = (
    "Two networks trained on disjoint halves of the data, generating from the same noise. First panel: cosine "
    "similarity of what they make of the same noise (mean and its 95 % interval), of what each makes of it and the "
    "other made before training (dashed; what agreement is worth begins above it) and of different noise (dotted). "
    "Second panel: similarity of each network's samples to the nearest of its own training images, and to the nearest "
    "of equally many held-out images, which it cannot copy (dotted). In pixels, around the mean of the held-out "
    "images. Dash-dotted: the closed form for two linear denoisers on halves of as many data of this covariance, its "
    "unit of time fitted; where the networks agree less, their scores are nonlinear functions of their own data. A "
    "pair marked “same seed” also had the same "
    "initial weights: it agrees from the start and tests nothing. "
    "Shaded: from τ_gen to τ_mem of the losses, means of the pair."
)
_DRAWS = 500
# Training times of the theory's curve, and units of time that are tried.
_TAU = np.geomspace(1e-2, 1e5, 71)
_UNITS = 200
_CONFIG = ("n", "width", "batch_size", "learning_rate", "seed")


def calculate(records: Sequence["RunRecord"]) -> "xarray.Dataset":
    """Agreement and similarities of each pair of runs on disjoint halves, on the steps that both recorded.

    Raises InputError if there is no such pair, or if samples of a pair were not all kept.
    """
    import xarray

    found = partners(usable(records))
    if not found:
        raise InputError(
            "runs must hold two that differ in the half and the seed alone, one first and one second, with the same "
            "sampling_seed, but they do not"
        )
    pairs = [of_pair(pair_of(*pair)) for pair in found]
    data = xarray.concat(pairs, "pair", join="outer", combine_attrs="drop_conflicts")
    return data.assign_coords({name: ("pair", [getattr(first.config, name) for first, _ in found]) for name in _CONFIG})


def of_pair(pair: Pair) -> "xarray.Dataset":
    """Means over the samples, (milestone) for the pair and (half, milestone) for each model."""
    import xarray

    # Step 0 has no place on a logarithmic axis; the baseline stands for it.
    trained = slice(1, None)
    same = pair.agreement[trained]
    intervals = np.array([_interval(values) for values in same])
    linear, steps_per_tau = of_linear_networks(pair.first, pair.steps[trained], same.mean(1))
    halves = ("half", "milestone")
    times = {
        name: [getattr(times_of(record), name).value for record in (pair.first, pair.second)] for name in ("gen", "mem")
    }
    return xarray.Dataset(
        {
            "agreement": ("milestone", same.mean(1), {"long_name": "similarity of samples of the same noise"}),
            "agreement_low": ("milestone", intervals[:, 0]),
            "agreement_high": ("milestone", intervals[:, 1]),
            "untrained": (
                "milestone",
                pair.with_untrained[trained].mean(1),
                {"long_name": "similarity to samples that the other network makes of the same noise before training"},
            ),
            "unrelated": (
                "milestone",
                pair.unrelated[trained],
                {"long_name": "similarity of samples of different noise"},
            ),
            "linear": (
                "milestone",
                linear,
                {"long_name": "agreement of two linear denoisers on such halves", "steps_per_tau": steps_per_tau},
            ),
            "own": (halves, pair.own[trained].T, {"long_name": "similarity to the nearest own training image"}),
            "held_out": (
                halves,
                pair.held_out[trained].T,
                {"long_name": "similarity to the nearest of equally many held-out images"},
            ),
            "step": ("milestone", pair.steps[trained].astype(float), {"units": "optimizer steps"}),
            "tau_gen": ("half", times["gen"], {"units": "optimizer steps"}),
            "tau_mem": ("half", times["mem"], {"units": "optimizer steps"}),
            "shares_seed": ((), pair.shares_seed, {"long_name": "both networks had the same initial weights"}),
        },
        coords={"half": ["first", "second"], "milestone": np.arange(len(same))},
        attrs={"data": pair.first.config.data},
    )


def of_linear_networks(record: "RunRecord", steps: np.ndarray, agreement: np.ndarray) -> tuple[np.ndarray, float]:
    """Agreement (K,) at these steps of linear denoisers on disjoint halves of n data of this covariance, or nan.

    And the optimizer steps in one unit of tau, the one number that is fitted, by least squares to the pair's agreement
    (K,). The theory's curve falls from one at tau = 0 to its value at tau = inf.
    """
    if record.config.process != "gaussian":
        return np.full(len(steps), np.nan), np.nan
    d, spectrum = images_of_run(record)
    curve = LinearDenoiser(record.config.n / d, spectrum).generated(_TAU).agreement
    units = np.geomspace(steps[-1] / _TAU[-1], steps[0] / _TAU[0], _UNITS)
    laid = np.array([np.interp(np.log(steps / unit), np.log(_TAU), curve) for unit in units])
    best = int(np.argmin(((laid - agreement) ** 2).sum(axis=1)))
    return laid[best], float(units[best])


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
        between.plot(pair.step, pair.untrained, color=colour, linestyle="--")
        between.plot(pair.step, pair.unrelated, color=colour, linestyle=":")
        between.plot(pair.step, pair.linear, color=colour, linestyle="-.", linewidth=0.8)
        between.annotate("linear, in theory", (0.99, float(pair.linear[-1])), (0, 2), color=colour, ha="right",
                         xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
        for half, line in zip(("first", "second"), ("-", "--"), strict=True):
            within.plot(pair.step, pair.own.sel(half=half), color=colour, linestyle=line)
        within.plot(pair.step, pair.held_out.mean("half"), color=colour, linestyle=":")
        _window((between, within), pair, colour)
    between.set_ylabel("agreement of the two")
    within.set_ylabel("similarity to nearest image")
    within.set_xscale("log")
    between.set_xscale("log")
    between.set_ylim(min(-0.05, float(min(data.unrelated.min(), data.untrained.min())) - 0.05), 1.02)
    for axes in (between, within) if width > style.SINGLE else (within,):
        axes.set_xlabel("optimizer steps")
    within.tick_params(labelleft=True)
    _keys(between, {"same noise": "-", "one of them untrained": "--", "different noise": ":"})
    _keys(within, {"own, first half": "-", "own, second half": "--", "held-out": ":"})
    handles = [
        Line2D([], [], color=colour, label=f"n = {int(n):,}" + (", same seed" if shared else ""))
        for colour, n, shared in zip(colours, data.n.values, data.shares_seed.values, strict=True)
    ]
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

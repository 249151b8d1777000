"""The published claims against a set of recorded runs: what was claimed, what was measured, and whether they agree.

Claims 1-5 are those of Bonnaire et al. (arXiv:2505.17638; [B]), Marion and Wu (arXiv:2605.06077; [W]) and Favero et al.
(arXiv:2505.16959; [F]) on times and copies, claim 6 that of [W] on distances between distributions, claim 7 that of [F]
on two models. Exponents are fitted jointly in whatever varies, by censored maximum likelihood
(genmem.empirics.analysis.laws); settings that differ otherwise have constants of their own.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from genmem.empirics.analysis.collapse import collapse_of
from genmem.empirics.analysis.fidelity import all_metrics, distance_curve
from genmem.empirics.analysis.findings import Finding, share_interval
from genmem.empirics.analysis.halves import pair_of, partners
from genmem.empirics.analysis.laws import fit_law, local_exponents, locally, typical_times
from genmem.empirics.analysis.measure import SETTING, RunTimes, memorization_rate, times_of
from genmem.empirics.analysis.quality import Quality, double_descent, quality_of, with_scatter
from genmem.empirics.analysis.verdicts import AGREES, DISAGREES, NOT_TESTED, UNDECIDED, verdict_on
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.features import RANDOM_CONV, FeatureSpace, feature_space
from genmem.shared.errors import InputError
from genmem.shared.vocabulary import FACTORS

# "Nearly equal" distances, as a ratio.
_NEARLY = 1.1
_CHANCE = 0.05


def find_all(
    records: Iterable[RunRecord],
    space: FeatureSpace | str = RANDOM_CONV,
    t: float | None = None,
    on_run: Callable[[], None] = lambda: None,
) -> dict[str, list[Finding]]:
    """The findings of each data set among the records; those that diverged or generate no samples are left out.

    So are runs that stopped early: what the claims say of a run's end does not hold of them, and their end was chosen
    by the curves that are measured.

    Runs on strings have claims of their own (grammar_claims.py).

    space: feature space of SWD and FID. t: diffusion time of the loss, by default the first of each config's. on_run:
    called after each run was read; its metrics take a while at first. Raises InputError if no run with two milestones
    is left.
    """
    from genmem.empirics.analysis import grammar_claims

    space = feature_space(space) if isinstance(space, str) else space
    measured: dict[str, list[_Measured]] = {}
    strings = []
    for record in records:
        whole = record.status not in ("diverged", "stopped early")
        usable = record.config.samples and len(record.steps) > 1 and whole
        if usable and PROCESSES[record.config.process].copies_are_exact:
            strings.append(record)
            continue
        if usable:
            measured.setdefault(record.config.data, []).append(_Measured.of(record, space, t))
        on_run()
    if not measured and not strings:
        raise InputError("runs must hold at least one run with samples at two milestones, but none was found")
    found = {data: [finding for part in _CLAIMS for finding in part(runs)] for data, runs in sorted(measured.items())}
    return found | grammar_claims.find(strings, t, on_run)


@dataclasses.dataclass(frozen=True)
class _Measured:
    """All that the claims are about, of one run."""

    record: RunRecord
    times: RunTimes
    good: Quality | None
    """When samples are good, by SWD to all held-out images; None if an older version took it to fewer of them."""
    best: Quality | None
    """How good they get, by KID; None likewise."""
    rate: float
    ratios: dict[str, float]
    """Distance to held-out images / distance to equally many training images at the end, by distance."""
    descents: dict[str, bool]

    @classmethod
    def of(cls, record: RunRecord, space: FeatureSpace, t: float | None) -> "_Measured":
        metrics = all_metrics(record, space)
        ratios, descents = {}, {}
        for name in ("swd", "fid"):
            curve = distance_curve(record, f"{name}_test", space)
            ratios[name] = metrics[-1].distances[f"{name}_equal"][0] / metrics[-1].distances[f"{name}_train"][0]
            descents[name] = double_descent(*with_scatter(*curve.T))
        older = any(each.older for each in metrics)
        good, best = (None if older else quality_of(record, name, space) for name in ("swd", "kid"))
        return cls(record, times_of(record, t), good, best, memorization_rate(record)[0], ratios, descents)


def _times_in_n(runs: Sequence[_Measured]) -> list[Finding]:
    return [
        _exponent(1, "τ_gen ∝ n^0 [B, F, W]", "τ_gen", runs, ("n",), "n", 0),
        _exponent(1, "τ_gen by fidelity ∝ n^0 [B, W]", "τ_gen(SWD)", runs, ("n",), "n", 0),
        _exponent(1, "τ_mem ∝ n [B, F, W]", "τ_mem", runs, ("n",), "n", 1),
        _exponent(1, "τ_copy ∝ n [B]", "τ_copy", runs, ("n",), "n", 1),
    ]


def _times_in_width(runs: Sequence[_Measured]) -> list[Finding]:
    return [
        _exponent(2, "τ_gen ∝ 1/W [B]", "τ_gen", runs, ("n", "W"), "W", -1),
        _exponent(2, "τ_mem ∝ 1/W [B]", "τ_mem", runs, ("n", "W"), "W", -1),
        _exponent(2, "larger models memorize sooner [W]", "τ_copy", runs, ("n", "W"), "W", sign=-1),
        _exponent(2, "larger models peak at better fidelity [W]", "peak KID", runs, ("n", "W"), "W", sign=-1),
    ]


def _full_batch(runs: Sequence[_Measured]) -> list[Finding]:
    # Their batch size is n and no setting of its own.
    full = [run for run in runs if run.record.config.batch_size == run.record.config.n]
    return [
        _exponent(3, f"{time} ∝ n with full batches, B = n [B]", time, full, ("n",), "n", 1, free=("batch_size",))
        for time in ("τ_mem", "τ_copy")
    ]


def _batch_and_rate(runs: Sequence[_Measured]) -> list[Finding]:
    varied = ("n", "B", "eta")
    findings = [
        _exponent(4, "onset ∝ 1/B [W]", "τ_copy", runs, varied, "B", -1),
        _collapse(runs),
        _exponent(4, "smaller batches peak at better fidelity [W]", "peak KID", runs, varied, "B", sign=1),
        _exponent(4, "batch size hardly changes the memorization rate [W]", "memorization rate", runs, varied, "B", 0),
    ]
    onset = _exponent(4, "larger η delays the normalised onset τ·η [W]", "τ_copy", runs, varied, "eta", sign=1, shift=1)
    return [
        *findings,
        onset,
        _exponent(4, "larger η peaks at better fidelity [W]", "peak KID", runs, varied, "eta", sign=-1),
    ]


def _lag(runs: Sequence[_Measured]) -> list[Finding]:
    lagging = [run for run in runs if run.times.lag is not None]
    claimed = "the loss gap opens first, copies follow [B]"
    quantity = "τ_copy/τ_gap"
    lags = [run.times.lag for run in lagging]
    values, censored = [lag.value for lag in lags], [lag.censored for lag in lags]
    value, low, high = typical_times(values, censored, ["all"] * len(lags)).get("all", (math.nan, 0.0, math.inf))
    if math.isnan(value):
        first = _untested(5, claimed, quantity, lagging, "too few runs show both times")
    else:
        first = Finding(5, claimed, quantity, value, low, high, len(lags), sum(censored), _side(low - 1, high - 1, 1))
    return [first, _exponent(5, "the lag is consistent: the same at each n [B]", quantity, lagging, ("n",), "n", 0)]


def _blind_distances(runs: Sequence[_Measured]) -> list[Finding]:
    findings = []
    copied = [run for run in runs if not run.times.copy.censored]
    for name in ("swd", "fid"):
        claimed = f"{name.upper()} to train and to test nearly equal, even with copies (ratio within {_NEARLY:g}) [W]"
        quantity = f"{name.upper()} test/train at the end"
        if len(copied) < 2:
            findings.append(_untested(6, claimed, quantity, copied, "fewer than two runs show copies"))
            continue
        logs = np.log([max(run.ratios[name], 1e-9) for run in copied])
        draws = np.random.default_rng(0).choice(logs, (1000, logs.size)).mean(axis=1)
        value, low, high = np.exp([logs.mean(), *np.quantile(draws, [0.025, 0.975])]).tolist()
        inside = 1 / _NEARLY <= low and high <= _NEARLY
        outside = high < 1 / _NEARLY or low > _NEARLY
        verdict = AGREES if inside else DISAGREES if outside else UNDECIDED
        findings.append(Finding(6, claimed, quantity, value, low, high, len(copied), 0, verdict))
    for name in ("swd", "fid"):
        seen = sum(run.descents[name] for run in runs)
        low, high = share_interval(seen, len(runs))
        claimed = f"a double descent of {name.upper()} in training time can occur [W]"
        verdict = AGREES if seen else UNDECIDED
        share = seen / len(runs)
        findings.append(Finding(6, claimed, "share of runs with one", share, low, high, len(runs), 0, verdict))
    return findings


def _disjoint_halves(runs: Sequence[_Measured]) -> list[Finding]:
    rises = "models of disjoint halves agree at τ_gen, above untrained ones [F]"
    falls = "and less at the end [F]"
    quantities = "agreement at τ_gen, above the baseline", "agreement, end − τ_gen"
    by_key = {run.record.key: run for run in runs}
    pairs = [pair_of(*pair) for pair in partners([run.record for run in runs])]
    independent = [pair for pair in pairs if not pair.shares_seed]
    if not independent:
        why = (
            "the two runs share their seed, and so agree before training"
            if pairs
            else "no two runs on disjoint halves that start from the same noise"
        )
        return [
            _untested(7, claimed, quantity, [], why)
            for claimed, quantity in zip((rises, falls), quantities, strict=True)
        ]
    above, change, levels = [], [], []
    for pair in independent:
        early = pair.at(by_key[pair.first.key].times.gen.value)
        above.append(pair.rise[early])
        change.append(pair.agreement[-1] - pair.agreement[early])
        levels.append([pair.agreement[row].mean() for row in (0, early, -1)])
    untrained, early, late = np.mean(levels, axis=0)
    note = f"agreement {untrained:.2f} before training, {early:.2f} at τ_gen, {late:.2f} at the end"
    return [
        _mean_over_samples(7, claimed, quantity, np.concatenate(values), sign, 2 * len(independent), note)
        for claimed, quantity, values, sign in zip((rises, falls), quantities, (above, change), (1, -1), strict=True)
    ]


def _mean_over_samples(
    claim: int, claimed: str, quantity: str, values: np.ndarray, sign: int, runs: int, note: str
) -> Finding:
    """Whether the mean of values of samples (S,) has a sign, by its 95 % bootstrap interval."""
    random = np.random.default_rng(0)
    draws = [random.choice(values, values.size).mean() for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return Finding(claim, claimed, quantity, float(values.mean()), low, high, runs, 0, _side(low, high, sign), note)


_CLAIMS = (_times_in_n, _times_in_width, _full_batch, _batch_and_rate, _lag, _blind_distances, _disjoint_halves)


def _quantity(name: str, run: _Measured) -> tuple[float, bool]:
    """A positive number and whether it is only a lower bound; nan where the run does not have it.

    Of the peak its inverse: the true one is lower than what was seen where a run ended too early, and nobody knows by
    how much where samples cannot be told from real images.
    """
    if name == "peak KID":
        if run.best is None:
            return math.nan, False
        if run.best.at_floor:
            return 1 / (max(run.best.peak, 0.0) + 2 * run.best.sample_error), True
        return 1 / run.best.peak, run.best.open
    if name == "memorization rate":
        return run.rate, False
    if name == "τ_gen(SWD)":
        return (math.nan, False) if run.good is None else (run.good.gen.value, run.good.gen.censored)
    time = run.times.lag if name == "τ_copy/τ_gap" else getattr(run.times, name.removeprefix("τ_"))
    return time.value, time.censored


def _exponent(
    claim: int,
    claimed: str,
    quantity: str,
    runs: Sequence[_Measured],
    factors: tuple[str, ...],
    factor: str,
    expected: float | None = None,
    *,
    sign: int = 0,
    shift: float = 0.0,
    free: tuple[str, ...] = (),
) -> Finding:
    """The exponent of a quantity in one factor, fitted jointly in `factors`, against `expected` or, if None, its sign.

    shift is added to the exponent. free: fields that do not make a setting, besides the factors.
    """
    values = [_quantity(quantity, run) for run in runs]
    kept = [(run, value, late) for run, (value, late) in zip(runs, values, strict=True) if value > 0]
    label = f"exponent of {quantity} in {'η' if factor == 'eta' else factor}" + (f" + {shift:g}" if shift else "")
    if not kept:
        why = f"no run shows {quantity}" if runs else "no such run"
        if runs and all(run.best is None for run in runs) and quantity in ("peak KID", "τ_gen(SWD)"):
            why = "an older version measured distances, to few held-out images"
        return _untested(claim, claimed, label, [], why)
    ignored = {FACTORS[name] for name in factors} | set(free)
    names = [name for name in SETTING if name not in ignored]
    settings = [str([getattr(run.record.config, name) for name in names]) for run, _, _ in kept]
    data = {name: [getattr(run.record.config, FACTORS[name]) for run, _, _ in kept] for name in factors}
    numbers = [value for _, value, _ in kept], [late for _, _, late in kept]
    fit = fit_law(data, *numbers, settings).exponents[factor]
    local = local_exponents(data, factor, *numbers, settings)
    if quantity == "peak KID":
        fit, local = fit.inverse, [dataclasses.replace(each, exponent=each.exponent.inverse) for each in local]
    if math.isnan(fit.value):
        varied = len({getattr(run.record.config, FACTORS[factor]) for run, _, _ in kept}) > 1
        why = "too few were observed" if varied else f"only one {FACTORS[factor]} among these runs"
        return _untested(claim, claimed, label, [run for run, _, _ in kept], why)
    value, low, high = fit.value + shift, fit.low + shift, fit.high + shift
    if expected is None:
        verdict = _side(low, high, sign)
    else:
        verdict = verdict_on(low, high, expected)
    note = locally(local) if local else ""
    return Finding(claim, claimed, label, value, low, high, fit.runs, fit.censored, verdict, note)


def _collapse(runs: Sequence[_Measured]) -> Finding:
    claimed = "f_mem collapses on T = τ·(N_min/N)·(B/B_min)·(η/η_min) [W]"
    quantity = "spread of log-time after/before"
    ignored = {"batch_size", "learning_rate"}
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        setting = str([getattr(run.record.config, name) for name in SETTING if name not in ignored])
        groups.setdefault(setting, []).append(run.record)
    # The setting in which most was varied.
    records = max(groups.values(), key=lambda group: (len(set(map(_varied, group))), len(group)))
    try:
        found = collapse_of(records, "f_mem")
    except InputError:
        return _untested(4, claimed, quantity, [], "too few runs reach a common level")
    if found.high < 1 and found.chance < _CHANCE:
        verdict = AGREES
    else:
        verdict = DISAGREES if found.low > 1 else UNDECIDED
    return Finding(
        4,
        claimed,
        quantity,
        found.ratio,
        found.low,
        found.high,
        found.runs,
        0,
        verdict,
        f"spread {found.before:.2f} -> {found.after:.2f}; {found.chance:.0%} of shuffled scales do as well",
    )


def _varied(record: RunRecord) -> tuple[int, int, float]:
    return record.config.n, record.config.batch_size, record.config.learning_rate


def _side(low: float, high: float, sign: int) -> str:
    """Whether an interval lies on the side of zero that `sign` says."""
    if low > 0 or high < 0:
        return AGREES if (low > 0) == (sign > 0) else DISAGREES
    return UNDECIDED


def _untested(claim: int, claimed: str, quantity: str, runs: Sequence[_Measured], why: str) -> Finding:
    return Finding(claim, claimed, quantity, math.nan, -math.inf, math.inf, len(runs), 0, NOT_TESTED, why)

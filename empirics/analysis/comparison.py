"""Theory against runs: exponents, the map and its residuals, and the published claims, each with a verdict.

Runs of U-Nets are compared on the fitted map (mapping.py); exponents in n need of it only psi_p, on which they hardly
depend. Runs of the random-features network are compared with the closed form, and nothing is fitted (closed_form.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmem.empirics.analysis import closed_form
from genmem.empirics.analysis.claims import find_all
from genmem.empirics.analysis.findings import Finding
from genmem.empirics.analysis.laws import Estimate, fit_law
from genmem.empirics.analysis.mapping import Map, map_of, setting
from genmem.empirics.analysis.measure import RunTimes, measure, time_intervals
from genmem.empirics.analysis.verdicts import NOT_TESTED, verdict_on
from genmem.empirics.records.runs import RunRecord
from genmem.shared.vocabulary import KNOBS, PREDICTED, RECORDED
from genmem.theory.timescales import LAWS

_NONE = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class ExponentRow:
    """An exponent of a measured time, beside that of the predicted times of the same runs and that of the law.

    predicted: nan where the theory has none (exponents in W are fitted with the map, and it has no copies), with the
    range that psi_p's interval leaves. law: nan where there is none. Each has a verdict: agrees, disagrees, undecided
    or not tested.
    """

    event: str
    factor: str
    measured: Estimate
    runs: int
    censored: int
    predicted: Estimate
    verdict: str
    law: float
    verdict_on_law: str


@dataclass(frozen=True)
class Residual:
    """A measured and a predicted time of one run, in optimizer steps; predicted may be inf (never)."""

    run: RunTimes
    event: str
    measured: float
    censored: bool
    predicted: float

    @property
    def factor(self) -> float:
        """measured / predicted; a lower bound where the measured time is one."""
        return self.measured / self.predicted


@dataclass(frozen=True)
class Free:
    """One time of a random-features run against the closed form without any free parameter, in units of tau.

    interval: 95 %, from resampling the run's images. finite: the same time of simulated networks of the run's size.
    """

    run: RunRecord
    event: str
    measured: float
    interval: tuple[float, float]
    finite: float
    predicted: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All that was compared, at diffusion time t; fitted is None where no run needs the map."""

    t: float
    fitted: Map | None
    exponents: list[ExponentRow]
    residuals: list[Residual]
    free: list[Free]
    claims: dict[str, list[Finding]]


def compare(records: Path | str | Sequence[RunRecord], t: float | None = None) -> Comparison:
    """Set runs beside the theory.

    records: of the runs, or the folder that holds them. t: diffusion time of the losses, by default the runs' first.

    Raises InputError if there is no run, or if the U-Nets differ in more than n, W, B, eta and seed, or are too few.
    """
    measurement = measure(records, t)
    asked, t = t, measurement.runs[0].record.config.loss_times[0] if t is None else t
    free = [run for run in measurement.lawful if run.record.config.is_theory]
    mapped = [run for run in measurement.lawful if run not in free]
    fitted = map_of(mapped, t) if mapped else None
    sampled = [run.record for run in mapped if run.record.config.samples]
    return Comparison(
        t,
        fitted,
        exponents(mapped, fitted) if mapped else [],
        residuals(mapped, fitted) if mapped else [],
        [row for run in free for row in without_parameters(run.record)],
        find_all(sampled, t=asked) if sampled else {},
    )


def exponents(runs: Sequence[RunTimes], fitted: Map) -> list[ExponentRow]:
    """The exponents of tau_gen, tau_gap, tau_mem, tau_copy in n and, if it varies, W, jointly with B and eta."""
    columns = {"n": [run.record.config.n for run in runs]}
    columns |= {name: [setting(run)[name] for run in runs] for name in KNOBS}
    varied = {name: values for name, values in columns.items() if len(set(values)) > 1}
    rows = []
    for event in RECORDED:
        times = [getattr(run, event) for run in runs]
        law = fit_law(varied, [time.value for time in times], [time.censored for time in times])
        for factor in ("n", "W"):
            if factor not in varied:
                continue
            fit = law.exponents[factor]
            measured = Estimate(fit.value, fit.low, fit.high)
            known = not math.isnan(fit.value)
            predicted = _predicted(event, runs, fitted, varied) if factor == "n" and event in PREDICTED else _NONE
            asymptotic = LAWS.get((event, factor), math.nan)
            verdicts = [
                verdict_on(fit.low, fit.high, expected) if known else NOT_TESTED
                for expected in (predicted.value, asymptotic)
            ]
            rows.append(
                ExponentRow(
                    event, factor, measured, fit.runs, fit.censored, predicted, verdicts[0], asymptotic, verdicts[1]
                )
            )
    return rows


def _predicted(event: str, runs: Sequence[RunTimes], fitted: Map, varied: dict[str, list]) -> Estimate:
    """The slope in log n of the predicted times of these runs, by least squares over all that vary."""
    x = np.log(np.column_stack([np.ones(len(runs)) * math.e, *varied.values()]))
    n, widths = [run.record.config.n for run in runs], [setting(run)["W"] for run in runs]
    slopes = []
    for fit in fitted.likely:
        tau = [fitted.tau_of(fit, size, width) for size, width in zip(n, widths, strict=True)]
        y = np.log(tau)[:, PREDICTED.index(event)]
        finite = np.isfinite(y)
        if np.linalg.matrix_rank(x[finite]) == x.shape[1]:
            slopes.append(np.linalg.lstsq(x[finite], y[finite], rcond=None)[0][1 + list(varied).index("n")])
        elif not slopes:
            return _NONE
    return Estimate(float(slopes[0]), float(min(slopes)), float(max(slopes)))


def residuals(runs: Sequence[RunTimes], fitted: Map) -> list[Residual]:
    """Each run's tau_gen, tau_gap, tau_mem beside the mapped prediction."""
    rows = []
    for run in runs:
        predicted = fitted.steps(run.record.config.n, setting(run))
        for event in PREDICTED:
            time = getattr(run, event)
            rows.append(Residual(run, event, time.value, time.censored, predicted[event]))
    return rows


def without_parameters(record: RunRecord) -> list[Free]:
    """The times of a random-features run beside the closed form's; InputError for runs that it is not about.

    The verdict is that of verdicts.verdict_on, on logarithms: of the 95 % interval from resampling the run's images,
    widened to the time of simulated networks of the run's finite size.
    """
    found = closed_form.beside_prediction(record)
    per_step = found.tau[0] / found.steps[0]
    ends = time_intervals(record)
    rows = []
    for event in PREDICTED:
        times = {stage: float(getattr(found.times[stage], event)) for stage in closed_form.STAGES}
        measured, finite, predicted = times["trained"], times["on_images"], times["closed_form"]
        interval = tuple(float(end) * per_step for end in ends[event])
        known = math.isfinite(measured) or math.isfinite(predicted)
        low, high, expected = np.log([min(interval[0], finite), max(interval[1], finite), predicted]).tolist()
        verdict = verdict_on(low, high, expected) if known else NOT_TESTED
        rows.append(Free(record, event, measured, interval, finite, predicted, verdict))
    return rows

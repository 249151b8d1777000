"""When to stop a run that was never made: the window [tau_gen, tau_mem] predicted from pilots, and how well that works.

Two predictors: the power law in n, W, B, eta of the pilots' own times (laws.fit_law), and the theory on the map fitted
to them (mapping.py), which bends the law where n/d is small. Both give the predictive distribution of a new run: the
scatter of single runs and the uncertainty of the fit. Times that a pilot did not reach stay in as lower bounds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genmem.empirics.analysis.laws import Forecast, forecast
from genmem.empirics.analysis.mapping import (
    FITTED,
    Map,
    comparable,
    images_of,
    map_of,
    predicted_times,
    setting,
    unreached,
)
from genmem.empirics.analysis.measure import RunTimes, measure
from genmem.empirics.analysis.verdicts import disjoint
from genmem.empirics.config import TrainConfig
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError, finite, positive
from genmem.shared.vocabulary import KNOBS, PREDICTED

PREDICTORS = ("power law", "theory")
# Which one predicted the recorded runs better (docs/advice.md): tau_gen levels off as the theory says, where a power
# law goes on; tau_mem grows by less than the theory says.
CHOSEN = {"gen": "theory", "mem": "power law"}
# Times this factor beyond the largest n of the pilots were predicted in the cross-validation on the recorded runs;
# nothing was beyond the widths, batch sizes and learning rates of the pilots.
TESTED = 4.0


@dataclass(frozen=True)
class ForecastTime:
    """A time in optimizer steps: its median and the range of 95 % of new runs."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Advice:
    """When to stop a run at `setting` (W, B, eta) on n images. Times in optimizer steps.

    forecasts: by event ("gen", "mem") and predictor, those that the pilots allow; chosen: the predictor that counts.
    stop: with probability `risk` the run memorizes before this step. beyond: by which factor n, W, B, eta lie outside
    the pilots' ranges, 1 inside. copying: of the pilots whose samples are copies by the end, how many had memorized
    before; and the number of these pilots.
    """

    n: float
    setting: dict[str, float]
    forecasts: dict[str, dict[str, ForecastTime]]
    chosen: dict[str, str]
    risk: float
    stop: float
    beyond: dict[str, float]
    copying: tuple[int, int]
    fitted: Map | None

    def time(self, event: str) -> ForecastTime:
        return self.forecasts[event][self.chosen[event]]

    @property
    def contradictions(self) -> list[str]:
        """The times of which the theory and the pilots' own power law give 95 % ranges that have nothing in common."""
        found = []
        for event, by_predictor in self.forecasts.items():
            if len(by_predictor) == len(PREDICTORS):
                ranges = {name: (time.low, time.high) for name, time in by_predictor.items()}
                if disjoint(*ranges.values()):
                    said = " and ".join(f"{low:,.0f} to {high:,.0f} ({name})" for name, (low, high) in ranges.items())
                    found.append(
                        f"theory and measurement contradict each other on tau_{event}: 95 % of new runs are at {said}, "
                        "so at most one of the two is right"
                    )
        return found

    @property
    def warnings(self) -> list[str]:
        """What to know before following the advice, contradictions first."""
        told = self.contradictions
        if self.beyond["n"] > TESTED:
            factor = self.beyond["n"]
            told.append(f"n lies a factor {factor:.3g} outside the pilots'; no more than {TESTED:g} was tested")
        told += [
            f"{name} lies a factor {factor:.3g} outside the pilots', which was not tested"
            for name, factor in self.beyond.items()
            if name != "n" and factor > 1
        ]
        if self.stop < self.time("gen").high:
            told.append(
                f"the run may not have generalized by then: tau_gen may be as late as step {self.time('gen').high:,.0f}"
            )
        return told


def advise(
    pilots: Path | str | Sequence[RunRecord] | Sequence[RunTimes],
    n: float,
    t: float | None = None,
    asked: dict[str, float] | None = None,
    risk: float = 0.05,
) -> Advice:
    """The window of a new run on n images, predicted from pilots, and the step by which it memorizes with a given risk.

    pilots: a folder of runs, their records, or their times. asked: values of W, B, eta; where missing, that of most
    pilots. t: diffusion time of the losses; by default the pilots' first. The stopping step is a quantile of tau_mem,
    as few pilots show tau_copy, and copies came later (`copying` counts it): copies appear before it with at most this
    probability. Raises InputError for pilots of one n, too few times, or a setting out of reach.
    """
    positive("n", n)
    if not 0 < finite("risk", risk) < 1:
        raise InputError(f"risk must lie between 0 and 1, but {risk!r} was given")
    runs = _times_of(pilots, t)
    config = comparable(runs)
    t = config.loss_times[0] if t is None else t
    if len({run.record.config.n for run in runs}) < 2:
        raise InputError(f"pilots must have at least two n, but all have n = {config.n}")
    most = Counter(tuple(setting(run).values()) for run in runs).most_common(1)[0][0]
    target = dict(zip(KNOBS, most, strict=True))
    target |= {name: positive(KNOBS[name], value) for name, value in (asked or {}).items()}
    try:
        fitted = map_of(runs, t)
    except InputError:
        fitted = None
    laws = {event: {} for event in FITTED}
    for event in FITTED:
        for predictor in PREDICTORS:
            law = _law(predictor, fitted, runs, event, n, target)
            if law is not None:
                laws[event][predictor] = law
        if not laws[event]:
            raise (
                unreached(target)
                if _shown(runs, event)
                else InputError(f"pilots must show tau_{event} at two n at least, but too few ran that far")
            )
    chosen = {event: CHOSEN[event] if CHOSEN[event] in laws[event] else next(iter(laws[event])) for event in FITTED}
    forecasts = {
        event: {name: ForecastTime(law.median, law.quantile(0.025), law.quantile(0.975)) for name, law in found.items()}
        for event, found in laws.items()
    }
    values = {"n": [run.record.config.n for run in runs]}
    values |= {name: [setting(run)[name] for run in runs] for name in KNOBS}
    beyond = {
        name: max(1.0, value / max(values[name]), min(values[name]) / value)
        for name, value in {"n": n, **target}.items()
    }
    stop = laws["mem"][chosen["mem"]].quantile(risk)
    return Advice(n, target, forecasts, chosen, risk, stop, beyond, _copying(runs), fitted)


def _times_of(pilots: Path | str | Sequence[RunRecord] | Sequence[RunTimes], t: float | None) -> Sequence[RunTimes]:
    """The times of the runs that laws are fitted to."""
    if isinstance(pilots, Sequence) and pilots and isinstance(pilots[0], RunTimes):
        return pilots
    return measure(pilots, t).lawful


def from_theory(n: float, data: str, psi_p: float, t: float) -> dict[str, float]:
    """tau_gen, tau_gap and tau_mem in units of tau for n images of a data set, without any run; inf: never.

    psi_p: hidden units per dimension of the network. t: diffusion time at which the losses are taken.
    """
    d, spectrum = images_of(TrainConfig(data=data))
    times = predicted_times(positive("n", n) / d, positive("psi_p", psi_p), t, spectrum)
    return dict(zip(PREDICTED, times, strict=True))


def _shown(runs: Sequence[RunTimes], event: str) -> bool:
    return len({run.record.config.n for run in runs if not getattr(run, event).censored}) > 1


def _copying(runs: Sequence[RunTimes]) -> tuple[int, int]:
    copying = [run for run in runs if not run.copy.censored]
    return sum(not run.mem.censored and run.mem.value <= run.copy.value for run in copying), len(copying)


def power_law(runs: Sequence[RunTimes], event: str, n: float, target: dict[str, float]) -> Forecast | None:
    """The forecast of a time by the pilots' own power law; None if too few were observed or they do not reach it."""
    factors = {"n": [run.record.config.n for run in runs]}
    factors |= {name: [setting(run)[name] for run in runs] for name in KNOBS}
    times = [getattr(run, event) for run in runs]
    return forecast(factors, {"n": n, **target}, [time.value for time in times], [time.censored for time in times])


@dataclass(frozen=True)
class Trial:
    """A time of a run that was predicted from runs on fewer images, and what came. Times in optimizer steps.

    width: W of all runs, or None for runs of every width. largest: the most images among the runs it was predicted
    from.
    censored: the run ended before the event, at step `value`.
    """

    predictor: str
    event: str
    width: int | None
    largest: int
    run: RunTimes
    median: float
    low: float
    high: float
    value: float
    censored: bool

    @property
    def contradicted(self) -> bool:
        """Whether what came lies outside the 95 % interval, as far as is known."""
        return self.value > self.high or (not self.censored and self.value < self.low)


def cross_validate(runs: Sequence[RunTimes], t: float) -> list[Trial]:
    """Predict the runs on more than N images from those on at most N, for every N that leaves two sizes.

    Once for each width, from runs of this width, and once for all. Raises InputError if the runs have fewer than
    three sizes.
    """
    if len({run.record.config.n for run in runs}) < 3:
        raise InputError("runs must have at least three n to predict the largest from the smaller ones")
    widths = sorted({run.record.config.width for run in runs})
    trials = []
    for width in [*widths, None] if len(widths) > 1 else [None]:
        chosen = [run for run in runs if width in (None, run.record.config.width)]
        sizes = sorted({run.record.config.n for run in chosen})
        for largest in sizes[1:-1]:
            pilots = [run for run in chosen if run.record.config.n <= largest]
            trials += _trials(pilots, [run for run in chosen if run.record.config.n > largest], width, largest, t)
    return trials


def _trials(pilots, later, width, largest: int, t: float) -> Iterator[Trial]:
    try:
        fitted = map_of(pilots, t)
    except InputError:
        fitted = None
    for run in later:
        for event in FITTED:
            time = getattr(run, event)
            for predictor in PREDICTORS:
                law = _law(predictor, fitted, pilots, event, run.record.config.n, setting(run))
                if law is not None:
                    ends = law.quantile(0.025), law.quantile(0.975)
                    yield Trial(predictor, event, width, largest, run, law.median, *ends, time.value, time.censored)


def _law(predictor: str, fitted: Map | None, pilots, event: str, n: float, target: dict[str, float]) -> Forecast | None:
    if predictor == "power law":
        return power_law(pilots, event, n, target)
    try:
        return None if fitted is None else fitted.forecast(event, n, target)
    except InputError:
        return None

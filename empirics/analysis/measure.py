"""The times of recorded runs, and how they grow with the number of training images."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmem.empirics.analysis.laws import Exponent, fit_exponent
from genmem.empirics.config import TrainConfig
from genmem.empirics.records.runs import RunRecord, given
from genmem.shared.errors import InputError
from genmem.theory.timescales import timescales_of_curves

COPY_LEVEL = 0.01
EVENTS = ("gen", "gap", "mem", "copy", "half")
# What a law is about is everything but the number of images, which images, and how long and how often a run is
# measured: runs that agree in all else are replicates or differ in n.
_NOT_SETTING = {
    "n", "seed", "half", "steps", "milestones", "first_milestone", "loss_times", "loss_draws", "test_images", "samples",
    "sampling_steps", "sampling_seed", "stop",
}
SETTING = tuple(field.name for field in dataclasses.fields(TrainConfig) if field.name not in _NOT_SETTING)
# Below this share of its highest value f_mem still rises.
_SATURATED = 0.9
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class Time:
    """A time in optimizer steps. If censored, the event lies beyond `value`."""

    value: float
    censored: bool


@dataclasses.dataclass(frozen=True)
class RunTimes:
    """The times of one run; gen, gap and mem are those of genmem.theory.timescales, read off one loss.

    copy: f_mem's lower 95 % bound exceeds 1 %. half: f_mem reaches half its final value, once copies have appeared; not
    known of a run that was stopped early.
    Between milestones, log-step is interpolated.
    """

    record: RunRecord
    gen: Time
    gap: Time
    mem: Time
    copy: Time
    half: Time
    t: float
    """Diffusion time of the loss."""
    floor: float | None = None
    """The test loss that stood in for the run's lowest in gen, if any."""

    @property
    def lag(self) -> Time | None:
        """tau_copy / tau_gap, how many times later copies appear than the losses part; None if tau_gap is not known."""
        return None if self.gap.censored else Time(self.copy.value / self.gap.value, self.copy.censored)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The times of each run, and for each event the exponent of its time in n (see laws.fit_exponent)."""

    runs: list[RunTimes]
    exponents: dict[str, Exponent]

    @property
    def lawful(self) -> list[RunTimes]:
        """The runs that laws are fitted to. A diverging loss rises too, but not from memorization."""
        return [run for run in self.runs if run.record.status != "diverged"]


def measure(records: Path | str | Sequence[RunRecord], t: float | None = None, floor: bool = False) -> Measurement:
    """Times of all runs and the exponents of the times in n, with one constant for each setting other than n and seed.

    records: of the runs, or the folder that holds them. t: diffusion time of the loss; by default the first of each
    config's loss_times. floor: let tau_gen be the time at which the best test loss of all runs on the same data is
    approached, instead of each run's own. Raises InputError if there is no run with two milestones, or if a run did not
    record t.
    """
    records = [record for record in given(records) if len(record.steps) > 1]
    if not records:
        raise InputError("runs must hold at least one run with two milestones, but none was found")
    floors = best_losses(records, t) if floor else {}
    runs = [times_of(record, t, floors.get(_problem(record, t))) for record in records]
    measurement = Measurement(runs, {})
    n = [run.record.config.n for run in measurement.lawful]
    settings = [setting_of(run.record) for run in measurement.lawful]
    for event in EVENTS:
        times = [getattr(run, event) for run in measurement.lawful]
        fit = fit_exponent(n, [time.value for time in times], [time.censored for time in times], settings)
        measurement.exponents[event] = fit
    return measurement


def setting_of(record: RunRecord) -> str:
    """A label that runs share which are replicates or differ in n."""
    return str([getattr(record.config, name) for name in SETTING])


def best_losses(records: Sequence[RunRecord], t: float | None = None) -> dict[tuple[str, float], float]:
    """The lowest test loss of all runs by (data, t): the floor that stands in for each run's own minimum in tau_gen."""
    best: dict[tuple[str, float], float] = {}
    for record in records:
        problem = _problem(record, t)
        best[problem] = min(best.get(problem, math.inf), float(np.min(record.loss(problem[1])[1])))
    return best


def _problem(record: RunRecord, t: float | None) -> tuple[str, float]:
    return record.config.data, record.config.loss_times[0] if t is None else t


def times_of(record: RunRecord, t: float | None = None, floor: float | None = None) -> RunTimes:
    """The times of one run; an event that the run did not reach is censored at its last milestone.

    floor: a test loss that stands in for the run's lowest in tau_gen (see genmem.theory.timescales).
    """
    _, t = _problem(record, t)
    times = _read(record.steps, *record.loss(t), record.initial(t)[1], record.f_mem, record.f_mem_low, floor,
                  record.status)
    return RunTimes(record, **times, t=t, floor=floor)


def time_intervals(
    record: RunRecord, t: float | None = None, floor: float | None = None
) -> dict[str, tuple[float, float]]:
    """The 95 % bootstrap interval of each time of one run: 200 draws of its training, its test images and its samples.

    Ends are infinite where the draws' events lie beyond the run. How times differ between runs with other seeds, and so
    other training images and weights, is not in it: see laws.typical_times.
    """
    _, t = _problem(record, t)
    random = np.random.default_rng(0)
    images = record.image_losses(t)
    memorized = record.memorized_samples()
    samples = memorized.shape[1]

    def resampled(values: np.ndarray) -> np.ndarray:
        count = values.shape[1]
        return values @ random.multinomial(count, np.full(count, 1 / count)) / count if count else values.sum(1)

    draws: dict[str, list[float]] = {event: [] for event in EVENTS}
    for _ in range(_DRAWS):
        train, test = map(resampled, images)
        f_mem = resampled(memorized)
        times = _read(record.steps, train, test, record.initial(t)[1], f_mem, lower_bound(f_mem, samples), floor,
                      record.status)
        for event, time in times.items():
            draws[event].append(math.inf if time.censored else time.value)
    return {event: tuple(np.quantile(values, [0.025, 0.975], method="nearest").tolist())
            for event, values in draws.items()}


def memorization_rate(record: RunRecord) -> tuple[float, float, float]:
    """How much f_mem grows while training time grows by a factor e, with its 95 % bootstrap interval over the samples.

    The slope of f_mem against log-step by least squares, from the last milestone without copies to the first with 90 %
    of the largest f_mem. A rescaling of training time leaves it as it is. All nan if copies do not appear.
    """
    if not np.any(record.f_mem_low > COPY_LEVEL):
        return (math.nan,) * 3
    first = max(0, int(np.argmax(record.f_mem_low > COPY_LEVEL)) - 1)
    last = int(np.argmax(record.f_mem >= _SATURATED * record.f_mem.max()))
    rows = slice(first, max(last, first + 1) + 1)
    x = np.log(record.steps[rows])
    slope = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    of_samples = slope @ record.memorized_samples()[rows]
    random = np.random.default_rng(0)
    draws = [random.choice(of_samples, of_samples.size).mean() for _ in range(_DRAWS)]
    return float(of_samples.mean()), *np.quantile(draws, [0.025, 0.975]).tolist()


def lower_bound(fraction: np.ndarray, samples: int) -> np.ndarray:
    """Lower end of the 95 % bootstrap interval of fractions of `samples` flags, a quantile of the binomial law."""
    from scipy.stats import binom

    return binom.ppf(0.025, samples, fraction) / samples if samples else fraction


def _read(
    steps, train, test, initial: float, f_mem, f_mem_low, floor: float | None, status: str
) -> dict[str, Time]:
    times = timescales_of_curves(steps, train, test, initial, floor)
    copy = first_crossing(steps, f_mem_low - COPY_LEVEL)
    final = math.isfinite(copy) and status != "stopped early"
    half = first_crossing(steps, f_mem - f_mem[-1] / 2) if final else math.inf

    def time(value: float) -> Time:
        return Time(float(value), False) if math.isfinite(value) else Time(float(steps[-1]), True)

    # While the test loss still falls its minimum is not known, and a lower one would be approached later.
    falling = floor is None and times.minimum == steps[-1] and math.isfinite(times.gen)
    gen = Time(times.gen, True) if falling else time(times.gen)
    return {"gen": gen, "gap": time(times.gap), "mem": time(times.mem), "copy": time(copy), "half": time(half)}


def first_crossing(steps: np.ndarray, excess: np.ndarray) -> float:
    """First step at which `excess` is positive, linear in log-step between milestones; inf if it never is."""
    above = np.flatnonzero(excess > 0)
    if above.size == 0:
        return math.inf
    k = above[0]
    if k == 0:
        return float(steps[0])
    share = excess[k - 1] / (excess[k - 1] - excess[k])
    return float(steps[k - 1] * (steps[k] / steps[k - 1]) ** share)

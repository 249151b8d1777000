"""The times of recorded runs, and how they grow with the number of training images."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmem.empirics.analysis.laws import Exponent, fit_exponent
from genmem.empirics.analysis.smoothing import DRAWS, LEAST, Smoothed, smoothed
from genmem.empirics.config import TrainConfig
from genmem.empirics.records.runs import RunRecord, given
from genmem.empirics.samples.metrics import binomial_ends
from genmem.shared.errors import InputError
from genmem.shared.vocabulary import EVENTS
from genmem.theory.timescales import Fractions, timescales_of_curves

COPY_LEVEL = 0.01
# What a law is about is everything but the number of images, which images, and how long and how often a run is
# measured: runs that agree in all else are replicates or differ in n.
_NOT_SETTING = {
    "n",
    "seed",
    "half",
    "steps",
    "milestones",
    "first_milestone",
    "milestone_grid",
    "loss_times",
    "loss_draws",
    "test_images",
    "samples",
    "sampling_steps",
    "sampling_seed",
    "ddim_grid",
    "stop",
}
SETTING = tuple(field.name for field in dataclasses.fields(TrainConfig) if field.name not in _NOT_SETTING)
# Below this share of its highest value f_mem still rises.
_SATURATED = 0.9


@dataclasses.dataclass(frozen=True)
class Time:
    """A time in optimizer steps. If censored, the event lies beyond `value`."""

    value: float
    censored: bool


@dataclasses.dataclass(frozen=True)
class RunTimes:
    """The times of one run; gen, gap and mem are those of genmem.theory.timescales, read off one loss made smooth.

    gap: test less train loss, less that difference before training, exceeds 10 % of the fall and stays above it.

    copy: f_mem's lower 95 % bound exceeds 1 %. half: f_mem reaches half its final value, once copies have appeared; not
    known of a run that was stopped early.
    The losses are made smooth first (see smoothing.py), and their minimum is corrected for the noise that is left.
    Copies are read off f_mem as it is, linear in log-step between milestones.
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
    lawful = [run.record for run in measurement.lawful]
    for event in EVENTS:
        measurement.exponents[event] = exponent_of(lawful, [getattr(run, event) for run in measurement.lawful])
    return measurement


def exponent_of(records: Sequence[RunRecord], times: Sequence[Time]) -> Exponent:
    """The exponent in n of the runs' times, with one constant for each setting other than n and seed."""
    return fit_exponent(
        [record.config.n for record in records],
        [time.value for time in times],
        [time.censored for time in times],
        [setting_of(record) for record in records],
    )


def setting_of(record: RunRecord) -> str:
    """A label that runs share which are replicates or differ in n."""
    return str([getattr(record.config, name) for name in SETTING])


def best_losses(records: Sequence[RunRecord], t: float | None = None) -> dict[tuple[str, float], float]:
    """The lowest test loss of all runs by (data, t): the floor that stands in for each run's own minimum in tau_gen."""
    best: dict[tuple[str, float], float] = {}
    for record in records:
        problem = _problem(record, t)
        if record.steps.size:
            best[problem] = min(best.get(problem, math.inf), _lowest(_curve(record.steps, *record.loss(problem[1]))))
    return best


def _problem(record: RunRecord, t: float | None) -> tuple[str, float]:
    return record.config.data, record.config.loss_times[0] if t is None else t


def times_of(record: RunRecord, t: float | None = None, floor: float | None = None) -> RunTimes:
    """The times of one run; an event that the run did not reach is censored at its last milestone.

    floor: a test loss that stands in for the run's lowest in tau_gen (see genmem.theory.timescales).
    """
    _, t = _problem(record, t)
    curve = _curve(record.steps, *record.loss(t))
    losses = _loss_times(curve.steps, curve.train, curve.test, record.initial(t), floor, curve.excess)
    copies = _copy_times(record.steps, record.f_mem, record.f_mem_low, record.status)
    return RunTimes(record, **losses, **copies, t=t, floor=floor)


def time_intervals(
    record: RunRecord, t: float | None = None, floor: float | None = None
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each time of one run, of 200 draws: of its smooth curves, its images and its samples.

    A draw is a curve from the posterior of the smooth losses, moved by what a bootstrap of the training and the test
    images moves them; all times of a draw come from the same curves. Ends are infinite where the draws' events lie
    beyond the run. How times differ between runs with other seeds, and so other training images and weights, is not in
    it: see laws.typical_times.
    """
    _, t = _problem(record, t)
    random = np.random.default_rng(0)
    images = record.image_losses(t)
    means = [values.mean(1) for values in images]
    curve = _curve(record.steps, *means)
    memorized = record.memorized_samples()
    samples = memorized.shape[1]
    chance = record.chance
    log_steps = np.log(record.steps)

    def resampled(values: np.ndarray) -> np.ndarray:
        count = values.shape[1]
        return values @ random.multinomial(count, np.full(count, 1 / count)) / count if count else values.sum(1)

    draws: dict[str, list[float]] = {event: [] for event in EVENTS}
    for train, test in zip(curve.train_draws, curve.test_draws, strict=True):
        moved = [
            drawn * np.interp(np.log(curve.steps), log_steps, resampled(values) / mean)
            for drawn, values, mean in zip((train, test), images, means, strict=True)
        ]
        f_mem = resampled(memorized)
        low = np.maximum(lower_bound(f_mem, samples) - chance, 0)
        # The drawn curve's minimum lies as much too low of the smooth curve's as that does of the true one's.
        times = _loss_times(curve.steps, *moved, record.initial(t), floor, 2 * curve.excess)
        times |= _copy_times(record.steps, np.maximum(f_mem - chance, 0), low, record.status)
        for event, time in times.items():
            draws[event].append(math.inf if time.censored else time.value)
    return {
        event: tuple(np.quantile(values, [0.025, 0.975], method="nearest").tolist()) for event, values in draws.items()
    }


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
    draws = [random.choice(of_samples, of_samples.size).mean() for _ in range(DRAWS)]
    return float(of_samples.mean()), *np.quantile(draws, [0.025, 0.975]).tolist()


def lower_bound(fraction: np.ndarray, samples: int) -> np.ndarray:
    """Lower end (K,) of the 95 % interval of Clopper and Pearson for fractions (K,) of `samples` flags."""
    return binomial_ends(samples)[0][np.rint(fraction * samples).astype(int)] if samples else fraction


def _curve(steps: np.ndarray, train: np.ndarray, test: np.ndarray) -> Smoothed:
    """The smooth losses; the losses themselves where the milestones are too few to be smoothed."""
    if len(steps) >= LEAST:
        return smoothed(steps, train, test)
    return Smoothed(steps, train, test, *(np.repeat(loss[None], DRAWS, axis=0) for loss in (train, test)))


def _lowest(curve: Smoothed) -> float:
    return float(curve.test.min()) - curve.excess


def time_of(value: float, end: float) -> Time:
    """The time of an event, or, if it is infinite, that the event lies beyond the end."""
    return Time(float(value), False) if math.isfinite(value) else Time(float(end), True)


def _loss_times(
    steps, train, test, initial: tuple[float, float], floor: float | None, excess: float
) -> dict[str, Time]:
    """gen, gap and mem. initial: train and test loss before training. excess: of the minimum, to be taken off."""
    found = timescales_of_curves(steps, train, test, initial[1], floor, excess=excess)
    fall = initial[1] - found.loss_min
    # Test images may be harder than training images from the start, and noise may part the losses for a moment.
    apart = test - train - (initial[1] - initial[0]) - Fractions().gap * fall
    gap = last_crossing(steps, apart) if fall > 0 else math.inf
    # While the test loss still falls its minimum is not known, and a lower one would be approached later.
    falling = floor is None and found.minimum == steps[-1] and math.isfinite(found.gen)
    gen = Time(found.gen, True) if falling else time_of(found.gen, steps[-1])
    return {"gen": gen, "gap": time_of(gap, steps[-1]), "mem": time_of(found.mem, steps[-1])}


def _copy_times(steps, f_mem, f_mem_low, status: str) -> dict[str, Time]:
    copy = first_crossing(steps, f_mem_low - COPY_LEVEL)
    final = math.isfinite(copy) and status != "stopped early"
    half = first_crossing(steps, f_mem - f_mem[-1] / 2) if final else math.inf
    return {"copy": time_of(copy, steps[-1]), "half": time_of(half, steps[-1])}


def last_crossing(steps: np.ndarray, excess: np.ndarray) -> float:
    """The step from which `excess` stays positive to the end, linear in log-step; inf if it is not positive there."""
    below = np.flatnonzero(excess <= 0)
    if below.size == 0:
        return float(steps[0])
    k = int(below[-1]) + 1
    return first_crossing(steps[k - 1 :], excess[k - 1 :]) if k < len(excess) else math.inf


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

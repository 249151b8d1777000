"""The times of recorded runs, and how they grow with the number of training images."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from empirics.laws import Exponent, fit_exponent
from empirics.runs import RunRecord
from theory.errors import InputError
from theory.timescales import timescales_of_curves

COPY_LEVEL = 0.01
EVENTS = ("gen", "gap", "mem", "copy", "half")
# What a law is about: runs that agree in these are replicates or differ in n. Budget and bookkeeping do not count.
SETTING = ("data", "width", "levels", "blocks", "optimizer", "learning_rate", "momentum", "batch_size", "precision")


@dataclasses.dataclass(frozen=True)
class Time:
    """A time in optimizer steps. If censored, the event lies beyond `value`."""

    value: float
    censored: bool


@dataclasses.dataclass(frozen=True)
class RunTimes:
    """The times of one run; gen, gap and mem are those of theory.timescales, read off one loss.

    copy: f_mem's lower 95 % bound exceeds 1 %. half: f_mem reaches half its final value, once copies have appeared.
    Between milestones, log-step is interpolated.
    """

    record: RunRecord
    gen: Time
    gap: Time
    mem: Time
    copy: Time
    half: Time


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The times of each run, and for each event the exponent of its time in n (see laws.fit_exponent)."""

    runs: list[RunTimes]
    exponents: dict[str, Exponent]


def measure(records: Sequence[RunRecord], t: float | None = None) -> Measurement:
    """Times of all runs and the exponents of the times in n, with one constant for each setting other than n and seed.

    t: diffusion time of the loss; by default the first of each config's loss_times. Raises InputError if there is no
    run with two milestones, or if a run did not record t.
    """
    runs = [times_of(record, t) for record in records if len(record.steps) > 1]
    if not runs:
        raise InputError("runs must hold at least one run with two milestones, but none was found")
    n = [run.record.config.n for run in runs]
    settings = [str([getattr(run.record.config, name) for name in SETTING]) for run in runs]
    exponents = {}
    for event in EVENTS:
        times = [getattr(run, event) for run in runs]
        exponents[event] = fit_exponent(n, [time.value for time in times], [time.censored for time in times], settings)
    return Measurement(runs, exponents)


def times_of(record: RunRecord, t: float | None = None) -> RunTimes:
    """The times of one run; an event that the run did not reach is censored at its last milestone."""
    t = record.config.loss_times[0] if t is None else t
    steps, (train, test) = record.steps, record.loss(t)
    times = timescales_of_curves(steps, train, test, initial=record.initial(t)[1])
    copy = first_crossing(steps, record.f_mem_low - COPY_LEVEL)
    half = first_crossing(steps, record.f_mem - record.f_mem[-1] / 2) if math.isfinite(copy) else math.inf

    def time(value: float) -> Time:
        return Time(float(value), False) if math.isfinite(value) else Time(float(steps[-1]), True)

    # While the test loss still falls its minimum is not known, and a lower one would be approached later.
    falling = times.minimum == steps[-1]
    gen = Time(times.gen, True) if falling and math.isfinite(times.gen) else time(times.gen)
    return RunTimes(record, gen, time(times.gap), time(times.mem), time(copy), time(half))


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

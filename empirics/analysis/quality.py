"""When samples become good, and how good they get before copies appear: read off a distance to held-out images."""

import dataclasses
import math

import numpy as np

from genmem.empirics.analysis.fidelity import distance_curve
from genmem.empirics.analysis.measure import Time, first_crossing, times_of
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.features import RANDOM_CONV, FeatureSpace
from genmem.empirics.samples.metrics import LEAST_SAMPLES
from genmem.shared.errors import InputError

WITHIN = 0.05
# A rise by this many standard errors of the difference ends the search for the first minimum.
_RISE = 3.0
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class Quality:
    """One run, one distance (swd or fid) to held-out images, in one feature space.

    gen: first time within 5 % of the first minimum, with its 95 % interval (low, high) from the distances' errors (of
    the samples, and the scatter between milestones); censored while the distance still falls. peak: the lowest distance
    before copies appear (tau_copy; to the run's end if they do not) and its standard error, reached at peak_step.
    """

    record: RunRecord
    distance: str
    gen: Time
    low: float
    high: float
    peak: float
    peak_error: float
    peak_step: int


def quality_of(record: RunRecord, distance: str = "swd", space: FeatureSpace | str = RANDOM_CONV) -> Quality:
    """The time of good samples by `distance` ("swd" or "fid"), and the best samples without copies.

    Raises InputError if the run has fewer than three samples.
    """
    if record.config.samples < LEAST_SAMPLES:
        raise InputError(
            f"the run in {record.directory} generated {record.config.samples} samples, so it has no {distance}"
        )
    values, errors = with_scatter(*distance_curve(record, f"{distance}_test", space).T)
    gen = _time(record.steps, values, errors)
    random = np.random.default_rng(0)
    draws = [_time(record.steps, values + errors * random.standard_normal(errors.shape), errors) for _ in range(_DRAWS)]
    low, high = np.quantile([math.inf if d.censored else d.value for d in draws], [0.025, 0.975], method="nearest")
    copy = times_of(record).copy
    before = record.steps <= copy.value
    # Copies from the first milestone on leave that one.
    before[0] = True
    best = int(np.argmin(np.where(before, values, np.inf)))
    return Quality(
        record,
        distance,
        gen,
        float(low),
        float(high),
        float(values[best]),
        float(errors[best]),
        int(record.steps[best]),
    )


def with_scatter(values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve (K,) of positive values, and its errors (K,) with the scatter from milestone to milestone added.

    At a constant learning rate the network moves to and fro, and its samples (their brightness, say) with it: much more
    than the choice of the samples explains. The relative scatter is estimated from second differences of log values,
    which a smooth curve leaves small, by their median.
    """
    if len(values) < 3:
        return values, errors
    bends = np.diff(np.log(np.maximum(values, np.finfo(float).tiny)), 2)
    # Independent noise of variance 1 gives second differences of variance 6; a normal median deviation is 0.6745.
    scatter = np.median(np.abs(bends)) / 0.6745 / math.sqrt(6)
    return values, np.hypot(errors, scatter * values)


def first_minimum(values: np.ndarray, errors: np.ndarray) -> int:
    """Index of the lowest value before the curve (K,) rises by more than its errors (K,) explain.

    A later, lower minimum (a double descent) is not the first.
    """
    best = 0
    for k in range(1, len(values)):
        if values[k] < values[best]:
            best = k
        elif values[k] - values[best] > _RISE * math.hypot(errors[k], errors[best]):
            break
    return best


def double_descent(values: np.ndarray, errors: np.ndarray) -> bool:
    """Whether a curve (K,) rises after its first minimum and falls again after that rise, by more than its errors."""
    rest, rest_errors = values[first_minimum(values, errors) :], errors[first_minimum(values, errors) :]
    top = 0
    for k in range(1, len(rest)):
        if rest[k] > rest[top]:
            top = k
        elif top and rest[top] - rest[k] > _RISE * math.hypot(rest_errors[k], rest_errors[top]):
            return bool(rest[top] - rest[0] > _RISE * math.hypot(rest_errors[top], rest_errors[0]))
    return False


def _time(steps: np.ndarray, values: np.ndarray, errors: np.ndarray) -> Time:
    best = first_minimum(values, errors)
    reached = first_crossing(steps[: best + 1], (1 + WITHIN) * values[best] - values[: best + 1])
    return Time(float(reached), best == len(values) - 1)

"""When samples become good, and how good they get before copies appear: read off a distance to held-out images."""

import dataclasses
import math

import numpy as np

from genmem.empirics.analysis.fidelity import DISTANCES, all_metrics, distance_curve
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
    """One run, one distance (swd, fid or kid) to held-out images, in one feature space.

    gen: first time within 5 % of the first minimum (of kid, which may be zero, or within two standard errors), with its
    95 % interval (low, high) from the distances' errors (of the samples, and the scatter between milestones); censored
    while the distance still falls. peak: the lowest distance before copies appear (tau_copy; to the run's end if they
    do not) and its standard error, reached at peak_step. open: the run ended while the distance still fell, so that the
    peak is only a bound from above. floor: what real images have that no run has trained on, and the standard deviation
    of one such number; nan where it was not recorded. sample_error: of the peak, from the choice of the samples alone.
    """

    record: RunRecord
    distance: str
    gen: Time
    low: float
    high: float
    peak: float
    peak_error: float
    peak_step: int
    open: bool = False
    floor: float = math.nan
    floor_error: float = math.nan
    sample_error: float = math.nan

    @property
    def at_floor(self) -> bool:
        """Whether the best milestone's samples cannot be told from real images, by two standard errors."""
        return self.peak - self.floor < 2 * math.hypot(self.sample_error, self.floor_error)


def qualities_of(record: RunRecord, space: FeatureSpace | str = RANDOM_CONV) -> list[Quality]:
    """The quality of a run by each distance that its metrics have.

    Raises InputError if the run has fewer than three samples.
    """
    kinds = ("swd", "fid") if any(metrics.older for metrics in all_metrics(record, space)) else tuple(DISTANCES)
    return [quality_of(record, kind, space) for kind in kinds]


def quality_of(record: RunRecord, distance: str = "swd", space: FeatureSpace | str = RANDOM_CONV) -> Quality:
    """The time of good samples by `distance` (swd, fid or kid), and the best samples without copies.

    Raises InputError if the run has fewer than three samples.
    """
    if record.config.samples < LEAST_SAMPLES:
        raise InputError(
            f"the run in {record.directory} generated {record.config.samples} samples, so it has no {distance}"
        )
    curve = distance_curve(record, f"{distance}_test", space)
    if np.isnan(curve).any():
        raise InputError(
            f"the run in {record.directory} must have its {distance} at each milestone, but an older version measured "
            "it"
        )
    values, errors = with_scatter(*curve.T)
    margin = 2.0 if distance == "kid" else 0.0
    gen = _time(record.steps, values, errors, margin)
    random = np.random.default_rng(0)
    moved = (values + errors * random.standard_normal(errors.shape) for _ in range(_DRAWS))
    draws = [_time(record.steps, each, errors, margin) for each in moved]
    low, high = np.quantile([math.inf if d.censored else d.value for d in draws], [0.025, 0.975], method="nearest")
    copy = times_of(record).copy
    before = record.steps <= copy.value
    # Copies from the first milestone on leave that one.
    before[0] = True
    best = int(np.argmin(np.where(before, values, np.inf)))
    floor = all_metrics(record, space)[-1].real.get(distance, (math.nan, math.nan))
    return Quality(
        record,
        distance,
        gen,
        float(low),
        float(high),
        float(values[best]),
        float(errors[best]),
        int(record.steps[best]),
        best == len(values) - 1,
        *floor,
        float(curve[best, 1]),
    )


def with_scatter(values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve (K,) and its errors (K,) with the scatter from milestone to milestone added.

    At a constant learning rate the network moves to and fro, and its samples (their brightness, say) with it: much more
    than the choice of the samples explains. The scatter is estimated from second differences, which a smooth curve
    leaves small, by their median: of asinh(value / e), e the median error, which is the logarithm where values are well
    above their errors, and the value itself where they may be negative.
    """
    if len(values) < 3:
        return values, errors
    unit = max(float(np.median(errors)), np.finfo(float).tiny)
    bends = np.diff(np.arcsinh(values / unit), 2)
    # Independent noise of variance 1 gives second differences of variance 6; a normal median deviation is 0.6745.
    scatter = np.median(np.abs(bends)) / 0.6745 / math.sqrt(6)
    return values, np.hypot(errors, scatter * np.hypot(values, unit))


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


def _time(steps: np.ndarray, values: np.ndarray, errors: np.ndarray, margin: float) -> Time:
    """First within 5 % of the first minimum, or within `margin` of its standard errors, if that is more."""
    best = first_minimum(values, errors)
    near = values[best] + max(WITHIN * abs(values[best]), margin * errors[best])
    reached = first_crossing(steps[: best + 1], near - values[: best + 1])
    return Time(float(reached), best == len(values) - 1)

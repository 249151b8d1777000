"""Times read from the KL divergence of what a network generates from the true law, where both densities are known.

For the Gaussian mixture of Bonnaire et al. (arXiv:2505.17638), whose loss hardly falls: nearly all of it is the noise
that no network can predict, and most of what falls is the untrained output.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from genmem.empirics.analysis.fidelity import kl_to_truth
from genmem.empirics.analysis.laws import Exponent
from genmem.empirics.analysis.measure import Time, exponent_of, first_crossing
from genmem.empirics.analysis.quality import with_scatter
from genmem.empirics.records.runs import RunRecord

FACTOR = 2.0
"""Of its lowest value, within which the divergence counts as low."""
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class DivergenceTimes:
    """The times of one run by its divergence (KL, in nats).

    gen: first step within a factor 2 of the lowest value; censored while that is the last one. mem: first step after it
    that leaves this range. Each with its 95 % interval from the errors of the values (of the samples, and the scatter
    between milestones). lowest: the lowest value, and its standard error.
    """

    record: RunRecord
    gen: Time
    gen_interval: tuple[float, float]
    mem: Time
    mem_interval: tuple[float, float]
    lowest: float
    lowest_error: float


def divergence_times(record: RunRecord) -> DivergenceTimes | None:
    """The times of a run by its divergence; None where the densities are not known or milestones are fewer than two."""
    pairs = [kl_to_truth(record, int(step)) for step in record.steps]
    if len(pairs) < 2 or any(pair is None for pair in pairs):
        return None
    values, errors = with_scatter(*np.array(pairs).T)
    gen, mem = _times(record.steps, values)
    random = np.random.default_rng(0)
    draws = [_times(record.steps, values + errors * random.standard_normal(len(values))) for _ in range(_DRAWS)]
    ends = [
        tuple(
            np.quantile(
                [math.inf if draw[event].censored else draw[event].value for draw in draws],
                [0.025, 0.975],
                method="nearest",
            ).tolist()
        )
        for event in (0, 1)
    ]
    best = int(np.argmin(values))
    return DivergenceTimes(record, gen, ends[0], mem, ends[1], float(values[best]), float(errors[best]))


def divergence_exponents(times: Sequence[DivergenceTimes]) -> dict[str, Exponent]:
    """The exponents of gen and mem in n, with a constant for each setting."""
    records = [each.record for each in times]
    return {event: exponent_of(records, [getattr(each, event) for each in times]) for event in ("gen", "mem")}


def _times(steps: np.ndarray, values: np.ndarray) -> tuple[Time, Time]:
    best, end = int(np.argmin(values)), float(steps[-1])
    # Noise can take the estimate of a small divergence below zero.
    level = FACTOR * max(float(values[best]), 0.0)
    gen = first_crossing(steps, level - values)
    # At the level itself one is still within the range.
    gen = gen if math.isfinite(gen) else float(steps[best])
    mem = first_crossing(steps[best:], values[best:] - level)
    risen = math.isfinite(mem) and best < len(values) - 1
    return Time(gen, best == len(values) - 1), Time(mem, False) if risen else Time(end, True)

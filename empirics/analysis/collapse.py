"""Whether curves of many runs fall on one when training time is rescaled, as a number.

Marion and Wu (arXiv:2605.06077) plot memorization against T = tau (N_min/N) (B/B_min) (eta/eta_min). Here each run
gives the times at which its curve first reaches a row of levels; runs of one curve have equal times.
The spread of log time around one constant for each level, before and after the rescaling, says how well they collapse.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from genmem.empirics.analysis.laws import regress
from genmem.empirics.analysis.measure import first_crossing
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError, known
from genmem.theory.timescales import timescales_of_curves

# Levels of two quantities: the memorized fraction, and the loss gap in units of the test loss's fall.
LEVELS = {"f_mem": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5), "gap": (0.05, 0.1, 0.2, 0.3, 0.5)}
_DRAWS = 200


@dataclasses.dataclass(frozen=True)
class Collapse:
    """Spreads are standard deviations of log time, over runs and levels, censored times included as such.

    before, after: of optimizer steps and of the normalised step. ratio: after / before, with the 95 % interval of a
    bootstrap over runs; below one the rescaling helps, zero is a perfect collapse. chance: the fraction of random
    assignments of the same scales to the runs that collapse at least as well: the negative control.
    """

    before: float
    after: float
    ratio: float
    low: float
    high: float
    chance: float
    runs: int


def normalised_scale(records: Sequence[RunRecord]) -> np.ndarray:
    """T / tau of each run (R,): (N_min/N) (B/B_min) (eta/eta_min)."""
    n, batch, rate = (
        np.array([getattr(record.config, name) for record in records], float)
        for name in ("n", "batch_size", "learning_rate")
    )
    return n.min() / n * batch / batch.min() * rate / rate.min()


def collapse_of(records: Sequence[RunRecord], quantity: str = "f_mem") -> Collapse:
    """How well `quantity` ("f_mem" or "gap") of these runs collapses on the normalised step.

    Raises InputError for an unknown quantity or fewer than two runs that reach a level.
    """
    known("quantity", quantity, LEVELS)
    times, censored = level_times(records, quantity)
    return collapse(times, censored, normalised_scale(records))


def level_times(records: Sequence[RunRecord], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (R, L) at which each run first reaches each level, and whether its end came before (then the last step)."""
    times = np.array(
        [
            [first_crossing(record.steps, curve - level) for level in LEVELS[quantity]]
            for record in records
            for curve in [_curve(record, quantity)]
        ]
    )
    censored = np.isinf(times)
    ends = np.array([[record.steps[-1]] for record in records], float)
    return np.where(censored, ends, times), censored


def _curve(record: RunRecord, quantity: str) -> np.ndarray:
    if quantity == "f_mem":
        return record.f_mem
    train, test = record.loss(record.config.loss_times[0])
    initial = record.initial(record.config.loss_times[0])[1]
    fall = initial - timescales_of_curves(record.steps, train, test, initial).loss_min
    return (test - train) / fall


def collapse(times: np.ndarray, censored: np.ndarray, scale: np.ndarray) -> Collapse:
    """The collapse of times (R, L) multiplied by scale (R,); censored (R, L): the time is only a lower bound."""
    rng = np.random.default_rng(0)
    runs = len(times)
    before, after = _spread(times, censored), _spread(times * scale[:, None], censored)
    if not (math.isfinite(before) and before > 0):
        raise InputError("runs must hold at least two that reach a common level at different times, but they do not")
    shuffled = [_spread(times * rng.permutation(scale)[:, None], censored) for _ in range(_DRAWS)]
    ratios = []
    for _ in range(_DRAWS):
        rows = rng.integers(runs, size=runs)
        spread = _spread(times[rows], censored[rows])
        if spread > 0:
            ratios.append(_spread(times[rows] * scale[rows, None], censored[rows]) / spread)
    low, high = np.nanquantile(ratios, [0.025, 0.975])
    chance = np.mean(np.array(shuffled) <= after * (1 + 1e-9))
    return Collapse(before, after, after / before, float(low), float(high), float(chance), runs)


def _spread(times: np.ndarray, censored: np.ndarray) -> float:
    """Standard deviation of log time around one constant for each level that some run reaches; nan if unknown."""
    reached = ~censored.all(axis=0)
    times, censored = times[:, reached], censored[:, reached]
    levels = np.tile(np.eye(times.shape[1]), (len(times), 1))
    fit = regress(levels, np.log(times).ravel(), ~censored.ravel()) if times.size else None
    return math.nan if fit is None else fit.spread

"""Membership: can one tell by its loss whether an image was trained on, and from which step on?

An attacker who knows the network and a set of images guesses that those of low loss are training images (Yeom et al.,
arXiv 1709.01604; for diffusion models Matsumoto et al., arXiv 2302.03262). Its success is the area under the ROC curve
(AUC): the probability that a training image has a lower loss than a held-out one, 1/2 if the loss tells nothing; and,
since a mean hides that a few images are given away with certainty, the true-positive rate at a low false-positive rate
(Carlini et al., arXiv 2112.03570).
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from genmem.empirics.analysis.laws import Exponent
from genmem.empirics.analysis.measure import RunTimes, Time, exponent_of, first_crossing, measure, time_of
from genmem.empirics.records.runs import RunRecord, given
from genmem.empirics.samples.metrics import binomial_ends
from genmem.shared.errors import InputError, finite

LEVEL = 0.55
FALSE_POSITIVES = 0.01
_TWO_SIDED = float(norm.ppf(0.975))


@dataclasses.dataclass(frozen=True)
class Membership:
    """What the loss of each image tells of whether it was trained on, at each milestone of one run."""

    record: RunRecord
    t: float
    steps: np.ndarray
    """Recorded steps (K + 1,), with step 0: the untrained network, on which the AUC is 1/2 but for chance."""
    auc: np.ndarray
    """Area under the ROC curve and the ends of its 95 % interval, (K + 1, 3)."""
    rate: np.ndarray
    """True-positive rate at 1 % false positives and the ends of its 95 % interval at this threshold, (K + 1, 3)."""
    time: Time
    """tau_privacy: the step at which the AUC's lower end exceeds the level."""

    def auc_at(self, step: float) -> float:
        """The AUC at any step, linear in log-step between milestones; at the nearest end outside of them."""
        return float(np.interp(math.log(max(step, 1)), np.log(np.maximum(self.steps, 1)), self.auc[:, 0]))


@dataclasses.dataclass(frozen=True)
class MembershipTimes:
    """tau_privacy of each run beside its other times, and its exponent in n."""

    runs: list[tuple[Membership, RunTimes]]
    exponent: Exponent


def auc(members: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """P(loss of a member < loss of another) + P(equal) / 2, and the ends of its 95 % interval.

    members (n,), others (N,): losses. The interval is that of DeLong, DeLong and Clarke-Pearson, Biometrics 44, 837
    (1988), on the scale of the logit, which keeps it within 0 and 1. Where the two sets are wholly apart the variance
    is estimated as zero, and the interval reaches to what one exchanged pair in n N and the smaller set's size would
    still allow: the rule of three.
    """
    n, others_count = len(members), len(others)
    if min(n, others_count) < 2:
        raise InputError(f"losses must be of at least two images each, but {n} and {others_count} were given")
    ranks = rankdata(np.concatenate([members, others]))
    # For each image the share of the other set on the right side of it.
    above = 1 - (ranks[:n] - rankdata(members)) / others_count
    below = (ranks[n:] - rankdata(others)) / n
    value = float(above.mean())
    spread = math.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / others_count)
    if spread == 0 or value in (0.0, 1.0):
        reach = min(3 / min(n, others_count), 0.5)
        return value, max(value - reach, 0.0), min(value + reach, 1.0)
    width = _TWO_SIDED * spread / (value * (1 - value))
    return value, float(expit(logit(value) - width)), float(expit(logit(value) + width))


def true_positive_rate(
    members: np.ndarray, others: np.ndarray, false_positives: float = FALSE_POSITIVES
) -> tuple[float, float, float]:
    """The share of members with a loss below all but this share of the others' losses, and its exact 95 % interval.

    The threshold is the highest at which no more of the others than `false_positives` lie below; the interval (Clopper
    and Pearson) takes it as given.
    """
    allowed = math.floor(false_positives * len(others))
    found = int(np.sum(members < np.sort(others)[allowed]))
    low, high = binomial_ends(len(members))
    return found / len(members), float(low[found]), float(high[found])


def membership_of(record: RunRecord, t: float | None = None, level: float = LEVEL) -> Membership:
    """AUC and true-positive rate by the loss at diffusion time t, at every milestone of one run, and tau_privacy.

    t: by default the first of the config's loss times. level: of the AUC, above 1/2. Raises InputError if the run did
    not record t.
    """
    t = record.config.loss_times[0] if t is None else t
    level = _above_half(level)
    steps = np.concatenate([[0], record.steps])
    losses = [record.image_losses_at(int(step), t) for step in steps]
    areas = np.array([auc(*pair) for pair in losses])
    rates = np.array([true_positive_rate(*pair) for pair in losses])
    time = time_of(first_crossing(record.steps, areas[1:, 1] - level), record.steps[-1])
    return Membership(record, t, steps, areas, rates, time)


def membership(
    records: Path | str | Sequence[RunRecord], t: float | None = None, level: float = LEVEL
) -> MembershipTimes:
    """tau_privacy of all runs, beside their other times, and how it grows with n (see `measure`)."""
    measured = measure([record for record in given(records) if len(record.steps) > 1], t).lawful
    found = [(membership_of(run.record, t, level), run) for run in measured]
    exponent = exponent_of([run.record for run in measured], [each.time for each, _ in found])
    return MembershipTimes(found, exponent)


def _above_half(level: float) -> float:
    level = finite("level", level)
    if not 0.5 <= level < 1:
        raise InputError(f"level must be an AUC of at least 0.5 and below 1, but {level!r} was given")
    return level

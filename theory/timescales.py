"""The two times and the gap, read off any curve of test and train loss: one definition for theory and experiment.

With L0 the loss before training, L_min the minimum of the test loss, reached at tau*, and F = L0 - L_min:

- gen: first tau with L_test <= L_min + 0.05 F                 (generalization)
- mem: first tau > tau* with L_test >= L_min + 0.10 F          (memorization; inf: see genmem.theory.never)
- gap: first tau with L_test - L_train >= 0.10 F               (where the losses part)

The definitions follow Bonnaire et al. (arXiv 2505.17638), who read both times off the losses; `gap` is the reading of
Favero et al. (arXiv 2505.16959) and of Marion and Wu (arXiv 2605.06077).
"""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, finite, numbers

# Exponents of the times in the training points n, for 1 << psi_n << psi_p, and in a U-Net's base width W (Bonnaire et
# al., arXiv:2505.17638). The gap opens with the memorization bulk.
LAWS = {("gen", "n"): 0.0, ("gap", "n"): 1.0, ("mem", "n"): 1.0, ("gen", "W"): -1.0, ("mem", "W"): -1.0}


@dataclass(frozen=True)
class Fractions:
    """The fractions of F = L0 - L_min that define the three times."""

    gen: float = 0.05
    mem: float = 0.10
    gap: float = 0.10

    def __post_init__(self):
        for name in ("gen", "mem", "gap"):
            value = finite(f"fractions.{name}", getattr(self, name))
            if not 0 < value < 1:
                raise InputError(f"fractions.{name} must lie between 0 and 1, but {value!r} was given")


def checked(fractions: Fractions) -> Fractions:
    """The argument, if it is a Fractions, else InputError."""
    if not isinstance(fractions, Fractions):
        raise InputError(f"fractions must be a genmem.theory.timescales.Fractions, but {fractions!r} was given")
    return fractions


@dataclass(frozen=True)
class Timescales:
    """Times in the unit of the curve's tau; inf where the event does not happen on the curve.

    gen, mem, gap: as defined at the head of this module. minimum: tau* of the test loss (inf if the loss only falls).
    loss_min: test loss at tau*. loss_initial: the loss at tau = 0.
    """

    gen: float
    mem: float
    gap: float
    minimum: float
    loss_min: float
    loss_initial: float


def timescales_of_curves(tau, train, test, initial=None, floor=None, fractions=Fractions(), excess=0.0) -> Timescales:
    """Read the times off sampled curves, linear in log(tau) between the samples.

    tau, train, test: shape (K,), tau increasing, in any unit of time. A first sample at tau = 0 is taken as the loss
    before training. initial: that loss, if the curve does not hold it (else the first test loss).
    floor: a loss that stands in for L_min in `gen`, so that `gen` is inf where the quality is never reached; it should
    not depend on the training set's size. excess: by which an uncertain curve's lowest sample is too low, at most zero;
    it is taken off. Raises InputError for unequal lengths, a tau that does not increase, or NaN.
    """
    fractions = checked(fractions)
    tau, train, test = (numbers(name, a) for name, a in (("tau", tau), ("train", train), ("test", test)))
    if tau.ndim != 1 or tau.shape != train.shape or tau.shape != test.shape or tau.size == 0:
        raise InputError(
            f"tau, train and test must be arrays of one length, but shapes {tau.shape}, {train.shape} and "
            f"{test.shape} were given"
        )
    if not (np.all(np.isfinite(tau)) and tau[0] >= 0 and np.all(np.diff(tau) > 0)):
        raise InputError("tau must be finite, not negative and increasing")
    if np.isnan(train).any() or np.isnan(test).any():
        raise InputError("train and test must be losses, but they hold NaN")
    initial = float(test[0]) if initial is None else finite("initial", initial)
    if tau[0] == 0:
        tau, train, test = tau[1:], train[1:], test[1:]
    best = int(np.argmin(test))
    loss_min = float(test[best]) - excess
    fall = initial - loss_min
    if not fall > 0:
        return Timescales(np.inf, np.inf, np.inf, np.inf, loss_min, initial)
    target = loss_min if floor is None else finite("floor", floor)
    log_tau = np.log(tau)
    gen = _first_crossing(log_tau, target + fractions.gen * (initial - target) - test)
    mem = _first_crossing(log_tau[best:], test[best:] - loss_min - fractions.mem * fall)
    gap = _first_crossing(log_tau, test - train - fractions.gap * fall)
    return Timescales(gen, mem, gap, float(tau[best]), loss_min, initial)


def _first_crossing(log_tau: np.ndarray, value: np.ndarray) -> float:
    """First tau at which `value`, linear between samples, reaches zero from below; inf if it never does."""
    above = np.flatnonzero(value >= 0)
    if above.size == 0:
        return np.inf
    k = above[0]
    if k == 0:
        return float(np.exp(log_tau[0]))
    share = value[k - 1] / (value[k - 1] - value[k])
    return float(np.exp(log_tau[k - 1] + share * (log_tau[k] - log_tau[k - 1])))

"""What the mean random-features network generates: one variance along each eigenvector of the data's covariance.

Averaged over data and weights the network is linear with coefficients c_k(tau; t), so its probability flow makes

    Lambda_k(tau) = exp(2 int_{t0}^T (1 + c_k(tau; t)) dt)

of white noise (docs/theory.md, section 12). What one network adds to the mean is not in it: see genmem.generate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genmem.theory.probability_flow import divergences, time_rule
from genmem.theory.spectra import Spectrum
from genmem.theory.tables import Table

# Gauss-Legendre nodes in each panel of log t: c_k(t) is smooth, and each node costs a learning curve.
_NODES = 5


@dataclass(frozen=True)
class MeanGenerated(Table):
    """What the mean network generates, at training times of the shape of `tau`.

    variance: tau.shape + (k,), along each eigenvector. kl: KL(N(0, variance) || data) / d in nats, inf where the data
    have no variance in some direction; kl_noised: the same to the data noised to t0, at which the flow stops.
    """

    further = {"variance": ("mode",)}
    tau: np.ndarray
    variance: np.ndarray
    kl: np.ndarray
    kl_noised: np.ndarray


def mean_generated(
    modes: Callable[[float], np.ndarray], spectrum: Spectrum, tau: np.ndarray, t0: float, T: float
) -> MeanGenerated:
    """What the mean network generates at training times tau, the same for all noise times.

    modes: from a noise time t to c_k(tau; t), shape tau.shape + (k,). Raises InputError unless 0 < t0 < T.
    """
    log = np.zeros((*tau.shape, spectrum.weights.size))
    for t, weight in zip(*time_rule(t0, T, _NODES), strict=True):
        log += 2 * weight * (1 + modes(float(t)))
    variance = np.exp(log)
    return MeanGenerated(tau, variance, *divergences(variance, log, spectrum, t0))

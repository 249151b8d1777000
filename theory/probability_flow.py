"""What a linear score generates: the probability flow dx/dt = -x - s(x), from the noise at T back to t0.

A score -m_t x along one direction scales x by exp(int (1 - m_t) dt), so that noise of variance one becomes

    Lambda = exp(2 int_{t0}^T (1 - m_t) dt),

e^{-2 t0} lambda + Delta_{t0} up to terms e^{-2T} for the true score m_t = 1/(e^{-2t} lambda + Delta_t). (Song et al.,
arXiv:2011.13456; for the Gaussian score, Wang and Pehlevan, arXiv:2503.03206.)
"""

import numpy as np

from genmem.shared.errors import InputError, positive
from genmem.theory.spectra import Spectrum

# Gauss-Legendre nodes in each panel, whose width is this in log t.
_NODES, _PANEL = 10, 0.7
START, NOISE = 0.01, 5.0


def time_rule(t0: float, T: float, nodes: int = _NODES, panel: float = _PANEL) -> tuple[np.ndarray, np.ndarray]:
    """Times t (J,), rising, and weights of int_{t0}^T dt: Gauss-Legendre panels in log t.

    Raises InputError unless 0 < t0 < T.
    """
    t0, T = time_range(t0, T)
    edges = np.linspace(np.log(t0), np.log(T), 1 + int(np.ceil(np.log(T / t0) / panel)))
    x, w = np.polynomial.legendre.leggauss(nodes)
    half = np.diff(edges)[:, None] / 2
    t = np.exp(edges[:-1, None] + half * (1 + x)).ravel()
    return t, (half * w).ravel() * t


def time_range(t0: float, T: float) -> tuple[float, float]:
    """Both as floats; InputError unless 0 < t0 < T."""
    t0, T = positive("t0", t0), positive("T", T)
    if not t0 < T:
        raise InputError(f"T must be later than t0 = {t0:g}, but {T!r} was given")
    return t0, T


def signal_and_noise(t):
    """e^{-2t} and Delta = 1 - e^{-2t}."""
    return np.exp(-2 * np.asarray(t)), -np.expm1(-2 * np.asarray(t))


def divergences(variance, mean_log, spectrum: Spectrum, t0: float) -> tuple[np.ndarray, np.ndarray]:
    """KL(generated || data) / d, and the same to the data noised to t0; see `divergence`."""
    signal, delta = signal_and_noise(t0)
    data, weights = spectrum.eigenvalues, spectrum.weights
    return (
        divergence(variance, mean_log, data, weights),
        divergence(variance, mean_log, signal * data + delta, weights),
    )


def divergence(variance, mean_log, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """KL(generated || N(0, truth)) / d of a Gaussian with this variance and mean logarithm along each mode (..., k).

    inf where the truth (k,) has no variance along some mode.
    """
    if not truth.all():
        return np.full(variance.shape[:-1], np.inf)
    return (variance / truth - 1 - mean_log + np.log(truth)) @ weights / 2

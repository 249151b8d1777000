"""The Gaussian-equivalence constants of an activation: docs/theory.md, section 2; Bonnaire et al. (arXiv:2505.17638).

A feature sigma(h), with h Gaussian of variance Gamma^2 = e^{-2t} sigma_x^2 + Delta, acts like a linear part plus two
independent noises: one that the n noise copies of a data point share (v^2) and one that each copy draws anew (s^2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import erf

from genmem.shared.errors import InputError, known, positive

ACTIVATIONS: dict[str, Callable] = {"tanh": np.tanh, "erf": erf, "arctan": np.arctan, "sin": np.sin}

# The Gaussian weight beyond 9 standard deviations is below 1e-17.
_REACH = 9.0
_CENTRED = 1e-9


@dataclass(frozen=True)
class GaussianConstants:
    """Constants of sigma, less its mean, at noise level t for data of mean variance sigma_x^2 = Tr Sigma / d.

    delta = 1 - e^{-2t}, signal = e^{-2t}, gamma = Gamma, mean = E[sigma(Gamma z)] (zero, unless centred on request),
    mu1 = E[z sigma(Gamma z)], norm2 = Var[sigma(Gamma z)], a = mu1 / Gamma, b2 = delta a^2, v2 and s2 as in the
    module's head; v2 + s2 = norm2 - mu1^2.
    """

    delta: float
    signal: float
    gamma: float
    mean: float
    mu1: float
    norm2: float
    a: float
    b2: float
    v2: float
    s2: float


def resolve(activation: str | Callable) -> Callable:
    """Return the function behind a name (see ACTIVATIONS) or the callable itself; InputError for an unknown name."""
    if callable(activation):
        return activation
    return ACTIVATIONS[known("activation", activation, ACTIVATIONS)]


@lru_cache(maxsize=256)
def gaussian_constants(
    activation: str | Callable, t: float, sigma_x2: float = 1.0, center: bool = False
) -> GaussianConstants:
    """Compute the constants by quadrature, to about 1e-11 relative for smooth activations.

    activation: a name or a callable on arrays; t: Ornstein-Uhlenbeck time, positive; sigma_x2: Tr Sigma / d.
    The theory needs a centred activation: raises InputError if E[sigma(Gamma z)] is not zero, unless `center` asks to
    take that mean off.

    The trapezoidal rule on a Gaussian weight converges faster than any power of the step for smooth integrands. v^2 and
    s^2 come from sigma without its linear part, sigma - a h, as two averages of squares, so that nothing cancels when t
    is small: v^2 = E_u[(E_w ...)^2] and s^2 = E_u[Var_w ...] with h = e^{-t} sigma_x u + sqrt(Delta) w.
    """
    sigma = resolve(activation)
    t, sigma_x2 = positive("t", t), positive("sigma_x2", sigma_x2)
    delta, signal = -np.expm1(-2 * t), np.exp(-2 * t)
    gamma = np.sqrt(signal * sigma_x2 + delta)
    step, previous = 0.25, None
    while True:
        current = _moments(sigma, gamma, np.sqrt(signal * sigma_x2), np.sqrt(delta), step)
        if previous is not None and np.allclose(current[1:], previous[1:], rtol=1e-11, atol=0):
            break
        # Halving is cheap until the two-dimensional rule has ten million points; a kink converges no further.
        if step < 0.01:
            if not np.allclose(current[1:], previous[1:], rtol=1e-4, atol=0):
                raise InputError("activation must be smooth enough to be integrated to 1e-4, but it is not")
            break
        step, previous = step / 2, current
    mean, mu1, norm2, v2, s2 = current
    if not np.all(np.isfinite(current)):
        raise InputError("activation must return finite numbers on the whole real line, but it does not")
    if not norm2 > 0:
        raise InputError("activation must not be constant, but it is")
    if not center and abs(mean) > _CENTRED * np.sqrt(norm2):
        raise InputError(
            f"activation must be centred, but its mean under the Gaussian is {mean:.3g}; an odd function is always "
            "centred, and center=True takes the mean off any other"
        )
    a = mu1 / gamma
    return GaussianConstants(delta, signal, gamma, mean, mu1, norm2, a, delta * a * a, v2, s2)


def _moments(sigma, gamma, scale_u, scale_w, step) -> np.ndarray:
    """[mean, mu1, norm2, v2, s2] by the trapezoidal rule of the given step (in standard deviations)."""
    z = np.arange(-_REACH, _REACH + step / 2, step)
    weight = np.exp(-z * z / 2) * step / np.sqrt(2 * np.pi)
    value = _evaluate(sigma, gamma * z)
    mean, mu1 = weight @ value, weight @ (z * value)
    h = scale_u * z[:, None] + scale_w * z[None, :]
    rest = _evaluate(sigma, h) - mean - mu1 / gamma * h
    mean_w = rest @ weight
    spread = (rest - mean_w[:, None]) ** 2 @ weight
    return np.array([mean, mu1, weight @ (value - mean) ** 2, weight @ mean_w**2, weight @ spread])


def _evaluate(sigma, x: np.ndarray) -> np.ndarray:
    value = np.asarray(sigma(x), dtype=float)
    if value.shape != x.shape:
        raise InputError(f"activation must map an array to one of equal shape, but {x.shape} became {value.shape}")
    return value

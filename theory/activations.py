"""The Gaussian-equivalence constants of an activation: docs/theory.md, section 2; Bonnaire et al. (arXiv:2505.17638).

A feature sigma(h), with h Gaussian of variance Gamma^2 = e^{-2t} sigma_x^2 + Delta, acts like a linear part plus two
independent noises: one that the n noise copies of a data point share (v^2) and one that each copy draws anew (s^2).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import erf

from genmem.shared.errors import InputError, known, positive
from genmem.theory import quadrature


def relu(x):
    return np.maximum(x, 0)


def hard_tanh(x):
    return np.clip(x, -1, 1)


def linear(x):
    return np.asarray(x, dtype=float)


# All but relu and cos are odd, and so centred at every noise level. The first have a linear and a nonlinear part too.
ACTIVATIONS: dict[str, Callable] = {
    "tanh": np.tanh,
    "erf": erf,
    "arctan": np.arctan,
    "sin": np.sin,
    "hard-tanh": hard_tanh,
    "sign": np.sign,
    "linear": linear,
    "relu": relu,
    "cos": np.cos,
}
SIGMOIDS = ("tanh", "erf", "arctan", "sin", "hard-tanh", "sign")

# The Gaussian weight beyond 9 standard deviations is below 1e-17; functions that grow are followed further.
_REACHES = (9.0, 13.0, 18.0, 26.0, 37.0)
_CENTRED = 1e-9
# Parts of sigma below this, relative to sigma, are rounding, and count as zero.
_ROUNDING = 1e-14
# Where the steps of the smooth rule stop, and how often the piecewise rule may lower its demand.
_FINEST = 0.03
_DEMANDS = (1e-13, 1e-9, 1e-6)
# Panels of sigma, which crowd at each kink before it is located, and of its smooth inner average.
_PANELS, _OUTER_PANELS = 20_000, 400
# Largest relative error of a constant that is accepted.
_ACCEPTED = 1e-4
# Below this correlation of two copies' pre-activations the Hermite series ends within _ORDERS terms.
_SERIES, _ORDERS = 0.3, 34


@dataclass(frozen=True)
class GaussianConstants:
    """Constants of sigma, less its mean, at noise level t for data of mean variance sigma_x^2 = Tr Sigma / d.

    delta = 1 - e^{-2t}, signal = e^{-2t}, gamma = Gamma, mean = E[sigma(Gamma z)] (zero, unless centred on request),
    mu1 = E[z sigma(Gamma z)], norm2 = Var[sigma(Gamma z)], a = mu1 / Gamma, b2 = delta a^2, v2 and s2 as in the
    module's head; v2 + s2 = norm2 - mu1^2. errors: of mu1, v2 and s2, estimated.
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
    errors: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def with_moved(self, name: str, step: float) -> "GaussianConstants":
        """The constants with one of mu1, v2 and s2 larger by `step`, and what follows from mu1 with it."""
        moved = replace(self, **{name: getattr(self, name) + step})
        a = moved.mu1 / self.gamma
        return replace(moved, a=a, b2=self.delta * a * a)


def resolve(activation: str | Callable) -> Callable:
    """Return the function behind a name (see ACTIVATIONS) or the callable itself; InputError for an unknown name."""
    if callable(activation):
        return activation
    return ACTIVATIONS[known("activation", activation, ACTIVATIONS)]


@lru_cache(maxsize=256)
def gaussian_constants(
    activation: str | Callable, t: float, sigma_x2: float = 1.0, center: bool = False
) -> GaussianConstants:
    """Compute the constants by quadrature, to about 1e-12 relative, kinks and jumps included.

    activation: a name or a callable on arrays; t: Ornstein-Uhlenbeck time, positive; sigma_x2: Tr Sigma / d.
    The theory needs a centred activation: raises InputError if E[sigma(Gamma z)] is not zero, unless `center` asks to
    take that mean off; and for a function that is not real, finite and square-integrable under the Gaussian, or that
    has too many kinks to be integrated to 1e-4.

    v^2 and s^2 come from sigma without its linear part, sigma - a h, as two averages of squares, so that nothing
    cancels when t is small: v^2 = E_u[(E_w ...)^2] and s^2 = E_u[Var_w ...] with h = e^{-t} sigma_x u + sqrt(Delta) w.
    When t is large they are v^2 = sum_k rho^k c_k^2 and s^2 = sum_k (1 - rho^k) c_k^2 over k >= 2, with Hermite
    coefficients c_k of sigma and the correlation rho = e^{-2t} sigma_x^2 / Gamma^2 of two copies.
    """
    t, sigma_x2 = positive("t", t), positive("sigma_x2", sigma_x2)
    delta, signal = float(-np.expm1(-2 * t)), float(np.exp(-2 * t))
    gamma = float(np.sqrt(signal * sigma_x2 + delta))
    average = _Average(resolve(activation), gamma, np.sqrt(signal * sigma_x2), np.sqrt(delta))
    roots, errors = average.smooth() or average.piecewise()
    mean, mu1, norm, v, s = map(float, roots)
    if not norm > _ROUNDING * abs(mean):
        raise InputError("activation must not be constant, but it is")
    if not center and abs(mean) > _CENTRED * norm:
        raise InputError(
            f"activation must be centred, but its mean under the Gaussian is {mean:.3g}; an odd function is always "
            "centred, and center=True takes the mean off any other"
        )
    mu1, s = (0.0 if abs(value) <= _ROUNDING * norm else value for value in (mu1, s))
    # The Hermite series has dropped what is rounding, and what is left of it may be small.
    v = 0.0 if average.rho > _SERIES and v <= _ROUNDING * norm else v
    a = mu1 / gamma
    of_squares = [2 * root * error + error**2 if root else 0.0 for root, error in zip((v, s), errors[1:], strict=True)]
    return GaussianConstants(
        delta,
        signal,
        gamma,
        mean,
        mu1,
        norm**2,
        a,
        delta * a * a,
        v**2,
        s**2,
        (float(errors[0]) if mu1 else 0.0, float(of_squares[0]), float(of_squares[1])),
    )


class _Average:
    """The averages of one activation: [mean, mu1, norm, v, s], norm, v and s as roots, and errors of mu1, v and s."""

    def __init__(self, sigma: Callable, gamma: float, scale_u: float, scale_w: float):
        self.sigma, self.gamma, self.scale_u, self.scale_w = sigma, gamma, scale_u, scale_w
        self.rho = (scale_u / gamma) ** 2
        self.reach = self._reach()

    def smooth(self) -> tuple[np.ndarray, np.ndarray] | None:
        """By the trapezoidal rule, whose error falls faster than any power of the step; None if it does not."""
        step, previous = 0.25, None
        while step > _FINEST:
            z = np.arange(-self.reach, self.reach + step / 2, step)
            weight = np.exp(-z * z / 2) * step / np.sqrt(2 * np.pi)
            current = self._moments(z, weight)
            if self.rho > _SERIES:
                current = self._plane(z, weight, current)
            if previous is not None:
                move, norm = np.abs(current - previous), current[2]
                if np.all(move <= 1e-11 * np.abs(current) + _ROUNDING * norm):
                    # Halving the step squares the error, or nearly so for a function that is smooth but not analytic.
                    return current, norm * (move[[1, 3, 4]] / max(norm, 1e-300)) ** 1.4 + self._rounding(norm)
            step, previous = step / 2, current
        return None

    def piecewise(self) -> tuple[np.ndarray, np.ndarray]:
        """By Gauss-Legendre quadrature between the kinks, at two orders, whose difference bounds the error."""
        for demand in _DEMANDS:
            edges = quadrature.partition(
                lambda z: self._value(self.gamma * z), quadrature.uniform_edges(self.reach), demand, 0.0, _PANELS
            )
            if edges is None:
                continue
            orders = (quadrature.NODES, quadrature.NODES + 4)
            coarse, fine = (self._moments(*quadrature.gaussian_rule(edges, nodes)) for nodes in orders)
            if self.rho > _SERIES:
                inner, outer = self._inner(edges, fine, demand)
                if outer is None:
                    continue
                coarse = self._double(coarse, inner, outer, orders[0])
                fine = self._double(fine, inner, outer, orders[1])
            error = np.abs(fine - coarse)[[1, 3, 4]] + self._rounding(fine[2])
            if np.all(error <= _ACCEPTED * np.abs(fine[[1, 3, 4]]) + _CENTRED * fine[2]):
                return fine, error
        raise InputError(
            "activation must be smooth between not too many kinks and jumps to be integrated to 1e-4, but it is not"
        )

    def _inner(self, edges: np.ndarray, values: np.ndarray, demand: float) -> tuple[Callable, np.ndarray | None]:
        """Mean and variance over w of sigma without its linear part as a function of u, and edges that resolve it."""
        mean, slope = values[0], values[1] / self.gamma
        start = quadrature.uniform_edges(self.reach)

        def rest(h):
            return self._value(h) - mean - slope * h

        def inner(u, nodes=quadrature.NODES):
            return quadrature.inner_average(rest, self.gamma * edges, self.scale_u * u, self.scale_w, self.reach, nodes)

        u, weight = quadrature.gaussian_rule(start, quadrature.NODES)
        floor = _ROUNDING * np.array([values[2], weight @ inner(u)[:, 1]])
        return inner, quadrature.partition(inner, start, demand, floor, _OUTER_PANELS)

    def _double(self, values, inner: Callable, outer: np.ndarray, nodes: int) -> np.ndarray:
        """The moments with v and s as averages over u of the inner averages."""
        u, weight = quadrature.gaussian_rule(outer, nodes)
        mean, variance = inner(u, nodes).T
        return np.array([*values[:3], np.sqrt(weight @ mean**2), np.sqrt(weight @ variance)])

    def _rounding(self, norm: float) -> np.ndarray:
        """What rounding leaves of mu1, v and s; the Hermite series of v^2 begins with rho^2."""
        return 4e-16 * norm * np.array([1.0, self.rho if self.rho <= _SERIES else 1.0, 1.0])

    def _moments(self, z: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """By a rule in standard deviations: v and s are summed as Hermite series, good where that ends soon."""
        value = self._value(self.gamma * z)
        mean, mu1 = weight @ value, weight @ (z * value)
        norm = np.sqrt(weight @ (value - mean) ** 2)
        rest = value - mean - mu1 * z
        v2 = 0.0
        before, polynomial = z, (z * z - 1) / np.sqrt(2)
        for k in range(2, _ORDERS):
            coefficient = weight @ (polynomial * rest)
            if abs(coefficient) > _ROUNDING * norm:
                v2 += self.rho**k * coefficient**2
            before, polynomial = polynomial, (z * polynomial - np.sqrt(k) * before) / np.sqrt(k + 1)
        return np.array([mean, mu1, norm, np.sqrt(v2), np.sqrt(max(weight @ rest**2 - v2, 0.0))])

    def _plane(self, z: np.ndarray, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The moments with v and s by the same rule in two dimensions."""
        h = self.scale_u * z[:, None] + self.scale_w * z[None, :]
        rest = self._value(h) - values[0] - values[1] / self.gamma * h
        mean = rest @ weight
        variance = (rest - mean[:, None]) ** 2 @ weight
        return np.array([*values[:3], np.sqrt(weight @ mean**2), np.sqrt(weight @ variance)])

    def _reach(self) -> float:
        """How far the Gaussian average must be followed; InputError if sigma grows too fast for any."""
        inside = self._value(self.gamma * np.linspace(-3, 3, 61))
        size = np.mean(inside**2)
        for reach in _REACHES:
            end = np.abs(self._value(self.gamma * np.array([-reach, reach]))) * np.exp(-reach * reach / 4)
            if np.all(end <= np.sqrt(1e-15 * size)):
                return reach
        raise InputError(
            f"activation must be square-integrable under the Gaussian, but its square counts even {reach:g} standard "
            "deviations away"
        )

    def _value(self, h: np.ndarray) -> np.ndarray:
        """sigma at h, of any shape, as real finite numbers."""
        try:
            value = np.asarray(self.sigma(h))
        except (TypeError, ValueError) as error:
            raise InputError(f"activation must map an array to an array, but it raised {error!r}") from None
        if value.shape != h.shape:
            raise InputError(f"activation must map an array to one of equal shape, but {h.shape} became {value.shape}")
        if value.dtype.kind not in "fiub":
            raise InputError(f"activation must return real numbers, but it returned {value.dtype}")
        value = value.astype(float, copy=False)
        if not np.all(np.isfinite(value)):
            raise InputError("activation must return finite numbers on the whole real line, but it does not")
        return value

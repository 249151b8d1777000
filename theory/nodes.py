"""Functions of U at one training time as sums over resolvents: the nodes and weights of docs/theory.md, section 5.

f_tau(x) = (e^{-c tau x} - 1)/x = -c tau (e^y - 1)/y with y = -c tau x <= 0, since U has no negative eigenvalue. With
poles p_j and weights q_j such that

    (e^y - 1)/y = sum_j q_j / (y - p_j)   for all y <= 0,

f_tau(U) = sum_j q_j R(z_j), R(z) = (U - z)^{-1}, at the nodes z_j = -p_j / (c tau). The poles are those of the best
rational approximation of e^y on y <= 0 (Cody, Meinardus and Varga 1969), found by the method of Caratheodory and Fejer
(Trefethen, Weideman and Schmelzer, BIT 46, 653, 2006): its error falls by 9.3 a pole, that of quadrature on Talbot's
contour by 3.9. The weights are fitted to the function itself, with an error relative to 1/(1 + |y|), so that a loss
feels it relative to itself however early and however late.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Poles with Im p > 0, by the number of all; a test holds what they are for.
POLES = {
    14: (
        5.623158544961 + 1.194065008945j,
        5.089360791675 + 3.588811802922j,
        3.993384840861 + 6.004810871064j,
        2.269797611406 + 8.461707990928j,
        -0.208748078429 + 10.991220724946j,
        -3.703271155952 + 13.656323620959j,
        -8.897776618863 + 16.630933425564j,
    ),
    16: (
        6.425781193575 + 1.194705495659j,
        5.957870575671 + 3.589243816883j,
        5.003170845787 + 5.999977231921j,
        3.519639550504 + 8.440758317224j,
        1.430869571528 + 10.931555611766j,
        -1.400822098713 + 13.505671719635j,
        -5.249231749179 + 16.229848602592j,
        -10.823933303684 + 19.288129878746j,
    ),
}
# Errors of f_tau, relative: 8e-13 with 14 poles, 7e-14 with 16.
COARSE, FINE = POLES


class Nodes(NamedTuple):
    """Nodes z_j = -ridge + directions_j / (c tau) with Im z > 0, which stand for their conjugates too; all (J,).

    weights: of f_tau. slopes: of its derivative by log(tau). train, square: f_{2 tau} = 2 f + U f^2 and f^2 need
    products of two resolvents at the same U, which are differences of one; with T(z) = (1/d) Tr V' R(z) V and Z = z +
    ridge,

        (1/d) Tr V' f_{2 tau} V = sum_j [train_j T_j + square_j Z_j T'_j]
        (1/d) Tr V' f_tau^2 V = sum_j [(train_j - 2 weights_j - square_j) T_j + square_j Z_j T'_j] / Z_j.
    """

    directions: np.ndarray
    weights: np.ndarray
    slopes: np.ndarray
    train: np.ndarray
    square: np.ndarray


@lru_cache
def nodes(count: int = COARSE) -> Nodes:
    """The rule with `count` poles, a key of POLES."""
    poles = np.array(POLES[count])
    y = -np.concatenate([[0.0], np.geomspace(1e-6, 1e7, 800)])
    weights = _fitted(poles, y, np.where(y == 0, 1, np.expm1(y) / np.where(y == 0, 1, y)))
    return assembled(poles, weights, _fitted(poles, y, np.exp(y)))


def assembled(poles: np.ndarray, weights: np.ndarray, slopes: np.ndarray) -> Nodes:
    """The rule of these poles and weights, all (J,), with what products of two resolvents need."""
    all_poles, all_weights = np.r_[poles, poles.conj()], np.r_[weights, weights.conj()]
    gap = poles[:, None] - all_poles
    gap[np.arange(poles.size), np.arange(poles.size)] = np.inf
    others = np.sum(all_weights * poles[:, None] / gap, axis=1)
    square = weights**2
    return Nodes(-poles, weights, slopes, 2 * weights + 2 * weights * others + square, square)


def _fitted(poles: np.ndarray, y: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights w (J,) with 2 Re sum_j w_j / (y - p_j) = values in the least squares of error x (1 + |y|)."""
    far = 1 - y[:, None]
    terms = 2 * far / (y[:, None] - poles)
    design = np.hstack([terms.real, -terms.imag])
    scale = np.linalg.norm(design, axis=0)
    solution = np.linalg.lstsq(design / scale, far[:, 0] * values, rcond=1e-17)[0] / scale
    return solution[: poles.size] + 1j * solution[poles.size :]


def talbot(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions -S_j (Im > 0) and weights q_j of the upper half of a `count`-point Talbot rule, shape (count/2,).

    Another way to f_tau(U), by a contour (Weideman 2006, as in Trefethen, Weideman and Schmelzer 2006), for functions
    of which the exponential is a part only.
    """
    theta = -(2 * np.arange(1, count // 2 + 1) - 1) * np.pi / count
    cot = 1 / np.tan(0.6407 * theta)
    s = count * (-0.6122 + 0.5017 * theta * cot + 0.2645j * theta)
    ds = count * (0.5017 * cot - 0.5017 * 0.6407 * theta / np.sin(0.6407 * theta) ** 2 + 0.2645j)
    return -s, -np.exp(s) * ds / (1j * count * s)

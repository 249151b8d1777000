"""Gradient descent, momentum and SGD in closed form, step by step: no limit of small steps.

With b = sqrt(Delta / p) A' and h = c x learning rate / d^2 the iteration of genmem.theory.descent is

    v <- beta v + (U + ridge) b + V + noise,   b <- b - h v,

so that b_k = f_k(U) V with generating functions in w, the discrete time's Laplace variable (docs/theory.md, "Momentum,
and steps that are not small"):

    f_k(U) = -(1/2 pi i) oint w^k / (w - 1) R(z(w)) dw,   z(w) = -(w - 1)(w - beta) / (h w) - ridge.

Losses are quadratic in b. Those of the sample's own U are sums of products r^k r'^k of two roots of z(r) = x, and their
generating function has poles in x at z(+omega) and z(-omega), omega = sqrt(w), only: one resolvent is enough for the
train loss, for the response to gradient noise and for the Volterra equation between them, which is a product in w. The
test loss of the mean takes all pairs of nodes, as in genmem.theory.dynamics.
"""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, SolverError, finite, numbers, positive
from genmem.theory.compiled import njit
from genmem.theory.density import feature_spectrum
from genmem.theory.dynamics import COLUMNS, LABEL, begin, describe, population
from genmem.theory.gradient_noise import T1, TEST, TRAIN, traces
from genmem.theory.model import RandomFeatures
from genmem.theory.nodes import talbot
from genmem.theory.resolvent import state_size

# Modes that no Talbot contour encloses may be left out once they have decayed to this.
FORGOTTEN = 1e-12
# Talbot's nodes: the contour's error falls by a factor ten per node pair.
CURVE_NODES = 22
# From this step on the contour's nodes e^{S/k} stay away from the negative axis.
FIRST_TALBOT = 16
# On the circle, its points per step and the radius to their power: what aliases is the inverse of this.
POINTS_PER_STEP, ALIASED = 4, 1e13


@dataclass(frozen=True)
class DescentCurves:
    """Losses after `steps` (K,) steps of the discrete algorithm, each of shape (K,).

    tau: steps x step / (1 - momentum). train: without the ridge's penalty. test, score: as in LearningCurves.
    """

    steps: np.ndarray
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray


def descent_curves(
    model: RandomFeatures, steps, step: float, momentum: float = 0.0, gradient_noise: float = 0.0
) -> DescentCurves:
    """Losses of gradient descent with momentum, or of SGD, in steps of any stable size; `descend` in high dimension.

    steps: whole numbers from zero, any order (K,). step: learning rate / d^2. momentum: beta in [0, 1) of v <- beta v +
    gradient, A <- A - learning rate v. gradient_noise: kappa = learning rate / (batch size x d x (1 - beta)) of SGD; 0
    is the full gradient. Raises InputError for bad values and for steps or noise at which the iteration diverges,
    SolverError if the equations could not be solved.
    """
    at = numbers("steps", steps, "whole numbers from zero")
    if at.ndim > 1 or not np.all(np.isfinite(at)) or np.any(at < 0) or np.any(at != np.round(at)):
        raise InputError(f"steps must be whole numbers from zero, but {steps!r} was given")
    step, beta = positive("step", step), finite("momentum", momentum)
    if not 0 <= beta < 1:
        raise InputError(f"momentum must be from 0 to below 1, but {momentum!r} was given")
    strength = model.constants.delta * finite("gradient_noise", gradient_noise) * (1 - beta)
    if strength < 0:
        raise InputError(f"gradient_noise must be zero or positive, but {gradient_noise!r} was given")
    h = model.rate * step
    top = feature_spectrum(model).bulks[-1].upper + model.ridge
    if not h * top < 2 * (1 + beta):
        most = 2 * (1 + beta) / (model.rate * top)
        raise InputError(f"step must be below {most:.6g}, from where on descent diverges, but {step!r} was given")
    iteration = _Iteration(model, h, beta, strength)
    if strength and not iteration.gain_at_one() < 1:
        raise InputError(
            f"gradient_noise must be lower for SGD in steps of {step:g} to converge, but {gradient_noise!r} was given"
        )
    wanted, place = np.unique(at.ravel(), return_inverse=True)
    losses = np.zeros((2, wanted.size))
    early = (wanted > 0) & ~((wanted >= FIRST_TALBOT) & (iteration.oscillating(top) ** wanted < FORGOTTEN))
    if early.any():
        losses[:, early] = iteration.on_circle(wanted[early])
    for k in np.flatnonzero((wanted > 0) & ~early):
        losses[:, k] = iteration.on_talbot(wanted[k])
    train, test = (1 + losses[:, place]).reshape(2, *at.shape)
    score = model.score_power + (test - 1) / model.constants.delta
    return DescentCurves(at.astype(int), at * step / (1 - beta), train, test, score)


class _Iteration:
    """The generating functions of one iteration, and their sums over nodes w with Im w < 0, |w|^2 > beta."""

    def __init__(self, model: RandomFeatures, h: float, beta: float, strength: float):
        self.model, self.h, self.beta, self.strength = model, h, beta, strength

    def oscillating(self, top: float) -> float:
        """The largest |r| < 1 of the roots that are not real and positive."""
        half = (1 + self.beta - self.h * top) / 2
        root = np.sqrt(self.beta)
        return root if half >= -root else -half + np.sqrt(half**2 - self.beta)

    def gain_at_one(self) -> float:
        """What the gradient noise of all steps adds up to: SGD converges below one."""
        far = self.z(np.array([-1.0 + 0j]))
        at_far = self.traces(far.real + 1e-12j * far.real)[0]
        limit = self.model._limit_traces
        return self.strength / (1 - self.beta) * float((limit[TRAIN] - at_far[0, TRAIN]).real)

    def z(self, w: np.ndarray) -> np.ndarray:
        return -(w - 1) * (w - self.beta) / (self.h * w) - self.model.ridge

    def traces(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The traces (K, 5) of genmem.theory.gradient_noise, rows and vectors 1/D at z with Im z > 0."""
        model = self.model
        out = np.empty((z.size, 5), complex)
        rows, inverses = np.zeros((z.size, COLUMNS), complex), np.empty((z.size, model.spectrum.weights.size), complex)
        if not np.isfinite(_solve(z, model.equations.norm_bound, model.equations, rows, inverses, out)):
            raise SolverError(f"the resolvent of {model} could not be solved")
        return out, rows, inverses

    def on_circle(self, steps: np.ndarray) -> np.ndarray:
        """(train, test) - 1 after each of the steps (K,), shape (2, K), from one circle for all of them."""
        points = max(64, 2 * int(np.ceil(POINTS_PER_STEP * steps[-1] / 2)))
        w = ALIASED ** (1 / points) * np.exp(-2j * np.pi * (np.arange(points // 2) + 0.5) / points)
        power = w[:, None] ** steps / points
        return self._losses(w, power, -power * (w / (w - 1))[:, None])

    def on_talbot(self, k: float) -> np.ndarray:
        """(train, test) - 1 after k steps, of Talbot's contour for the real and positive roots."""
        directions, weights = talbot(CURVE_NODES)
        w = np.exp(-directions / k)
        kept = np.abs(w) ** 2 > self.beta
        w, weights, s = w[kept], weights[kept], -directions[kept] / k
        losses = self._losses(w, (-weights * s)[:, None], (weights * s * w / (w - 1))[:, None])
        return losses[:, 0]

    def _losses(self, w: np.ndarray, power: np.ndarray, response: np.ndarray) -> np.ndarray:
        """From the nodes with the weights (nodes, K) of a generating function and of f_k's resolvents."""
        beta, ridge = self.beta, self.model.ridge
        omega = np.sqrt(w)
        plus, minus = self.z(omega), self.z(-omega)
        at_plus, at_minus = self.traces(plus)[0], self.traces(minus.conj())[0].conj()
        at_w, rows, inverses = self.traces(self.z(w))
        mean = w / (w - 1)
        ahead, behind = (omega - beta) / (omega - 1), (omega + beta) / (omega + 1)
        scale = w / (2 * (w - beta))
        train = -scale * (ahead * at_plus[:, T1] + behind * at_minus[:, T1])
        if ridge:
            # Without the penalty: less ridge x (1/d) Tr V' f_k^2 V, whose generating function has a third pole.
            square = scale * (-ahead * at_plus[:, T1] / (plus + ridge) - behind * at_minus[:, T1] / (minus + ridge))
            train -= ridge * (square + 2 * mean * at_w[:, T1] / (self.z(w) + ridge))
        rise = omega / (w - beta) * self.strength
        loop, onto_test = (rise * (at_plus[:, kind] - at_minus[:, kind]) for kind in (TRAIN, TEST))
        noisy = (mean + train) / (1 - loop)
        model = self.model
        first = 2 * np.sum((response * rows[:, LABEL, None]).real, axis=0)
        second = _pairs(rows, inverses, response, model.equations)
        on_train = 2 * np.sum((power * (train + loop * noisy)[:, None]).real, axis=0)
        on_test = 2 * np.sum((power * (onto_test * noisy)[:, None]).real, axis=0)
        return np.array([on_train, 2 * first + second + on_test])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(z, bound, eq, rows, inverses, out):
    """Fill rows, inverses and traces (nodes, 5) at z, each solved from scratch; returns the worst Newton step."""
    x = np.empty((z.size, state_size(eq.kinds)), np.complex128)
    worst = begin(z, 0.0, 1.0, bound, x, eq)
    for j in range(z.size):
        describe(x[j], 1.0, eq, rows[j], inverses[j])
        traces(x[j], 1.0, eq, rows[j], inverses[j], out[j])
    return worst


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _pairs(rows, inverses, weights, eq):
    """sum_ij q_i q_j Q[U_test](z_i, z_j) over all nodes and their conjugates, for each column of weights (nodes, K)."""
    lam, w, kinds, share, noise = eq.eigenvalues, eq.weights, eq.kinds, eq.share, eq.noise
    total = np.zeros(weights.shape[1])
    for i in range(rows.shape[0]):
        for j in range(i, rows.shape[0]):
            twice = 2.0 if i == j else 4.0
            for conjugate in range(2):
                row = rows[j].conjugate() if conjugate else rows[j]
                s0 = s1 = s2 = 0j
                for k in range(lam.size):
                    inverse = inverses[j, k].conjugate() if conjugate else inverses[j, k]
                    term = w[k] * inverses[i, k] * inverse
                    s0 += term
                    s1 += lam[k] * term
                    s2 += lam[k] * lam[k] * term
                q = twice * population(rows[i], row, s0, s1, s2, noise, kinds, share)
                for k in range(total.size):
                    weight = weights[j, k].conjugate() if conjugate else weights[j, k]
                    total[k] += (q * weights[i, k] * weight).real
    return total

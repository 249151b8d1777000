"""The problem, validated once: a random-features score network trained by gradient flow in the high-dimensional limit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from theory.activations import GaussianConstants, gaussian_constants, resolve
from theory.dynamics import march, talbot
from theory.errors import InputError, finite, positive
from theory.limits import infinite_time
from theory.resolvent import Equations, equations
from theory.spectra import Spectrum
from theory.times import LOST, closed_form_times
from theory.timescales import Fractions, Timescales

# Talbot nodes: 24 leave the rounding error only, 16 leave 1e-8 and are enough for times.
CURVE_NODES, TIME_NODES = 24, 16


class SolverError(RuntimeError):
    """The self-consistent equations could not be solved at the given parameters."""


@dataclass(frozen=True)
class LearningCurves:
    """Losses against training time, each of the shape of `tau`.

    tau: training time, steps x learning rate / d^2. train, test: denoising losses per dimension, both 1 at tau = 0.
    score: E |s - grad log P_t|^2 / d for Gaussian data. residual: the largest relative Newton step left.
    """

    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    residual: float = 0.0


@dataclass(frozen=True)
class RandomFeatures:
    """Score network s(y) = A sigma(W y / sqrt d) / sqrt p with frozen Gaussian W, trained from A = 0 ([B], section 4).

    psi_n: training points per dimension n/d. psi_p: width per dimension p/d. t: Ornstein-Uhlenbeck noise time.
    activation: "tanh", "erf", "arctan", "sin" or a centred callable on arrays. spectrum: of the data's covariance.
    Raises InputError for values that are not positive and finite, or an activation that is not centred.
    """

    psi_n: float
    psi_p: float
    t: float
    activation: str | Callable = "tanh"
    spectrum: Spectrum = field(default_factory=Spectrum)

    def __post_init__(self):
        for name in ("psi_n", "psi_p", "t"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        resolve(self.activation)
        if not isinstance(self.spectrum, Spectrum):
            raise InputError(f"spectrum must be a theory.Spectrum, but {self.spectrum!r} was given")
        self.constants

    @cached_property
    def constants(self) -> GaussianConstants:
        """The Gaussian-equivalence constants of the activation at noise time t."""
        return gaussian_constants(self.activation, self.t, self.spectrum.mean)

    @cached_property
    def equations(self) -> Equations:
        """The coefficients of the self-consistent equations."""
        return equations(self.constants, self.spectrum, self.psi_n, self.psi_p, np.inf)

    @property
    def rate(self) -> float:
        """c = 2 Delta / psi_p: U relaxes as exp(-c tau x) on an eigenvalue x."""
        return 2 * self.constants.delta / self.psi_p

    @property
    def score_power(self) -> float:
        """E |grad log P_t|^2 / d = int d rho(lambda) / (e^{-2t} lambda + Delta): the score error at tau = 0."""
        c = self.constants
        return float(self.spectrum.average(1 / (c.signal * self.spectrum.eigenvalues + c.delta)))

    @property
    def bayes_loss(self) -> float:
        """The test loss of the true score, the least any network can reach; it depends on neither psi_n nor psi_p."""
        return 1 - self.constants.delta * self.score_power

    def learning_curves(self, tau) -> LearningCurves:
        """Losses at training times tau >= 0 (scalar or array, any order; 0 and inf are exact limits).

        Raises InputError for a negative or undefined tau, SolverError if the equations could not be solved.
        """
        tau = np.array(tau, dtype=float)
        if not np.all(tau >= 0):
            raise InputError("tau must be zero or positive, but a negative or undefined value was given")
        # Times from which, to double precision, nothing has or everything has happened are their own limits.
        flat = tau.ravel()
        inner = (flat > 0) & np.isfinite(flat)
        test, train = np.zeros(flat.size), np.zeros(flat.size)
        residual = 0.0
        if inner.any():
            test[inner], train[inner], residual = self._march(flat[inner])
        if np.isinf(flat).any():
            test[np.isinf(flat)], train[np.isinf(flat)] = self._limit()
        score = self.score_power + test / self.constants.delta
        test, train, score = (a.reshape(tau.shape) for a in (1 + test, 1 + train, score))
        return LearningCurves(tau, train, test, score, residual)

    def timescales(self, floor: float | str | None = None, fractions: Fractions = Fractions()) -> Timescales:
        """tau_gen, tau_mem and tau_gap (theory.timescales) in units of tau, refined to 1e-8 relative.

        floor: a test loss that stands in for the minimum in `gen`; "bayes" takes `bayes_loss`. A curve that never
        rises by the fraction has mem = inf: architectural regularization.
        """
        level = self._floor(floor)
        directions, weights = talbot(TIME_NODES)
        out = np.empty(7)
        status = closed_form_times(
            self.equations.norm_bound, 0.0, level, np.array([fractions.gen, fractions.mem, fractions.gap]), self.rate,
            self._problem(directions, weights), out,
        )
        if status == LOST:
            raise SolverError(f"the resolvent of {self} could not be followed along the contour")
        return Timescales(*map(float, out[:4]), 1 + float(out[4]), 1.0)

    def _floor(self, floor) -> float:
        """The floor as a loss minus one, nan for none."""
        if floor is None:
            return np.nan
        if floor == "bayes":
            return self.bayes_loss - 1
        value = finite("floor", floor)
        if not 0 <= value < 1:
            raise InputError(f"floor must be 'bayes' or a loss from 0 to below 1, but {floor!r} was given")
        return value - 1

    @property
    def _target(self) -> np.ndarray:
        """The population feature covariance W (B_0 + B_1 Sigma) W'/d + B_2 as (B_0, B_1, B_2)."""
        c = self.constants
        return np.array([c.b2, c.signal * c.a**2, c.v2 + c.s2])

    def _problem(self, directions, weights) -> tuple:
        """What the compiled loops of theory.times need, in their order."""
        e = self.equations
        return (
            directions, weights, 0.0, self._target, self.constants.b2, e.eigenvalues, e.weights, e.kinds, e.static,
            e.psi_p,
        )

    def _march(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """(L_test - 1, L_train - 1, residual) at finite positive times, shape (K,)."""
        events, place = np.unique(np.concatenate([tau, 2 * tau]), return_inverse=True)
        at, doubled = place[: tau.size], place[tau.size :]
        wanted = np.zeros(events.size, dtype=bool)
        wanted[at] = True
        e = self.equations
        directions, weights = talbot(CURVE_NODES)
        modes = np.zeros((events.size, e.eigenvalues.size))
        first, second, train, _, worst = march(
            1 / (self.rate * events), wanted, directions, weights, 0.0, e.norm_bound, self._target, self.constants.b2,
            e.eigenvalues, e.weights, e.kinds, e.static, e.psi_p, modes,
        )
        if not np.isfinite(worst):
            raise SolverError(f"the resolvent of {self} could not be followed along the contour")
        return (2 * first + second)[at], train[doubled], float(worst)

    def _limit(self) -> tuple[float, float]:
        """(L_test - 1, L_train - 1) at tau = infinity."""
        e = self.equations
        first, second, train, _, _, status = infinite_time(
            0.0, e.norm_bound, self._target, self.constants.b2, e.eigenvalues, e.weights, e.kinds, e.static, e.psi_p
        )
        if status == 2:
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        return 2 * first + second, train

"""A random-features score network, trained by gradient flow, in high dimension: its learning curves and times."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from genmem.shared.errors import InputError, SolverError, finite, known, numbers, shortened, times
from genmem.theory import gradient_noise as noise_kernels
from genmem.theory.activations import GaussianConstants, gaussian_constants, resolve
from genmem.theory.closed_form_times import LOST, SOLVED, Flow, closed_form_times
from genmem.theory.dynamics import march, mean_score
from genmem.theory.limits import LOST as LIMIT_LOST
from genmem.theory.limits import infinite_time
from genmem.theory.mean_network import MeanGenerated, mean_generated
from genmem.theory.model_json import as_json, of_json
from genmem.theory.nodes import FINE, nodes
from genmem.theory.problem import Problem
from genmem.theory.resolvent import Equations, equations
from genmem.theory.tables import Table
from genmem.theory.timescales import Fractions, Timescales, checked

# Training times, in units of the relaxation of the largest rates, between which losses are computed: before, products
# of resolvents are too small for double precision, after, too large.
EARLIEST, LATEST = 1e-100, 1e30
# At the latest time the limit must be reached to this, relative to losses above one; a larger error is refused.
REACHED, REFUSED = 1e-6, 1e-2
# Relative errors of the constants that no loss notices.
NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class LearningCurves(Table):
    """Losses against training time, each of the shape of `tau`; `empirical` and `modes` are computed when asked for.

    tau: training time, steps x learning rate / d^2. train, test: denoising losses per dimension, 1 at tau = 0.
    penalised: train plus the ridge's penalty, what the flow descends. score: E |s - grad log P_t|^2 / d for Gaussian
    data, the sum of bias (of the mean score over data and networks, squared) and variance. residual: what is left of
    the largest relative Newton step. error: of the losses (relative, of those above one), from more nodes at two of
    the times, and from the error of the activation's constants there.
    """

    further = {"modes": ("mode",)}
    computed = ("empirical", "modes")
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    penalised: np.ndarray
    bias: np.ndarray
    variance: np.ndarray
    residual: float
    error: float
    _asked: "_Asked" = field(repr=False)

    @cached_property
    def empirical(self) -> np.ndarray:
        """The loss on the training points with fresh noise, of the shape of tau (equal to train at copies = inf)."""
        if np.isinf(self._asked.model.copies):
            return self.train
        return self._asked.empirical().reshape(self.tau.shape)[()]  # of one time a number, as the other losses

    @cached_property
    def modes(self) -> np.ndarray:
        """The mean score's coefficients: sum_k c_k y_k e_k in the eigenbasis of Sigma, shape tau.shape + (k,).

        Their target is -1 / (e^{-2t} lambda_k + Delta). lambda_k: those of the spectrum, or what `modes_at` asked for.
        """
        return self._asked.modes().reshape(*self.tau.shape, *self._asked.at.shape)


@dataclass(frozen=True)
class _Asked:
    """What learning curves were asked for: of which model, at which times (K,) and which eigenvalues."""

    model: "RandomFeatures"
    tau: np.ndarray
    strength: float
    at: np.ndarray

    def empirical(self) -> np.ndarray:
        inner, last = self.model._split(self.tau)
        values = np.zeros(self.tau.size)
        if inner.any():
            values[inner] = self.model._march(self.tau[inner], nodes(), self.strength, empirical=True)[0][3]
        if last.any():
            values[last] = self.model._limit(self.strength)[3]
        return 1 + values

    def modes(self) -> np.ndarray:
        inner, last = self.model._split(self.tau)
        values, at = np.zeros((self.tau.size, self.at.size)), self.at.ravel()
        if inner.any():
            values[inner] = self.model._modes(self.tau[inner], at)
        if last.any():
            values[last] = self.model._limit_modes(at)
        return values


@dataclass(frozen=True)
class RandomFeatures(Problem):
    """Score network s(y) = A sigma(W y / sqrt d) / sqrt p with frozen Gaussian W, trained from A = 0.

    Bonnaire et al. (arXiv:2505.17638), section 4; docs/theory.md, section 1. The arguments are those of Problem. Raises
    InputError for values out of range, or an activation that is not centred.
    """

    def __post_init__(self):
        super().__post_init__()
        self.constants  # noqa: B018 - computed here, so that an activation out of reach is refused here

    @classmethod
    def of(cls, problem: Problem, psi_n: float | None = None, psi_p: float | None = None) -> "RandomFeatures":
        """The network of a problem, with the problem's own sizes where none are given."""
        return cls(
            problem.psi_n if psi_n is None else psi_n,
            problem.psi_p if psi_p is None else psi_p,
            problem.t,
            problem.activation,
            problem.spectrum,
            problem.copies,
            problem.ridge,
            problem.center,
        )

    def to_json(self) -> str:
        """All arguments as JSON text, which `from_json` reads; InputError for an activation that is a function."""
        return as_json(self)

    @classmethod
    def from_json(cls, text: str) -> "RandomFeatures":
        """The network that `to_json` wrote; InputError for any other text."""
        return of_json(cls, text)

    @cached_property
    def constants(self) -> GaussianConstants:
        """The Gaussian-equivalence constants of the activation at noise time t."""
        return gaussian_constants(self.activation, self.t, self.spectrum.mean, self.center)

    def sigma(self, x: np.ndarray) -> np.ndarray:
        """The activation itself, less its Gaussian mean if `center` asks so; x of any shape."""
        value = resolve(self.activation)(x)
        return value - self.constants.mean if self.center else value

    @cached_property
    def equations(self) -> Equations:
        """The coefficients of the self-consistent equations."""
        return equations(self.constants, self.spectrum, self.psi_n, self.psi_p, self.copies)

    @property
    def rate(self) -> float:
        """c = 2 Delta / psi_p: U relaxes as exp(-c tau x) on an eigenvalue x (in units of psi_p at infinite width)."""
        return 2 * self.constants.delta / self.equations.psi_p

    @property
    def target_modes(self) -> np.ndarray:
        """The true score's coefficients -1 / (e^{-2t} lambda_k + Delta), shape (k,)."""
        return self.target_modes_at(self.spectrum.eigenvalues)

    def target_modes_at(self, eigenvalues) -> np.ndarray:
        """The true score's coefficients -1 / (e^{-2t} lambda + Delta) at any eigenvalues."""
        c = self.constants
        return -1 / (c.signal * np.asarray(eigenvalues, dtype=float) + c.delta)

    def require_finite_width(self, what: str) -> None:
        """Raise InputError at infinite width, which `what` does not have."""
        if np.isinf(self.psi_p):
            raise InputError(f"psi_p must be finite for {what}, but inf was given")

    @property
    def score_power(self) -> float:
        """E |grad log P_t|^2 / d = int d rho(lambda) / (e^{-2t} lambda + Delta): the score error at tau = 0."""
        return float(-self.spectrum.average(self.target_modes))

    @property
    def bayes_loss(self) -> float:
        """The test loss of the true score, the least any network can reach; it depends on neither psi_n nor psi_p."""
        return 1 - self.constants.delta * self.score_power

    def learning_curves(self, tau, gradient_noise: float = 0.0, modes_at=None) -> LearningCurves:
        """Losses at training times tau >= 0 (scalar or array, any order; 0 and inf are exact limits).

        gradient_noise: kappa = learning rate / (batch size x d), divided by 1 - beta for momentum beta, of SGD in
        small steps with batches drawn afresh; 0 is the gradient flow (genmem.theory.gradient_noise). Modes and bias
        are the flow's. modes_at: eigenvalues lambda >= 0 at which `.modes` is wanted, in place of the spectrum's
        own: those of directions whose weight is zero, such as a difference of means or an outlier. From c tau x_max
        = 1e30 on, x_max the largest eigenvalue of U, the losses are those at inf; where they still change there (at
        n m = p without ridge) that is refused.
        Raises InputError for a negative or undefined tau and for gradient noise at which SGD diverges
        (`critical_gradient_noise`), SolverError if the equations could not be solved.
        """
        tau, strength = times("tau", tau), self._strength(gradient_noise)
        at = self.spectrum.eigenvalues if modes_at is None else np.atleast_1d(numbers("modes_at", modes_at))
        if not (at.ndim == 1 and np.all(at >= 0) and np.all(np.isfinite(at))):
            raise InputError(
                f"modes_at must be a list of finite eigenvalues, zero or positive, but {shortened(modes_at)} was given"
            )
        flat = tau.ravel()
        inner, last = self._split(flat)
        far = last & np.isfinite(flat) & ~(flat > self._stopped)
        if far.any():
            self._require_limit(flat[far], strength)
        # Rows: test, train and penalised, all less one; then the empirical loss, which is not computed here, and bias.
        values = np.zeros((5, flat.size))
        values[4] = self.score_power
        residual = error = 0.0
        if inner.any():
            values[:, inner], residual = self._march(flat[inner], nodes(), strength)
            # The error needs no curve of its own: it grows with tau, so a middle and the latest time tell.
            order = np.argsort(np.where(inner, flat, np.inf))
            probes = order[[inner.sum() // 2, inner.sum() - 1]]
            fine, _ = self._march(flat[probes], nodes(FINE), strength)
            error = float(np.max(np.abs(fine[:3] - values[:3, probes]) / np.maximum(1, 1 + fine[:3])))
            if not error < REFUSED:
                raise SolverError(self._beyond_precision(flat[inner]))
            error += self._constants_error(flat[probes], fine, strength)
        if last.any():
            values[:, last] = self._limit(strength)[:, None]
        test, train, penalised, _, bias = (v.reshape(tau.shape) for v in values)
        score = self.score_power + test / self.constants.delta
        asked = _Asked(self, flat, strength, at)
        return LearningCurves(
            tau, 1 + train, 1 + test, score, 1 + penalised, bias, score - bias, residual, error, asked
        )

    @property
    def _ridge(self) -> float:
        """The ridge as it acts: U grows with psi_p, so that next to it no ridge counts at infinite width."""
        return 0.0 if np.isinf(self.psi_p) else float(self.ridge)

    @property
    def _stopped(self) -> float:
        """When a ridge has stopped the flow: once e^{-c tau ridge} is below rounding, the loss is its limit."""
        return 40 / (self.rate * self._ridge) if self._ridge else np.inf

    def _split(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which times (K,) are to be computed, and which are as good as infinite; at the others nothing has moved."""
        # In units of the relaxation of U + ridge; before the first of them nothing has moved, to the last digit.
        age = tau * (self.rate * (self.equations.norm_bound + self._ridge))
        last = np.isinf(tau) | (tau > self._stopped) | (age > LATEST)
        return (age > EARLIEST) & ~last, last

    def timescales(
        self, floor: float | str | None = None, fractions: Fractions = Fractions(), gradient_noise: float = 0.0
    ) -> Timescales:
        """tau_gen, tau_mem and tau_gap (genmem.theory.timescales) in units of tau, with the minimum between the two.

        Without a floor, gen <= minimum <= mem. Losses are exact to 1e-11 (relative, of those above one), times to that
        divided by the slope dL / d log tau there: gen and mem to 1e-8 relative, and on 99 of 100 random models to 1e-9;
        gap likewise where the losses fall by more than 1e-3. The minimum has no slope: its time is known to 1e-11
        divided by the curvature, 1e-8 on 98 of 100 random models, 1e-6 or worse where the curve is flat. A dip below
        the limit at tau = infinity by less than 1e-10 counts as none.

        floor: a test loss that stands in for the minimum in `gen`; "bayes" takes `bayes_loss`. A curve that never
        rises by the fraction has mem = inf; genmem.theory.never tells why. gradient_noise: see learning_curves; where
        it keeps the test loss above 1 at all times, no time is finite.
        """
        fractions = checked(fractions)
        out = np.empty(5)
        status = closed_form_times(
            self.equations.norm_bound,
            self._floor(floor),
            np.array([fractions.gen, fractions.mem, fractions.gap]),
            self.rate,
            Flow(nodes(), self._ridge, self._strength(gradient_noise), self.equations),
            out,
        )
        if status != SOLVED:
            what = "could not be followed to its nodes" if status == LOST else "does not settle at long times"
            raise SolverError(f"the resolvent of {self} {what}")
        gen, mem, gap, minimum, fallen = map(float, out)
        return Timescales(gen, mem, gap, minimum, 1 + fallen, 1.0)

    def generated(self, tau, t0: float = 0.01, T: float = 5.0) -> MeanGenerated:
        """What the mean network generates at training times tau >= 0: `.variance` along each eigenvector, `.kl`.

        The probability flow runs from white noise at T back to t0, with one network for each t; model.t is not used
        (genmem.theory.mean_network). Raises InputError for a bad tau, or unless 0 < t0 < T.
        """
        tau = times("tau", tau)
        return mean_generated(lambda t: replace(self, t=t).learning_curves(tau).modes, self.spectrum, tau, t0, T)

    @cached_property
    def critical_gradient_noise(self) -> float:
        """kappa = learning rate / (batch size x d) from which on SGD diverges, however small its steps.

        1 / (Delta (1/p) Tr U^2 (U + ridge)^{-1}); without a ridge 1 / (Delta E sigma(Gamma z)^2), whatever n and
        finite p. At psi_p = inf the directions of s^2 never move, and s^2 is taken off that mean square.
        """
        return 1 / (self.constants.delta * float(self._limit_traces[noise_kernels.TRAIN].real))

    def diverges(self, gradient_noise: float) -> bool:
        """Whether SGD of this gradient noise diverges, however small its steps (see critical_gradient_noise)."""
        return bool(gradient_noise) and not gradient_noise < self.critical_gradient_noise

    def _strength(self, kappa) -> float:
        """Delta kappa of a gradient noise at which SGD converges."""
        if finite("gradient_noise", kappa) < 0:
            raise InputError(f"gradient_noise must be zero or positive, but {kappa!r} was given")
        if self.diverges(kappa):
            raise InputError(
                f"gradient_noise must be below {self.critical_gradient_noise:.6g}, from where on SGD diverges for this "
                f"network, but {kappa!r} was given"
            )
        return self.constants.delta * float(kappa)

    @cached_property
    def _limit_traces(self) -> np.ndarray:
        traces = np.empty(5, complex)
        bound = self.equations.norm_bound
        if not noise_kernels.limit_traces(self._ridge, bound, self.equations, traces):
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        return traces

    def _require_limit(self, tau: np.ndarray, strength: float) -> None:
        """Raise SolverError unless the losses have reached their limit at the latest time that can be computed."""
        latest = LATEST / (self.rate * (self.equations.norm_bound + self._ridge))
        try:
            values, _ = self._march(np.array([latest]), nodes(), strength)
        except SolverError:
            raise SolverError(self._beyond_precision(tau)) from None
        limit = self._limit(strength)
        if not np.all(np.abs(values[:3, 0] - limit[:3]) <= REACHED * np.maximum(1, np.abs(limit[:3]))):
            raise SolverError(self._beyond_precision(tau))

    def _beyond_precision(self, tau: np.ndarray) -> str:
        return (
            f"the losses of {self} at tau = {tau.max():g} are beyond double precision, since they still change there; "
            "tau must be smaller, or inf for the exact limit"
        )

    def final_test_loss(self, gradient_noise: float = 0.0) -> float:
        """The test loss at tau = infinity, without the curve."""
        return 1 + float(self._limit(self._strength(gradient_noise))[0])

    @property
    def is_linear(self) -> bool:
        """Whether the activation is linear, so that the features span d dimensions at most."""
        return self.constants.v2 == 0 and self.constants.s2 == 0

    def _floor(self, floor) -> float:
        """The floor as a loss minus one, nan for none."""
        if floor is None:
            return np.nan
        if isinstance(floor, str):
            known("floor", floor, ["bayes"])
            return self.bayes_loss - 1
        value = finite("floor", floor)
        if not 0 <= value < 1:
            raise InputError(f"floor must be 'bayes' or a loss from 0 to below 1, but {floor!r} was given")
        return value - 1

    def _constants_error(self, tau: np.ndarray, rows: np.ndarray, strength: float) -> float:
        """What the constants' errors move in the losses at tau, as `rows` of `_march` has them; 0 if below rounding."""
        c = self.constants
        moved = 0.0
        for name, error in zip(("mu1", "v2", "s2"), c.errors, strict=True):
            value = getattr(c, name)
            if error <= NEGLIGIBLE * abs(value):
                continue
            # A step large enough to be seen, and small enough to be linear.
            step = max(error, 1e-5 * abs(value))
            other = replace(self)
            other.__dict__["constants"] = c.with_moved(name, step)
            changed, _ = other._march(tau, nodes(FINE), strength)
            moved += error / step * float(np.max(np.abs(changed - rows)[:3] / np.maximum(1, 1 + rows[:3])))
        return moved

    def _march(self, tau: np.ndarray, rule, strength: float, empirical: bool = False) -> tuple[np.ndarray, float]:
        """Rows at finite positive times, (5, K), and the residual: test, train, penalised, empirical less one, bias.

        The empirical loss is computed only if asked for, and at finitely many copies.
        """
        events, place = np.unique(tau, return_inverse=True)
        bound, scales = self.equations.norm_bound, 1 / (self.rate * events)
        sums, worst = march(scales, empirical, rule, -self._ridge, bound, self.equations, self.target_modes, self._gain)
        if not np.isfinite(worst):
            raise SolverError(f"the resolvent of {self} could not be followed to its nodes")
        first, second, second_emp, penalised, square, bias = sums
        test, train = 2 * first + second, penalised - self._ridge * square
        rows = np.vstack([test, train, penalised, 2 * first + second_emp, bias])[:, place]
        if strength:
            added, left = noise_kernels.excess(tau, strength, self._ridge, self.rate, rule, bound, self.equations)
            rows[:4] += added
            worst = max(worst, left)
        return rows, float(worst)

    def _limit(self, strength: float) -> np.ndarray:
        """The rows of _march at tau = infinity, shape (5,)."""
        modes = np.zeros(self.spectrum.weights.size)
        sums, square, status = infinite_time(
            self._ridge, self.equations.norm_bound, self.equations, self.spectrum.eigenvalues, modes
        )
        if status == LIMIT_LOST:
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        first, second, second_emp, penalised = sums
        train = penalised - self._ridge * square
        rows = np.array([2 * first + second, train, penalised, 2 * first + second_emp])
        if strength:
            rows += noise_kernels.limit_excess(strength, 1 + train, self._ridge, self._limit_traces)
        miss = self._gain * modes - self.target_modes
        return np.append(rows, self.spectrum.average(miss**2 / -self.target_modes))

    def _modes(self, tau: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The mean score's coefficients at finite positive times (K,) and eigenvalues (k,): (K, k)."""
        events, place = np.unique(tau, return_inverse=True)
        modes = np.zeros((events.size, at.size))
        scales = 1 / (self.rate * events)
        if not np.isfinite(
            mean_score(scales, nodes(), -self._ridge, self.equations.norm_bound, self.equations, at, modes)
        ):
            raise SolverError(f"the resolvent of {self} could not be followed to its nodes")
        return self._gain * modes[place]

    def _limit_modes(self, at: np.ndarray) -> np.ndarray:
        """The same at tau = infinity, (k,)."""
        modes = np.zeros(at.size)
        *_, status = infinite_time(self._ridge, self.equations.norm_bound, self.equations, at, modes)
        if status == LIMIT_LOST:
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        return self._gain * modes

    @property
    def _gain(self) -> float:
        """From sum_j q_j theta u_k to the mean score's coefficients c_k."""
        return self.constants.b2 / self.constants.delta

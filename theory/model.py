"""A random-features score network, trained by gradient flow, in high dimension: its learning curves and times."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from genmem.shared.errors import InputError, SolverError, finite, known, times
from genmem.theory import gradient_noise as noise_kernels
from genmem.theory.activations import GaussianConstants, gaussian_constants, resolve
from genmem.theory.closed_form_times import LOST, SOLVED, Flow, closed_form_times
from genmem.theory.dynamics import march, talbot
from genmem.theory.limits import LOST as LIMIT_LOST
from genmem.theory.limits import infinite_time
from genmem.theory.mean_network import MeanGenerated, mean_generated
from genmem.theory.model_json import as_json, of_json
from genmem.theory.problem import Problem
from genmem.theory.resolvent import Equations, equations
from genmem.theory.tables import Table
from genmem.theory.timescales import Fractions, Timescales, checked

# Talbot nodes: the contour's error falls by a factor ten per node pair; 22 leave about 1e-11, 20 are enough for times.
CURVE_NODES, TIME_NODES = 22, 20
# Training times, in units of the relaxation of the largest rates, between which losses are computed: before, products
# of resolvents are too small for double precision, after, too large.
EARLIEST, LATEST = 1e-100, 1e30
# At the latest time the limit must be reached to this, relative to losses above one; a larger error is refused.
REACHED, REFUSED = 1e-6, 1e-2
# Relative errors of the constants that no loss notices.
NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class LearningCurves(Table):
    """Losses against training time, each of the shape of `tau`, and the modes of shape tau.shape + (k,).

    tau: training time, steps x learning rate / d^2. train, test: denoising losses per dimension, 1 at tau = 0.
    penalised: train plus the ridge's penalty, what the flow descends. empirical: the loss on the training points with
    fresh noise (equal to train at copies = inf). score: E |s - grad log P_t|^2 / d for Gaussian data, the sum of bias
    (of the mean score over data and networks, squared) and variance. modes: the mean score is sum_k c_k y_k e_k in the
    eigenbasis of Sigma; its target is -1 / (e^{-2t} lambda_k + Delta). residual: what is left of the largest relative
    Newton step. error: of the losses (relative, of those above one), from a finer contour at two of the times, and from
    the error of the activation's constants there.
    """

    further = {"modes": ("mode",)}
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    penalised: np.ndarray
    empirical: np.ndarray
    bias: np.ndarray
    variance: np.ndarray
    modes: np.ndarray
    residual: float
    error: float


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
        """c = 2 Delta / psi_p: U relaxes as exp(-c tau x) on an eigenvalue x."""
        return 2 * self.constants.delta / self.psi_p

    @property
    def target_modes(self) -> np.ndarray:
        """The true score's coefficients -1 / (e^{-2t} lambda_k + Delta), shape (k,)."""
        c = self.constants
        return -1 / (c.signal * self.spectrum.eigenvalues + c.delta)

    @property
    def score_power(self) -> float:
        """E |grad log P_t|^2 / d = int d rho(lambda) / (e^{-2t} lambda + Delta): the score error at tau = 0."""
        return float(-self.spectrum.average(self.target_modes))

    @property
    def bayes_loss(self) -> float:
        """The test loss of the true score, the least any network can reach; it depends on neither psi_n nor psi_p."""
        return 1 - self.constants.delta * self.score_power

    def learning_curves(self, tau, gradient_noise: float = 0.0) -> LearningCurves:
        """Losses at training times tau >= 0 (scalar or array, any order; 0 and inf are exact limits).

        gradient_noise: kappa = learning rate / (batch size x d), divided by 1 - beta for momentum beta, of SGD in small
        steps with batches drawn afresh; 0 is the gradient flow (genmem.theory.gradient_noise). Modes and bias are the
        flow's. From c tau x_max = 1e30 on, x_max the largest eigenvalue of U, the losses are those at inf; where they
        still change there (at n m = p without ridge) that is refused.
        Raises InputError for a negative or undefined tau and for gradient noise at which SGD diverges
        (`critical_gradient_noise`), SolverError if the equations could not be solved.
        """
        tau, strength = times("tau", tau), self._strength(gradient_noise)
        flat = tau.ravel()
        # In units of the relaxation of U + ridge; before the first of them nothing has moved, to the last digit.
        age = flat * (self.rate * (self.equations.norm_bound + self.ridge))
        # A ridge stops the flow: once e^{-c tau ridge} is below rounding, the loss is its limit to the last digit.
        stopped = 40 / (self.rate * self.ridge) if self.ridge else np.inf
        far = (age > LATEST) & (flat <= stopped) & np.isfinite(flat)
        if far.any():
            self._require_limit(flat[far], strength)
        last = np.isinf(flat) | (flat > stopped) | far
        inner = (age > EARLIEST) & ~last
        # Rows: test, train, penalised, empirical, all less one; then the modes.
        values = np.zeros((4 + self.spectrum.weights.size, flat.size))
        residual = error = 0.0
        if inner.any():
            values[:, inner], residual = self._march(flat[inner], CURVE_NODES, strength)
            # The error needs no curve of its own: it grows with tau, so a middle and the latest time tell.
            order = np.argsort(np.where(inner, flat, np.inf))
            probes = order[[inner.sum() // 2, inner.sum() - 1]]
            fine, _ = self._march(flat[probes], CURVE_NODES + 6, strength)
            error = float(np.max(np.abs(fine[:4] - values[:4, probes]) / np.maximum(1, 1 + fine[:4])))
            if not error < REFUSED:
                raise SolverError(self._beyond_precision(flat[inner]))
            error += self._constants_error(flat[probes], fine, strength)
        if last.any():
            values[:, last] = self._limit(strength)[:, None]
        test, train, penalised, empirical = (v.reshape(tau.shape) for v in values[:4])
        modes = values[4:].T.reshape(*tau.shape, len(values) - 4)
        score = self.score_power + test / self.constants.delta
        miss = modes - self.target_modes
        bias = self.spectrum.average(miss**2 / -self.target_modes)
        return LearningCurves(
            tau, 1 + train, 1 + test, score, 1 + penalised, 1 + empirical, bias, score - bias, modes, residual, error
        )

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
        directions, weights = talbot(TIME_NODES)
        out = np.empty(5)
        status = closed_form_times(
            self.equations.norm_bound,
            self._floor(floor),
            np.array([fractions.gen, fractions.mem, fractions.gap]),
            self.rate,
            Flow(directions, weights, float(self.ridge), self._strength(gradient_noise), self._noise, *self._arrays),
            out,
        )
        if status != SOLVED:
            what = "could not be followed along the contour" if status == LOST else "does not settle at long times"
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

        1 / (Delta (1/p) Tr U^2 (U + ridge)^{-1}); without a ridge 1 / (Delta E sigma(Gamma z)^2), whatever n and p.
        """
        return 1 / (self.constants.delta * float(self._limit_traces[noise_kernels.TRAIN].real))

    def _strength(self, kappa) -> float:
        """Delta kappa of a gradient noise at which SGD converges."""
        if finite("gradient_noise", kappa) < 0:
            raise InputError(f"gradient_noise must be zero or positive, but {kappa!r} was given")
        if kappa and not kappa < self.critical_gradient_noise:
            raise InputError(
                f"gradient_noise must be below {self.critical_gradient_noise:.6g}, from where on SGD diverges for this "
                f"network, but {kappa!r} was given"
            )
        return self.constants.delta * float(kappa)

    @cached_property
    def _limit_traces(self) -> np.ndarray:
        traces = np.empty(5, complex)
        bound = self.equations.norm_bound
        if not noise_kernels.limit_traces(float(self.ridge), bound, self._noise, *self._arrays, traces):
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        return traces

    def _require_limit(self, tau: np.ndarray, strength: float) -> None:
        """Raise SolverError unless the losses have reached their limit at the latest time that can be computed."""
        latest = LATEST / (self.rate * (self.equations.norm_bound + self.ridge))
        try:
            values, _ = self._march(np.array([latest]), CURVE_NODES, strength)
        except SolverError:
            raise SolverError(self._beyond_precision(tau)) from None
        limit = self._limit(strength)
        if not np.all(np.abs(values[:4, 0] - limit[:4]) <= REACHED * np.maximum(1, np.abs(limit[:4]))):
            raise SolverError(self._beyond_precision(tau))

    def _beyond_precision(self, tau: np.ndarray) -> str:
        return (
            f"the losses of {self} at tau = {tau.max():g} are beyond double precision, since they still change there; "
            "tau must be smaller, or inf for the exact limit"
        )

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
            changed, _ = other._march(tau, CURVE_NODES + 6, strength)
            moved += error / step * float(np.max(np.abs(changed - rows)[:4] / np.maximum(1, 1 + rows[:4])))
        return moved

    @property
    def _noise(self) -> np.ndarray:
        """(b^2, e^{-2t} a^2, v^2, s^2) for the compiled loops."""
        c = self.constants
        return np.array([c.b2, c.signal * c.a**2, c.v2, c.s2])

    @property
    def _arrays(self) -> tuple:
        """The equations' coefficients in the order of the compiled loops."""
        e = self.equations
        return e.eigenvalues, e.weights, e.kinds, e.static, e.psi_p

    def _march(self, tau: np.ndarray, nodes: int, strength: float) -> tuple[np.ndarray, float]:
        """Rows of learning_curves at finite positive times, shape (4 + k, K), and the residual."""
        events, place = np.unique(np.concatenate([tau, 2 * tau]), return_inverse=True)
        at, doubled = place[: tau.size], place[tau.size :]
        wanted = np.zeros(events.size, dtype=bool)
        wanted[at] = True
        exact_noise = np.isinf(self.copies)
        directions, weights = talbot(nodes)
        modes = np.zeros((events.size, self.spectrum.weights.size))
        sums, worst = march(
            1 / (self.rate * events),
            wanted,
            not exact_noise,
            directions,
            weights,
            -self.ridge,
            self.equations.norm_bound,
            self._noise,
            *self._arrays,
            modes,
        )
        if not np.isfinite(worst):
            raise SolverError(f"the resolvent of {self} could not be followed along the contour")
        first, second, second_emp, flow, inverse = sums
        penalised = flow[doubled]
        train = penalised - self.ridge * (inverse[doubled] - 2 * inverse[at])
        test = (2 * first + second)[at]
        empirical = train if exact_noise else (2 * first + second_emp)[at]
        rows = np.vstack([test, train, penalised, empirical, self._scaled(modes[at].T)])
        if strength:
            contour, bound = (directions, weights), self.equations.norm_bound
            added, left = noise_kernels.excess(
                tau, strength, float(self.ridge), self.rate, contour, bound, self._noise, self._arrays
            )
            rows[:4] += added
            worst = max(worst, left)
        return rows, float(worst)

    def _limit(self, strength: float) -> np.ndarray:
        """Rows of learning_curves at tau = infinity, shape (4 + k,)."""
        modes = np.zeros(self.spectrum.weights.size)
        sums, square, status = infinite_time(
            float(self.ridge), self.equations.norm_bound, self._noise, *self._arrays, modes
        )
        if status == LIMIT_LOST:
            raise SolverError(f"the resolvent of {self} could not be followed to zero")
        first, second, second_emp, penalised = sums
        train = penalised - self.ridge * square
        empirical = train if np.isinf(self.copies) else 2 * first + second_emp
        rows = np.array([2 * first + second, train, penalised, empirical])
        if strength:
            rows += noise_kernels.limit_excess(strength, 1 + train, self.ridge, self._limit_traces)
        return np.concatenate([rows, self._scaled(modes)])

    def _scaled(self, modes: np.ndarray) -> np.ndarray:
        """From sum_j q_j theta u_k to the mean score's coefficients c_k."""
        return self.constants.b2 / self.constants.delta * modes

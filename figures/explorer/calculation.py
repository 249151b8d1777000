"""What the explorer's page shows, calculated apart from it: one network, its spectrum, and the regimes around it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from genmem.figures.explorer.refined_regimes import RefinedRegimes, RegimesAtTime
from genmem.shared.errors import known
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.density import feature_spectrum
from genmem.theory.problem import Problem
from genmem.theory.timescales import Timescales

# The ends of the axis of training times, log10 of tau.
TAU = (-1.0, 8.0)
TRAINING_TIMES = np.logspace(*TAU, 128)
COVARIANCES = ("isotropic", "two atoms", "power law", "of a data set")


@lru_cache(maxsize=64)
def covariance(kind: str, ratio: float = 1.0, alpha: float = 1.0, data: str = "digits") -> Spectrum:
    """The spectrum of one of COVARIANCES: mean one, or that of a named data set's images
    (genmem.empirics.data.datasets).

    ratio: of the two atoms' eigenvalues, equal weights. alpha: of the power law lambda_k ~ k^-alpha, k = 1 ... 1000.
    Raises InputError for an unknown kind or data set.
    """
    if known("covariance", kind, COVARIANCES) == "two atoms":
        return Spectrum([2 / (1 + ratio), 2 * ratio / (1 + ratio)])
    if kind == "power law":
        return Spectrum.power_law(alpha, error=1e-4)
    if kind == "of a data set":
        from genmem.empirics.data.datasets import load

        images = load(data).pool
        return Spectrum.from_data(images.reshape(len(images), -1))
    return Spectrum()


@dataclass(frozen=True)
class Settings:
    """The positions of all sliders and selectors. kind, ratio, alpha and data: see `covariance`.

    noise: SGD's gradient noise as a share of that from which on it diverges (RandomFeatures.critical_gradient_noise).
    """

    psi_n: float = 8.0
    psi_p: float = 16.0
    tau: float = 1000.0
    t: float = 0.1
    copies: float = np.inf
    activation: str = "tanh"
    kind: str = "isotropic"
    ratio: float = 4.0
    alpha: float = 1.0
    data: str = "digits"
    noise: float = 0.0

    def same_network(self, other: "Settings") -> bool:
        """Whether both are one network on one problem, up to a slider's rounding; the training time may differ."""
        alike = (self.activation, self.kind, self.data) == (other.activation, other.kind, other.data)
        names = ("psi_n", "psi_p", "t", "copies", "ratio", "alpha", "noise")
        return alike and all(math.isclose(getattr(self, name), getattr(other, name), rel_tol=1e-6) for name in names)

    def problem(self) -> Problem:
        """Raises InputError for a covariance or an activation that does not exist, and for times out of range."""
        spectrum = covariance(self.kind, self.ratio, self.alpha, self.data)
        return Problem(t=self.t, activation=self.activation, spectrum=spectrum, copies=self.copies)


@dataclass(frozen=True, eq=False)
class Curves:
    """Losses at TRAINING_TIMES, shape (K,), and the times read off them, in steps x learning rate / d^2."""

    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    times: Timescales

    @property
    def shown_losses(self) -> tuple[float, float]:
        """Lowest and highest loss to show: what matters lies below the loss before training, if it is not the rise."""
        low = float(min(self.train.min(), self.test.min()))
        high = float(self.test.max())
        if self.times.loss_min < 1:
            high = min(high, 1 + max(1 - self.times.loss_min, 0.02))
        return low - 0.05 * (high - low), high + 0.05 * (high - low)


def curves(model: RandomFeatures, noise: float = 0.0) -> Curves:
    """The learning curves of a network; raises SolverError if they could not be computed. noise: see Settings."""
    kappa = noise * model.critical_gradient_noise if noise else 0.0
    found = model.learning_curves(TRAINING_TIMES, kappa)
    return Curves(found.train, found.test, found.score, model.timescales(gradient_noise=kappa))


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """lambda rho(lambda) of each bulk, arrays of 1 to K points each, the atoms (location, weight), asymptotic edges."""

    bulks: Sequence[tuple[np.ndarray, np.ndarray]]
    atoms: Sequence[tuple[float, float]]
    limits: Sequence[float]


def eigenvalues(model: RandomFeatures) -> Eigenvalues:
    """The spectrum of U of a network, nothing at infinite width; raises SolverError if it could not be computed."""
    if math.isinf(model.psi_p):
        return Eigenvalues([], [], [0.0] * 4)
    found = feature_spectrum(model)
    bulks = []
    for bulk in found.bulks:
        inside = (found.lambdas > bulk.lower) & (found.lambdas < bulk.upper)
        bulks.append((found.lambdas[inside], (found.lambdas * found.density)[inside]))
    atoms = [(atom.location, atom.weight) for atom in found.atoms]
    return Eigenvalues(bulks, atoms, [*found.memorization_limit, *found.generalization_limit])


class Calculation:
    """Answers one setting after another, and computes only what the last change asks for."""

    def __init__(self):
        self._settings: Settings | None = None
        self._problem: Problem | None = None
        self._regimes: RefinedRegimes | None = None

    def answer(self, settings: Settings) -> Iterator[Curves | RegimesAtTime | Eigenvalues]:
        """What these settings change, the fastest first. Raises InputError or SolverError, as theory does."""
        before, problem = self._settings, settings.problem()
        self._settings = None  # until all is answered
        other = before is None or problem != self._problem
        noisier = other or settings.noise != before.noise
        moved = other or (settings.psi_n, settings.psi_p) != (before.psi_n, before.psi_p)
        model = RandomFeatures.of(problem, settings.psi_n, settings.psi_p)
        if moved or noisier:
            yield curves(model, settings.noise)
        if noisier:
            self._problem, self._regimes = problem, RefinedRegimes(problem, settings.noise)
        if noisier or settings.tau != before.tau:
            yield self._regimes.at(settings.tau)
        if moved:
            yield eigenvalues(model)
        self._settings = settings

    @property
    def unfinished(self) -> bool:
        """Whether `refine` has something to do."""
        return self._settings is not None and not self._regimes.finished

    def refine(self) -> RegimesAtTime | None:
        """A few points more of the phase diagram; the diagram if they complete a grid."""
        return self._regimes.at(self._settings.tau) if self._regimes.refine() else None

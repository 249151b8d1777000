"""The linear denoiser: its losses, and the Gaussian it generates, at every training time in closed form.

At each noise time t the score s(y) = -M_t y is trained on n points with the noise averaged from M = 0,
dM/dtau = -2 Delta (M C - 1), with C_t = e^{-2t} S + Delta and S the sample covariance. So M_t = m_t(S) with

    m_t(mu) = (1 - e^{-2 Delta tau C}) / C,   C = e^{-2t} mu + Delta_t,   m = 1/C at tau = inf.

All M_t commute: the probability flow generates a Gaussian of covariance G(S) with log G(mu) = 2 int_{t0}^T (1 -
m_t(mu)) dt. Losses and distances to the truth are then diagonals of functions of S (genmem.theory.sample_covariance).
Infinitely many points: Wang and Pehlevan (arXiv:2503.03206); docs/theory.md, section 12.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from genmem.shared.errors import InputError, positive, times
from genmem.theory.model_json import as_json, of_json
from genmem.theory.noise_average import ddpm_noise
from genmem.theory.probability_flow import NOISE, START, divergences, signal_and_noise, time_range, time_rule
from genmem.theory.sample_covariance import contour
from genmem.theory.sample_times import SampleTimes, sample_times
from genmem.theory.spectra import Spectrum
from genmem.theory.tables import Table

UNIT = "steps x learning rate / d"


@dataclass(frozen=True)
class Generated(Table):
    """What a network generates, at training times of the shape of `tau`. All but `variance` are per dimension.

    variance: tau.shape + (k,), of the generated points along each eigenvector of Sigma.
    kl: KL(generated || data) in nats; inf where the data have no variance in some direction. kl_noised: the same to
    the data noised to t0, at which the flow stops; zero for the true score.
    frechet: E |x - x'|^2 of what network and true score make of the same noise x_T, the data being x' (at t0 = 0). An
    upper bound of the squared Frechet distance, the least over all pairings; that is about 5 % less.
    agreement: of two networks on disjoint data, E x1.x2 / E |x1|^2 for the same noise; 1 if they are the same map.
    """

    unit = UNIT
    further = {"variance": ("mode",)}
    tau: np.ndarray
    variance: np.ndarray
    kl: np.ndarray
    kl_noised: np.ndarray
    frechet: np.ndarray
    agreement: np.ndarray


@dataclass(frozen=True)
class LinearCurves(Table):
    """Losses of the linear denoiser at one noise time, of the shape of `tau`; as in RandomFeatures.learning_curves."""

    unit = UNIT
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class LinearDenoiser:
    """The score s(y) = -M_t y for every noise time t, trained by gradient flow from M = 0 on n = psi_n d points.

    psi_n: training points per dimension, below, at or above one; inf for infinitely many. spectrum: of the data's
    covariance. tau: steps x learning rate / d, so that dM/dtau = -2 Delta (M C - 1). A random-features network whose
    features are the linear part a h alone does the same in its own time, tau / a^2.
    Raises InputError for values out of range.
    """

    psi_n: float = 8.0
    spectrum: Spectrum = field(default_factory=Spectrum)

    def __post_init__(self):
        if self.psi_n != math.inf:
            object.__setattr__(self, "psi_n", positive("psi_n", self.psi_n))
        if not isinstance(self.spectrum, Spectrum):
            raise InputError(f"spectrum must be a genmem.Spectrum, but {self.spectrum!r} was given")

    def to_json(self) -> str:
        """All arguments as JSON text, which `from_json` reads."""
        return as_json(self)

    @classmethod
    def from_json(cls, text: str) -> "LinearDenoiser":
        """The denoiser that `to_json` wrote; InputError for any other text."""
        return of_json(cls, text)

    def learning_curves(self, tau, t: float = 0.1) -> LinearCurves:
        """Train loss, test loss and score error at training times tau >= 0 (any shape; inf allowed), noise time t.

        L_test = 1 - 2 Delta int F[m] + Delta int (e^{-2t} lambda + Delta) F[m^2] with F[f] the diagonal of f(S);
        in L_train the population's covariance is the sample's. Raises InputError for a bad tau or t.
        """
        tau, t = times("tau", tau), positive("t", t)
        signal, delta = signal_and_noise(t)
        rule = contour(self.spectrum, self.psi_n, float(np.expm1(2 * t)))
        c = signal * rule.z + delta
        m = denoiser(c, delta, tau)
        average = self.spectrum.average
        learned, squared = rule.diagonal(m), rule.diagonal(m * m)
        noised = signal * self.spectrum.eigenvalues + delta
        train = 1 - 2 * delta * average(learned) + delta * average(rule.diagonal(m * m * c))
        test = 1 - 2 * delta * average(learned) + delta * average(noised * squared)
        score = average(1 / noised - 2 * learned + noised * squared)
        return LinearCurves(tau, train, test, score)

    def stopping(self, t0: float = START, T: float = NOISE, rise: float = 0.10) -> SampleTimes:
        """When to stop for the best samples, and when for the best loss.

        rise: the fraction by which KL(generated || data noised to t0) has risen above its minimum at `.rise`.
        Raises InputError unless rise > 0 and 0 < t0 < T.
        """
        t0, T = time_range(t0, T)
        # All rates 2 Delta C lie below 2 (1 + the largest eigenvalue of S), and in the flow above 2 Delta^2 at t0.
        fastest = 2 * (1 + self.spectrum.eigenvalues.max() * (1 + self.psi_n**-0.5) ** 2)
        slowest = 2 * float(signal_and_noise(t0)[1]) ** 2
        return sample_times(
            lambda tau: self.generated(tau, t0, T).kl_noised,
            lambda tau: self.generated(tau, t0, T).frechet,
            self.averaged_test_loss,
            (fastest, slowest),
            rise,
        )

    def averaged_test_loss(self, tau, noise=ddpm_noise, nodes: int = 32) -> np.ndarray:
        """The test loss averaged over the noise levels of a U-Net's training (genmem.theory.noise_average)."""
        t, weights = noise(nodes)
        return sum(w * self.learning_curves(tau, float(at)).test for w, at in zip(weights, t, strict=True))

    def generated(self, tau, t0: float = START, T: float = NOISE) -> Generated:
        """What the probability flow from white noise at T back to t0 generates, at training times tau >= 0 (any shape).

        Raises InputError for a bad tau, or unless 0 < t0 < T.
        """
        tau = times("tau", tau)
        spectrum = self.spectrum
        rule = contour(spectrum, self.psi_n, float(np.expm1(2 * positive("t0", t0))))
        log = log_variance(rule.z, tau, t0, T)
        variance, root, mean_log = (rule.diagonal(f) for f in (np.exp(log), np.exp(log / 2), log))
        data, power = spectrum.eigenvalues, spectrum.average(variance)
        return Generated(
            tau,
            variance,
            *divergences(variance, mean_log, spectrum, t0),
            spectrum.average(variance + data - 2 * np.sqrt(data) * root),
            spectrum.average(root**2) / power,
        )


def denoiser(c: np.ndarray, delta, tau: np.ndarray) -> np.ndarray:
    """m = (1 - e^{-2 delta tau c}) / c, shape tau.shape + c.shape, for c with a positive real part, tau >= 0."""
    exponent = np.multiply.outer(np.where(np.isinf(tau), 0, tau), 2 * delta * c)
    never = np.isinf(tau).reshape(tau.shape + (1,) * np.ndim(c))
    return np.where(never, 1, -np.expm1(-exponent)) / c


def log_variance(mu: np.ndarray, tau: np.ndarray, t0: float, T: float) -> np.ndarray:
    """log G(mu) = 2 int_{t0}^T (1 - m_t(mu)) dt, shape tau.shape + mu.shape, mu (J,) with Re mu > -(e^{2 t0} - 1)."""
    t, weights = time_rule(t0, T)
    signal, delta = signal_and_noise(t)
    c = signal * mu[:, None] + delta
    out = [2 * (1 - denoiser(c, delta, at)) @ weights for at in tau.reshape(-1, 1)]
    return np.reshape(out, tau.shape + mu.shape)

"""Data of which everything is known: Gaussian vectors, and a mixture of two Gaussians with its exact score.

A vector of dimension d is an image of d channels and one pixel, (d, 1, 1).
"""

import dataclasses
from pathlib import Path

import numpy as np

from genmem.empirics.randomness import derived_seed
from genmem.shared.errors import InputError

GAUSSIAN_POOL, GAUSSIAN_HELD_OUT = 8_192, 2_048


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Half N(mean, variance I), half N(-mean, variance I), with mean = (center, ..., center)."""

    d: int
    center: float
    variance: float

    def draw(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples (count, d, 1, 1), float32, and the component (count,) of each."""
        random = np.random.default_rng(derived_seed(seed, "mixture"))
        labels = random.integers(2, size=count)
        x = (1 - 2 * labels[:, None]) * self.center + np.sqrt(self.variance) * random.standard_normal((count, self.d))
        return x.astype(np.float32)[:, :, None, None], labels

    def log_density(self, x: np.ndarray, t: float = 0.0) -> np.ndarray:
        """log P_t (N,) of the noised mixture at x (N, d) or (N, d, 1, 1), at Ornstein-Uhlenbeck time t."""
        variance, projection = self._at(t)
        x = np.asarray(x, float).reshape(len(x), -1)
        exponent = ((x**2).sum(axis=1) + self.d * np.exp(-2 * t) * self.center**2) / (2 * variance)
        alignment = x @ projection / variance
        return np.logaddexp(alignment, -alignment) - np.log(2) - exponent - self.d / 2 * np.log(2 * np.pi * variance)

    def score(self, x: np.ndarray, t: float = 0.0) -> np.ndarray:
        """grad log P_t (N, d) at x (N, d)."""
        variance, projection = self._at(t)
        x = np.asarray(x, float)
        return (np.tanh(x @ projection / variance)[:, None] * projection - x) / variance

    def _at(self, t: float) -> tuple[float, np.ndarray]:
        signal = np.exp(-2 * t)
        return signal * self.variance + 1 - signal, np.full(self.d, np.sqrt(signal) * self.center)


MIXTURE = Mixture(d=8, center=1.0, variance=1.0)
"""The data set gmm: eight dimensions, as in Bonnaire et al., arXiv:2505.17638."""


def gaussian_vectors(count: int, mean: np.ndarray | float, factor: np.ndarray, seed: int) -> np.ndarray:
    """Gaussian vectors (count, d), float32, with this mean and covariance factor^T factor, for a factor (r, d)."""
    random = np.random.default_rng(derived_seed(seed, "gaussian"))
    coordinates = random.standard_normal((count, len(factor)), dtype=np.float32)
    return coordinates @ factor.astype(np.float32) + np.asarray(mean, np.float32)


def covariance_from_file(path: Path) -> np.ndarray:
    """The covariance (d, d) in a .npy file; raises InputError unless it is symmetric and positive semidefinite."""
    from genmem.empirics.data.image_files import load_numbers

    covariance = load_numbers(path).astype(float)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or not covariance.size:
        raise InputError(f"data must name a covariance (d, d), but '{path}' holds the shape {covariance.shape}")
    if not np.allclose(covariance, covariance.T):
        raise InputError(f"data must name a covariance, but the matrix in '{path}' is not symmetric")
    lowest, highest = np.linalg.eigvalsh(covariance)[[0, -1]]
    if lowest < -1e-8 * highest or highest <= 0:
        raise InputError(f"data must name a covariance, but the matrix in '{path}' has the eigenvalue {lowest:g}")
    return covariance


def root(covariance: np.ndarray) -> np.ndarray:
    """A factor (d, d) with factor^T factor = covariance."""
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T

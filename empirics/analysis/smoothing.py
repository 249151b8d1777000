"""A loss recorded at milestones, as a smooth curve in log-step with its uncertainty.

Between milestones a measured loss jumps by a few percent of its fall, as the optimizer does. Read off such a curve as
it is, a minimum is too low and a first crossing too early, the more so the more milestones there are. So log loss is
taken as f(log step) + noise, f a smoothing spline: the posterior mean under an integrated Wiener process (Wahba, J. R.
Stat. Soc. B 40, 364 (1978); Green and Silverman, Nonparametric Regression, 1994, chapter 2). How smooth is decided by
the restricted likelihood of the data, averaged over all degrees of smoothness, not by a choice of ours. Curves drawn
from the posterior tell how certain times are.
"""

import dataclasses

import numpy as np

# Fewer milestones cannot tell a curve from noise.
LEAST = 6
DRAWS = 200
# The grid on which curves are read, in points; times are interpolated within it.
_POINTS = 400
# Weights of the roughness over the run's range of log-step, which is one here; the likelihood decides among them. The
# least leaves a curve free to turn within a few percent of that range, and no more: ten milestones cannot show that
# noise is noise, and would be followed to the last of them.
_ROUGHNESS = np.geomspace(3e-6, 1e2, 60)


@dataclasses.dataclass(frozen=True)
class Smoothed:
    """Train and test loss on a fine grid: the smooth curves (G,), and DRAWS curves from their posterior (D, G)."""

    steps: np.ndarray
    train: np.ndarray
    test: np.ndarray
    train_draws: np.ndarray
    test_draws: np.ndarray

    @property
    def excess(self) -> float:
        """By how much the minimum of a curve that is uncertain as this one lies too low, in the mean: at most zero."""
        return min(0.0, float(self.test_draws.min(1).mean() - self.test.min()))


def smoothed(steps: np.ndarray, train: np.ndarray, test: np.ndarray, seed: int = 0) -> Smoothed:
    """The smooth curves through train and test loss (K,), positive, at increasing steps (K,), K at least LEAST.

    The noise of the two splits at one milestone is correlated as the residuals of the two are.
    """
    from scipy.interpolate import CubicSpline

    x = np.log(steps)
    fine = np.linspace(x[0], x[-1], _POINTS)
    # The smoothing spline is the natural cubic spline through its own values at the milestones.
    onto = CubicSpline(x, np.eye(len(x)), bc_type="natural")(fine)
    basis = _basis((x - x[0]) / (x[-1] - x[0]))
    random = np.random.default_rng(seed)
    normal = random.standard_normal((2, DRAWS, len(x)))
    splines = [_Spline.of(basis, np.log(loss)) for loss in (train, test)]
    share = _correlation(*(spline.residual for spline in splines))
    normal[1] = share * normal[0] + np.sqrt(1 - share**2) * normal[1]
    means = [np.exp(onto @ spline.mean) for spline in splines]
    drawn = [np.exp(spline.draws(z, random) @ onto.T) for spline, z in zip(splines, normal, strict=True)]
    grid = np.exp(fine)
    grid[0], grid[-1] = steps[0], steps[-1]
    return Smoothed(grid, *means, *drawn)


@dataclasses.dataclass(frozen=True)
class _Spline:
    """The posterior of f at the milestones, in the eigenbasis of the roughness, for each of the weights _ROUGHNESS."""

    basis: np.ndarray
    shrink: np.ndarray
    rotated: np.ndarray
    probability: np.ndarray
    variance: np.ndarray
    mean: np.ndarray
    residual: np.ndarray

    @classmethod
    def of(cls, basis: tuple[np.ndarray, np.ndarray], y: np.ndarray) -> "_Spline":
        roughness, vectors = basis
        rotated = vectors.T @ y
        weighted = _ROUGHNESS[:, None] * roughness
        shrink = 1 / (1 + weighted)
        # Given the weight, each rotated value but the first two (constant and slope) is normal with this relative
        # variance.
        relative = 1 + 1 / weighted[:, 2:]
        # A floor at rounding: noise-free values would leave nothing to compare.
        variance = np.maximum((rotated[2:] ** 2 / relative).mean(1), (1e-12 * np.abs(y).max()) ** 2)
        likelihood = -0.5 * ((len(y) - 2) * np.log(variance) + np.log(relative).sum(1))
        probability = np.exp(likelihood - likelihood.max())
        probability /= probability.sum()
        mean = vectors @ ((probability @ shrink) * rotated)
        return cls(vectors, shrink, rotated, probability, variance, mean, y - mean)

    def draws(self, normal: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Values at the milestones (D, K): smoothness and noise are drawn too; `normal` (D, K) moves the curve."""
        count, freedom = len(normal), len(self.mean) - 2
        which = random.choice(len(_ROUGHNESS), count, p=self.probability)
        scale = np.sqrt(self.variance[which] * freedom / random.chisquare(freedom, count))
        # `normal` belongs to milestones, so that the correlation of the splits is that of their residuals.
        moved = scale[:, None] * np.sqrt(self.shrink[which]) * (normal @ self.basis)
        return (self.shrink[which] * self.rotated + moved) @ self.basis.T


def _basis(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (K,), the first two zero, and eigenvectors (K, K) of the roughness, int f''^2 = y' R y at knots x
    (K,)."""
    h = np.diff(x)
    count = len(x)
    second = np.zeros((count, count - 2))
    gram = np.zeros((count - 2, count - 2))
    inner = np.arange(count - 2)
    second[inner, inner] = 1 / h[:-1]
    second[inner + 1, inner] = -1 / h[:-1] - 1 / h[1:]
    second[inner + 2, inner] = 1 / h[1:]
    gram[inner, inner] = (h[:-1] + h[1:]) / 3
    gram[inner[:-1], inner[1:]] = gram[inner[1:], inner[:-1]] = h[1:-1] / 6
    roughness, vectors = np.linalg.eigh(second @ np.linalg.solve(gram, second.T))
    roughness[:2] = 0
    return roughness, vectors


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / spread, -1, 1)) if spread > 0 else 0.0

"""How close generated images are to training images, which fraction is memorized, how far distributions are apart."""

import functools
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from genmem.shared.errors import InputError

THRESHOLD = 1 / 3
# Reported beside it, as a check that nothing hangs on the choice.
OTHER_THRESHOLDS = (1 / 2, 1 / 4)
PROJECTIONS = 256
_CHUNK = 1024
_JACKKNIFE_GROUPS = 20
LEAST_SAMPLES = 3
"""Of a distance with its error: the jackknife leaves one out, and a covariance needs two."""

Compared = TypeVar("Compared")


class Reference:
    """Features (N, F) that samples are compared with, and what distances to them need of them, calculated once."""

    def __init__(self, features: np.ndarray):
        self.features = features

    @functools.cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean and a root R of the covariance R'R."""
        return _moments(self.features)

    @functools.cached_property
    def projections(self) -> np.ndarray:
        """The features along the fixed directions, sorted."""
        return _projections(self.features, PROJECTIONS)

    @functools.cached_property
    def standardised(self) -> np.ndarray:
        return self.standard(self.features)

    def standard(self, features: np.ndarray) -> np.ndarray:
        """Features in units of the reference's root mean square deviation from its mean."""
        return (features - self._centre) / self._scale

    @functools.cached_property
    def self_similarity(self) -> float:
        """The mean kernel between two different references."""
        return _mean_of_pairs(self.standardised)

    @functools.cached_property
    def _centre(self) -> np.ndarray:
        return self.features.mean(axis=0)

    @functools.cached_property
    def _scale(self) -> float:
        return float(np.sqrt(np.mean((self.features - self._centre) ** 2))) or 1.0


def memorized_fraction(d1: np.ndarray, d2: np.ndarray, threshold: float = THRESHOLD) -> tuple[float, float, float]:
    """f_mem, the fraction of samples with d1/d2 < threshold, and its 95 % interval (see fraction_interval).

    d1, d2 (S,): distances to the nearest and second nearest training image (Bonnaire et al., arXiv:2505.17638; they use
    1/3).
    """
    return fraction_interval(memorized(d1, d2, threshold))


def memorized(d1: np.ndarray, d2: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Whether d1/d2 < threshold (S,); a sample equal to both images (d1 = d2 = 0) is memorized."""
    return (d1 < threshold * d2) | (d2 == 0)


def first_copies(d1: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Whether each sample (S,) equals the training datum `index` that is nearest to it, as no sample before it does."""
    equal = np.flatnonzero(d1 == 0)
    first = np.zeros(len(d1), bool)
    first[equal[np.unique(index[equal], return_index=True)[1]]] = True
    return first


def fraction_interval(flags: np.ndarray) -> tuple[float, float, float]:
    """The fraction of true flags (S,) and its 95 % interval of Clopper and Pearson. All nan without samples."""
    if not len(flags):
        return np.nan, np.nan, np.nan
    low, high = binomial_ends(len(flags))
    return float(flags.mean()), float(low[flags.sum()]), float(high[flags.sum()])


@functools.lru_cache(maxsize=16)
def binomial_ends(trials: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends (trials + 1,) each of the exact 95 % interval of a probability, for 0 ... trials successes.

    Clopper and Pearson, Biometrika 26, 404 (1934). Zero of 64 leaves up to 0.056 open; a bootstrap, which only repeats
    what it has seen, would say 0 to 0.
    """
    from scipy.stats import beta

    successes = np.arange(trials + 1)
    low, high = np.zeros(trials + 1), np.ones(trials + 1)
    low[1:] = beta.ppf(0.025, successes[1:], trials - successes[1:] + 1)
    high[:-1] = beta.ppf(0.975, successes[:-1] + 1, trials - successes[:-1])
    return low, high


def sliced_wasserstein(a: np.ndarray, b: np.ndarray | Reference, projections: int = PROJECTIONS) -> float:
    """Sliced 2-Wasserstein distance between samples a (S, F) and b (M, F) (Bonneel et al., J. Math. Imaging Vis. 51,
    22 (2015)): the root mean square, over fixed random directions, of the distance between the projections.

    In one dimension the distance is that of the quantile functions, here exact for any S and M.
    """
    x = _projections(a, projections)
    if isinstance(b, Reference):
        y = b.projections if projections == PROJECTIONS else _projections(b.features, projections)
    else:
        y = _projections(b, projections)
    many, few = y.shape[1], len(a)
    # Both quantile functions are constant between neighbouring multiples of 1/S and of 1/M.
    ends = np.unique(np.concatenate([np.arange(1, few + 1) * many, np.arange(1, many + 1) * few]))
    shares = np.diff(ends, prepend=0) / (few * many)
    gaps = x[:, (ends - 1) // many] - y[:, (ends - 1) // few]
    return float(np.sqrt((gaps.astype(float) ** 2 @ shares).mean()))


def _projections(features: np.ndarray, count: int) -> np.ndarray:
    """Features (N, F) along fixed directions, sorted along each (count, N)."""
    return np.sort(_directions(count, features.shape[1]) @ features.T, axis=1)


@functools.cache
def _directions(count: int, dimension: int) -> np.ndarray:
    """Fixed random unit vectors (count, dimension)."""
    directions = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def frechet_distance(a: np.ndarray, b: np.ndarray | Reference) -> float:
    """Squared Frechet distance between the normal laws of the means and covariances of a (S, F) and b (M, F).

    |mean_a - mean_b|^2 + Tr(C_a + C_b - 2 (C_a^{1/2} C_b C_a^{1/2})^{1/2}), the FID of Heusel et al. (arXiv:1706.08500)
    in whatever features are given. With C = R'R from a QR decomposition the last trace is the sum of the singular
    values of R_a R_b', which also holds for fewer samples than features and squares nothing. Raises InputError for
    fewer than two samples, which have no covariance, and for numbers that are not finite.
    """
    for x in (a, b.features if isinstance(b, Reference) else b):
        if len(x) < 2 or not np.isfinite(x).all():
            what = f"{len(x)} of them" if len(x) < 2 else "numbers that are not finite"
            raise InputError(
                f"a Frechet distance must be between two images or more with finite features, but {what} were given"
            )

    (mean_a, root_a), (mean_b, root_b) = _moments(a), b.moments if isinstance(b, Reference) else _moments(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    squares = ((mean_a - mean_b) ** 2).sum() + (root_a**2).sum() + (root_b**2).sum()
    return max(0.0, float(squares - 2 * overlap))


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = x.mean(axis=0, dtype=float)
    return mean, np.linalg.qr((x - mean) / np.sqrt(len(x) - 1), mode="r")


def kernel_distance(a: np.ndarray, b: np.ndarray | Reference) -> float:
    """Squared maximum mean discrepancy between the laws of a (S, F) and b (M, F), without bias for any S and M of two
    or more: zero in the mean for samples of one law, and so now and then below it.

    The KID of Binkowski et al. (arXiv:1801.01401, eq. 4), with their kernel (x.y / F + 1)^3; here of features around
    the mean of b and in units of its root mean square deviation, so that the scale of a feature space plays no part.
    """
    reference = b if isinstance(b, Reference) else Reference(b)
    x = reference.standard(a)
    between = (x @ reference.standardised.T / x.shape[1] + 1) ** 3
    return _mean_of_pairs(x) + reference.self_similarity - 2 * float(between.mean(dtype=float))


def _mean_of_pairs(x: np.ndarray) -> float:
    """The mean of the kernel over all pairs of different rows of x (N, F)."""
    total = 0.0
    for start in range(0, len(x), _CHUNK):
        total += float(((x[start : start + _CHUNK] @ x.T / x.shape[1] + 1) ** 3).sum(dtype=float))
    own = float((((x**2).mean(axis=1) + 1) ** 3).sum(dtype=float))
    return (total - own) / (len(x) * (len(x) - 1))


def with_error(distance: Callable[[np.ndarray, Compared], float], a: np.ndarray, b: Compared) -> tuple[float, float]:
    """distance(a, b) and its standard error from the choice of the samples a, by a jackknife over 20 groups.

    The bootstrap would repeat samples, which moves distances between distributions away from b. Raises InputError for
    fewer than LEAST_SAMPLES of them.
    """
    if len(a) < LEAST_SAMPLES:
        raise InputError(
            f"samples must be at least {LEAST_SAMPLES} for a distance with its error, but {len(a)} were given"
        )
    groups = min(_JACKKNIFE_GROUPS, len(a))
    without = [distance(np.delete(a, slice(k, None, groups), axis=0), b) for k in range(groups)]
    return distance(a, b), float(np.sqrt((groups - 1) * np.var(without)))


def cosine_similarity(a: np.ndarray, b: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Cosine of the angle between a - centre (..., F) and b - centre (..., F); zero where one of them is the centre.

    Without a centre (the mean of the data), everything that images have in common would count as similarity.
    """
    a, b = (x - centre for x in (a, b))
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.divide((a * b).sum(axis=-1), norms, out=np.zeros(norms.shape, np.result_type(a, b)), where=norms > 0)


def nearest_similarity(
    features: np.ndarray, references: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The largest cosine similarity (S,) of each row of features (S, F) to a row of references (n, F), and to which."""

    def directions(x):
        x = x - centre
        norms = np.linalg.norm(x, axis=1, keepdims=True)
        return np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)

    references = directions(references)
    found, index = [], []
    for start in range(0, len(features), _CHUNK):
        cosines = directions(features[start : start + _CHUNK]) @ references.T
        index.append(cosines.argmax(axis=1))
        found.append(np.take_along_axis(cosines, index[-1][:, None], axis=1)[:, 0])
    return np.concatenate(found), np.concatenate(index)

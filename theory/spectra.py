"""Covariance spectra: the eigenvalues lambda_k of the data's covariance Sigma with their weights w_k."""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, count, finite, numbers, positive


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectral distribution of Sigma as atoms: `eigenvalues` (k,) >= 0 with `weights` (k,) > 0 that sum to one.

    Raises InputError for unequal lengths, negative or non-finite entries, a zero trace, or weights that do not sum to
    one within 1e-9. Weights are normalized to sum to one to the last digit.
    """

    eigenvalues: np.ndarray
    weights: np.ndarray

    def __init__(self, eigenvalues=(1.0,), weights=None):
        lam = np.atleast_1d(numbers("eigenvalues", eigenvalues))
        w = np.full(lam.shape, 1 / max(lam.size, 1)) if weights is None else np.atleast_1d(numbers("weights", weights))
        if lam.ndim != 1 or lam.size == 0 or lam.shape != w.shape:
            raise InputError(
                f"eigenvalues and weights must be lists of one length, but {lam.size} and {w.size} entries were given"
            )
        if not np.all(np.isfinite(lam)) or np.any(lam < 0) or not np.any(lam > 0):
            raise InputError(f"eigenvalues must be finite, not negative and not all zero, but {_shown(lam)} was given")
        if not np.all(np.isfinite(w)) or np.any(w <= 0):
            raise InputError(f"weights must be finite and positive, but {_shown(w)} was given")
        if abs(w.sum() - 1) > 1e-9:
            raise InputError(f"weights must sum to one, but {_shown(w)} sums to {w.sum():.10g}")
        w = w / w.sum()
        lam.flags.writeable = w.flags.writeable = False
        object.__setattr__(self, "eigenvalues", lam)
        object.__setattr__(self, "weights", w)

    def __eq__(self, other):
        return (
            isinstance(other, Spectrum)
            and np.array_equal(self.eigenvalues, other.eigenvalues)
            and np.array_equal(self.weights, other.weights)
        )

    def __hash__(self):
        return hash((self.eigenvalues.tobytes(), self.weights.tobytes()))

    @property
    def mean(self) -> float:
        """sigma_x^2 = Tr Sigma / d."""
        return float(self.weights @ self.eigenvalues)

    def average(self, values: np.ndarray) -> np.ndarray:
        """The integral over the spectrum: sum_k w_k values_k over the last axis."""
        return np.asarray(values) @ self.weights

    @classmethod
    def power_law(cls, alpha: float, d: int = 1000, mean: float = 1.0, error: float = 1e-6) -> "Spectrum":
        """lambda_k proportional to k^{-alpha}, k = 1 ... d, with Tr Sigma / d = mean; compressed (see compress)."""
        alpha, mean = finite("alpha", alpha), positive("mean", mean)
        lam = np.arange(1.0, count("d", d) + 1) ** -alpha
        return cls(lam * (mean / lam.mean())).compress(error)

    @classmethod
    def marchenko_pastur(cls, ratio: float, atoms: int = 48) -> "Spectrum":
        """The law of X X'/N for white X of shape (d, N), ratio = d/N, mean one; for ratio > 1 with an atom at zero.

        With lambda = 1 + ratio + 2 sqrt(ratio) cos(theta) the density is (2/pi) sin^2(theta) / lambda, smooth and
        periodic, so that the midpoint rule converges exponentially.
        """
        ratio = positive("ratio", ratio)
        theta = (np.arange(count("atoms", atoms)) + 0.5) * np.pi / atoms
        lam = 1 + ratio + 2 * np.sqrt(ratio) * np.cos(theta)
        w = np.sin(theta) ** 2 / lam
        w *= min(1, 1 / ratio) / w.sum()
        # The mean is one whatever the number of atoms.
        lam /= w @ lam
        if ratio > 1:
            lam, w = np.append(lam, 0.0), np.append(w, 1 - 1 / ratio)
        return cls(lam, w)

    @classmethod
    def from_data(cls, x, error: float = 1e-6) -> "Spectrum":
        """The spectrum of the sample covariance of x, shape (N, d), compressed (see compress).

        Raises InputError for an array that is not two-dimensional, has fewer than two rows or holds NaN.
        """
        x = numbers("x", x, "an array of numbers, shape (N, d)")
        if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] < 1:
            raise InputError(f"x must have shape (N, d) with N >= 2 and d >= 1, but {x.shape} was given")
        if not np.all(np.isfinite(x)):
            raise InputError("x must be finite, but it holds NaN or infinity")
        lam = np.linalg.eigvalsh(np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1]))
        # Rounding leaves tiny eigenvalues of either sign where the data have no variance at all.
        lam[lam < 1e-12 * lam[-1]] = 0.0
        return cls(lam).compress(error)

    def compress(self, error: float = 1e-6) -> "Spectrum":
        """The fewest atoms, of those tried, that move no curve of the reference models by more than `error`.

        The models (genmem.theory.compression) have psi_n and psi_p from 2 to 256 and t from 0.001 to 1; the curves are
        the test loss and the score error, which at smaller t moves by about `error` * 0.001 / t.
        """
        from genmem.theory.compression import compress

        return Spectrum(*compress(self.eigenvalues, self.weights, positive("error", error)))


def _shown(values: np.ndarray) -> str:
    text = ", ".join(f"{v:.6g}" for v in values[:6])
    return f"[{text}, ...]" if values.size > 6 else f"[{text}]"

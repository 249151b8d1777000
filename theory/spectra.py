"""Covariance spectra: the eigenvalues lambda_k of the data's covariance Sigma with their weights w_k."""

from dataclasses import dataclass

import numpy as np

from theory.errors import InputError


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectral distribution of Sigma as atoms: `eigenvalues` (k,) >= 0 with `weights` (k,) > 0 that sum to one.

    Raises InputError for unequal lengths, negative or non-finite entries, a zero trace, or weights that do not sum to
    one within 1e-9. Weights are normalized to sum to one to the last digit.
    """

    eigenvalues: np.ndarray
    weights: np.ndarray

    def __init__(self, eigenvalues=(1.0,), weights=None):
        try:
            lam = np.atleast_1d(np.array(eigenvalues, dtype=float))
            w = np.full(lam.shape, 1 / max(lam.size, 1)) if weights is None else np.atleast_1d(np.array(weights, float))
        except (TypeError, ValueError):
            raise InputError("eigenvalues and weights must be lists of numbers") from None
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
    def from_data(cls, x, atoms: int = 64) -> "Spectrum":
        """The spectrum of the sample covariance of x, shape (N, d), compressed to at most `atoms` atoms.

        Neighbouring eigenvalues are merged, fewest first in spread, so that the trace is kept exactly.
        Raises InputError for an array that is not two-dimensional, has fewer than two rows or holds NaN.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[0] < 2:
            raise InputError(f"x must have shape (N, d) with N >= 2, but {x.shape} was given")
        if not np.all(np.isfinite(x)):
            raise InputError("x must be finite, but it holds NaN or infinity")
        lam = np.clip(np.linalg.eigvalsh(np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])), 0, None)
        return cls(*_merge(lam, np.full(lam.size, 1 / lam.size), atoms))


def _merge(lam: np.ndarray, w: np.ndarray, atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge the two neighbours whose union moves the second moment least, until `atoms` are left."""
    lam, w = list(lam), list(w)
    while len(lam) > atoms:
        l, q = np.array(lam), np.array(w)
        cost = q[:-1] * q[1:] / (q[:-1] + q[1:]) * np.diff(l) ** 2
        k = int(np.argmin(cost))
        lam[k : k + 2] = [(q[k] * l[k] + q[k + 1] * l[k + 1]) / (q[k] + q[k + 1])]
        w[k : k + 2] = [q[k] + q[k + 1]]
    return np.array(lam), np.array(w)


def _shown(values: np.ndarray) -> str:
    text = ", ".join(f"{v:.6g}" for v in values[:6])
    return f"[{text}, ...]" if values.size > 6 else f"[{text}]"

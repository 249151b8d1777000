"""Functions of a sample covariance: the diagonal of F(S) in the eigenbasis of Sigma, for n = psi_n d points.

Along eigenvector k the resolvent of S = X'X/n is, for large n and d (Marchenko and Pastur 1967),

    (S - z)^{-1}_kk = R_k(z) = -q / (z (q - lambda_k)),   z = q (1 + psi_n^{-1} int lambda / (q - lambda)),

with q = -1/m, m the Stieltjes transform of the companion X X'/n, and q ~ z far out. So for F analytic around the
spectrum F(S)_kk = -(1/2 pi i) oint F(z) R_k(z) dz. Functions of a denoiser are analytic and bounded where
Re(z + gap) > 0. With zeta = log(z + gap) that half-plane is the strip |Im zeta| < pi/2 and the spectrum a segment of
the real axis; the trapezoidal rule on the ellipse half-way between the two converges geometrically, whatever F's time
scale.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from genmem.shared.errors import SolverError
from genmem.theory.spectra import Spectrum

# Digits of the contour rule, as a natural logarithm; and steps from |z| = infinity with Newton's steps at each.
_DIGITS = 30.0
_STEPS, _NEWTON, _LAST = 48, 3, 8
_SOLVED = 1e-11


@dataclass(frozen=True)
class Contour:
    """Nodes z (J,) in the upper half-plane and the weights (k, J) of F(S)_kk = Re sum_j weights_kj F(z_j)."""

    z: np.ndarray
    weights: np.ndarray

    def diagonal(self, values: np.ndarray) -> np.ndarray:
        """F(S)_kk, shape (..., k), of the values F(z), shape (..., J), of a function that is real on the real axis."""
        return values.real @ self.weights.real.T - values.imag @ self.weights.imag.T


@lru_cache(maxsize=64)
def contour(spectrum: Spectrum, psi_n: float, gap: float, digits: float = _DIGITS) -> Contour:
    """The rule for functions analytic and bounded where Re z > -gap, gap > 0. psi_n: n / d, inf for S = Sigma.

    Raises SolverError if the equation could not be solved at a node.
    """
    top = float(spectrum.eigenvalues.max()) * (1 + 1 / np.sqrt(psi_n)) ** 2
    low, high = np.log(gap), np.log(gap + top)
    half = max((high - low) / 2, 1e-3)
    rho = np.arcsinh(np.pi / 2 / half) / 2
    count = int(np.ceil(digits / rho / 2))
    angle = rho + 1j * (np.arange(count) + 0.5) * np.pi / count
    shifted = np.exp((low + high) / 2 + half * np.cosh(angle))
    z = shifted - gap
    q = _companion(z, spectrum, psi_n, top)
    resolvents = -q / (z * (q - spectrum.eigenvalues[:, None]))
    return Contour(z, -shifted * half * np.sinh(angle) / count * resolvents)


def _companion(z: np.ndarray, spectrum: Spectrum, psi_n: float, top: float) -> np.ndarray:
    """q at each z, followed inwards from far out along the rays from zero, which meet no part of the spectrum."""
    lam, w = spectrum.eigenvalues[:, None], spectrum.weights / psi_n
    far = np.maximum(1, 20 * top / np.abs(z))
    q = z * far
    step = np.zeros(z.size)
    # At the last place Newton's method goes on to the last digit.
    for share, iterations in [(share, _NEWTON) for share in np.linspace(1, 0, _STEPS)] + [(0.0, _LAST)]:
        at = z * far**share
        for _ in range(iterations):
            part = lam / (q - lam)
            excess = 1 + w @ part
            step = (q * excess - at) / (excess - q * (w @ (part / (q - lam))))
            q = q - step
    if not np.all(np.abs(step) <= _SOLVED * np.abs(q)) or np.any(q.imag <= 0):
        raise SolverError(f"the resolvent of a sample covariance with psi_n = {psi_n:g} could not be followed")
    return q

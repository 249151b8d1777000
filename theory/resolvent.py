"""The self-consistent equations of one resolvent, R(z) = (U - z)^{-1}: shared theory section 3; m = infinity is [B].

U is a sum over kinds of samples. With m noise copies of each data point, rotating the copies of a point among each
other gives n samples that carry the data and n(m - 1) that carry noise only; with m = infinity the second kind averages
to a constant. So in every case

    M(lambda) = M_s + sum_a A_a(lambda) / (1 + delta_a),   gamma = gamma_s + sum_a c_a / (1 + delta_a) - z,
    G = psi_p g:   G (gamma + int M / D) = psi_p,   D = 1 + G M,
    delta_a = (G / nu_a) (int A_a / D + c_a),

with A_a(lambda) = A_a0 + A_a1 lambda a sample kind's covariance through the features, c_a its isotropic part, nu_a its
number per dimension, pi_a its share in the labels, and (M_s, gamma_s, pi_s) the constant part. Because everything is
affine in lambda, only the moments sum_k w_k lambda_k^r / D_k^q enter: a Newton step costs one pass over the atoms.

The limit z -> 0- where U has a null space (finite m, fewer samples than features) obeys the same equations with 1 +
delta replaced by delta and -z by 1: every unknown grows like 1/(-z), and what is left is its coefficient. `unit` = 0
selects it.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

MAX_ITERATIONS = 60
# A Newton step this small, relative to the unknown, leaves an error of its square.
CONVERGED = 1e-11


@dataclass(frozen=True)
class Equations:
    """The coefficients in the module's head as arrays.

    eigenvalues, weights: (k,). kinds: (T, 5), a row [A_a0, A_a1, c_a, nu_a, pi_a] for each of T = 1 or 2 kinds.
    static: (4,), [M_s0, M_s1, gamma_s, pi_s]. psi_p: number of features per dimension.
    """

    eigenvalues: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray
    static: np.ndarray
    psi_p: float

    @property
    def norm_bound(self) -> float:
        """A scale no smaller than the spectrum of U, up to a factor of order one: where g = -1/z may be started."""
        kinds, (m0, m1, gamma, _) = self.kinds, self.static
        top = self.eigenvalues[-1] if self.eigenvalues.size == 1 else self.eigenvalues.max()
        samples = 1 + np.sqrt(self.psi_p / kinds[:, 3])
        spread = (1 + np.sqrt(self.psi_p)) ** 2
        per_kind = (kinds[:, 2] + (kinds[:, 0] + kinds[:, 1] * top) * spread) * samples**2
        return float(gamma + (m0 + m1 * top) * spread + per_kind.sum())


def equations(constants, spectrum, psi_n: float, psi_p: float, copies: float) -> Equations:
    """Set up the equations for n = psi_n d points with `copies` noise copies each (inf: exact noise average)."""
    data = constants.signal * constants.a**2
    noise, v2, s2 = constants.b2, constants.v2, constants.s2
    if np.isinf(copies):
        kinds = [[0.0, data, v2, psi_n, 0.0]]
        static = [noise, 0.0, s2, 1.0]
    else:
        share = 1 / copies
        kinds = [[noise * share, data, v2 + s2 * share, psi_n, share]]
        if copies > 1:
            kinds.append([noise * (1 - share), 0.0, s2 * (1 - share), psi_n * (copies - 1), 1 - share])
        static = [0.0, 0.0, 0.0, 0.0]
    return Equations(spectrum.eigenvalues, spectrum.weights, np.array(kinds), np.array(static), float(psi_p))


@njit(cache=True, nogil=True, error_model="numpy")
def newton(z, x, lam, w, kinds, static, psi_p, unit):
    """Solve the equations at z from the guess x = [G, delta_0, ...] (T + 1,), in place.

    Returns the last relative step (below CONVERGED on success) and the number of iterations.
    """
    count = kinds.shape[0]
    jac = np.empty((3, 3), np.complex128)
    res = np.empty(3, np.complex128)
    step = np.inf
    for iteration in range(MAX_ITERATIONS):
        g = x[0]
        m0, m1, gamma = static[0] + 0j, static[1] + 0j, static[2] - z
        for a in range(count):
            inverse = 1.0 / (unit + x[a + 1])
            m0 += kinds[a, 0] * inverse
            m1 += kinds[a, 1] * inverse
            gamma += kinds[a, 2] * inverse
        i0 = i1 = j0 = j1 = j2 = 0j
        for k in range(lam.size):
            d = 1.0 / (1.0 + g * (m0 + m1 * lam[k]))
            wd = w[k] * d
            wdd = wd * d
            i0 += wd
            i1 += lam[k] * wd
            j0 += wdd
            j1 += lam[k] * wdd
            j2 += lam[k] * lam[k] * wdd
        res[0] = g * (gamma + m0 * i0 + m1 * i1) - psi_p
        jac[0, 0] = gamma + m0 * j0 + m1 * j1
        for a in range(count):
            a0, a1, c, nu = kinds[a, 0], kinds[a, 1], kinds[a, 2], kinds[a, 3]
            e2 = (unit + x[a + 1]) ** 2
            first = a0 * j0 + a1 * j1
            second = a0 * j1 + a1 * j2
            res[a + 1] = x[a + 1] - g / nu * (a0 * i0 + a1 * i1 + c)
            jac[0, a + 1] = -g / e2 * (first + c)
            jac[a + 1, 0] = -(first + c) / nu
            for b in range(count):
                f2 = (unit + x[b + 1]) ** 2
                jac[a + 1, b + 1] = -g * g / nu * (first * kinds[b, 0] + second * kinds[b, 1]) / f2
            jac[a + 1, a + 1] += 1.0
        # Gaussian elimination; the diagonal dominates on the physical branch.
        for i in range(count + 1):
            for j in range(i + 1, count + 1):
                factor = jac[j, i] / jac[i, i]
                for k in range(i + 1, count + 1):
                    jac[j, k] -= factor * jac[i, k]
                res[j] -= factor * res[i]
        step = 0.0
        for i in range(count, -1, -1):
            for k in range(i + 1, count + 1):
                res[i] -= jac[i, k] * res[k]
            res[i] /= jac[i, i]
            step = max(step, abs(res[i]) / abs(x[i]))
        for i in range(count + 1):
            x[i] -= res[i]
        if step < CONVERGED:
            return step, iteration + 1
        if not np.isfinite(step):
            break
    return np.inf, MAX_ITERATIONS


@njit(cache=True, nogil=True, error_model="numpy")
def start(z, x, lam, w, kinds, psi_p):
    """Fill x with the leading terms for |z| far above the spectrum."""
    mean = 0.0
    for k in range(lam.size):
        mean += w[k] * lam[k]
    x[0] = -psi_p / z
    for a in range(kinds.shape[0]):
        x[a + 1] = x[0] / kinds[a, 3] * (kinds[a, 0] + kinds[a, 1] * mean + kinds[a, 2])


@njit(cache=True, nogil=True, error_model="numpy")
def follow(direction, shift, s_from, s_to, x, lam, w, kinds, static, psi_p):
    """Carry the solution x from z = shift + direction * s_from to the same with s_to, on the physical branch.

    Newton's method from the last point; a failed or unphysical step is retried over half the way (in log s). Physical:
    Im G > 0 and Im delta_a > 0 for Im z > 0 (all three are Stieltjes transforms up to positive factors); on the
    negative real axis all are positive. Returns the last Newton step, inf if the way is lost.
    """
    size = kinds.shape[0] + 1
    trial = np.empty(size, np.complex128)
    # Steps beyond a factor four are never tried: Newton might land on another root that also looks physical.
    ratio_left = np.log(s_to / s_from)
    s = s_from
    stride = min(max(ratio_left, -1.4), 1.4)
    step = 0.0
    while ratio_left != 0.0:
        if abs(stride) >= abs(ratio_left):
            target, move = s_to, ratio_left
        else:
            target, move = s * np.exp(stride), stride
        z = shift + direction * target
        for i in range(size):
            trial[i] = x[i]
        step, used = newton(z, trial, lam, w, kinds, static, psi_p, 1.0)
        good = step < CONVERGED
        for i in range(size):
            if z.imag != 0.0:
                good = good and trial[i].imag * z.imag > 0.0
            else:
                good = good and trial[i].real > 0.0
        if good:
            for i in range(size):
                x[i] = trial[i]
            s = target
            ratio_left = 0.0 if move == ratio_left else ratio_left - move
            if used < 6:
                stride = min(max(2.0 * stride, -1.4), 1.4)
        else:
            stride = 0.5 * move
            if abs(stride) < 1e-6:
                return np.inf
    return step

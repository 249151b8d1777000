"""The self-consistent equations of one resolvent, R(z) = (U - z)^{-1}: docs/theory.md, section 3.

U is a sum over kinds of samples. With m noise copies of each data point, rotating the copies of a point among each
other gives n samples that carry the data and n(m - 1) that carry noise only; with m = infinity the second kind averages
to a constant (Bonnaire et al., arXiv:2505.17638). So in every case

    M(lambda) = M_s + sum_a A_a(lambda) / (1 + delta_a),   gamma = gamma_s + sum_a c_a / (1 + delta_a) - z,
    G = psi_p g:   G (gamma + int M / D) = psi_p,   D = 1 + G M,
    delta_a = (G / nu_a) (int A_a / D + c_a),

with A_a(lambda) = A_a0 + A_a1 lambda a sample kind's covariance through the features, c_a its isotropic part, nu_a its
number per dimension, pi_a its share in the labels, and (M_s, gamma_s, pi_s) the constant part. Because everything is
affine in lambda, only the moments sum_k w_k lambda_k^r / D_k^q enter: a Newton step costs one pass over the atoms.

At infinite width z, measured in units of psi_p, outweighs all else in the first equation: G = -1/z, and delta is left.

The limit z -> 0- where U has a null space (finite m, fewer samples than features) obeys the same equations with 1 +
delta replaced by delta and -z by 1: every unknown grows like 1/(-z), and what is left is its coefficient. `unit` = 0
selects it.
"""

from typing import NamedTuple

import numpy as np

from genmem.theory.compiled import njit

MAX_ITERATIONS = 60
# A Newton step this small, relative to the unknown, leaves an error of its square.
CONVERGED = 1e-11
# A covariance that is as good as none, whose square is still a number.
NOTHING = 1e-60
# Fused and reordered arithmetic, but infinities and nan keep their meaning: they end a lost iteration.
FUSED = {"contract", "reassoc", "nsz"}


class Equations(NamedTuple):
    """The coefficients in the module's head as arrays: what every compiled loop of the theory is given, as `eq`.

    eigenvalues, weights: (k,). kinds: (T, 5), a row [A_a0, A_a1, c_a, nu_a, pi_a] for each of T = 1 or 2 kinds.
    static: (4,), [M_s0, M_s1, gamma_s, pi_s]. psi_p: number of features per dimension, share: its inverse.
    Infinite width is psi_p = 1 with share = 0, and z in units of psi_p. noise: (4,), [b^2, e^{-2t} a^2,
    v^2, s^2], the features' covariance with a point's noise, with its data, and the rest, shared and drawn anew.
    """

    eigenvalues: np.ndarray
    weights: np.ndarray
    kinds: np.ndarray
    static: np.ndarray
    psi_p: float
    share: float
    noise: np.ndarray

    @property
    def norm_bound(self) -> float:
        """A scale no smaller than the spectrum of U, up to a factor of order one: where g = -1/z may be started."""
        kinds, (m0, m1, gamma, _) = self.kinds, self.static
        top = self.eigenvalues[-1] if self.eigenvalues.size == 1 else self.eigenvalues.max()
        if self.share == 0:
            few = 1 + 1 / np.sqrt(kinds[:, 3])
            per_kind = kinds[:, 2] / kinds[:, 3] + (kinds[:, 0] + kinds[:, 1] * top) * few**2
            return float(m0 + m1 * top + per_kind.sum())
        samples = 1 + np.sqrt(self.psi_p / kinds[:, 3])
        spread = (1 + np.sqrt(self.psi_p)) ** 2
        per_kind = (kinds[:, 2] + (kinds[:, 0] + kinds[:, 1] * top) * spread) * samples**2
        return float(gamma + (m0 + m1 * top) * spread + per_kind.sum())


def equations(constants, spectrum, psi_n: float, psi_p: float, copies: float) -> Equations:
    """Set up the equations for n = psi_n d points with `copies` noise copies each (inf: exact noise average)."""
    data = constants.signal * constants.a**2
    noise, v2, s2 = constants.b2, constants.v2, constants.s2
    if np.isinf(copies):
        # Where the copies of a point share nothing (t so large that no signal is left), a trace keeps delta from 0 / 0.
        kinds = [[0.0, data, v2 if v2 or data else NOTHING, psi_n, 0.0]]
        static = [noise, 0.0, s2, 1.0]
    else:
        share = 1 / copies
        kinds = [[noise * share, data, v2 + s2 * share, psi_n, share]]
        if copies > 1:
            kinds.append([noise * (1 - share), 0.0, s2 * (1 - share), psi_n * (copies - 1), 1 - share])
        static = [0.0, 0.0, 0.0, 0.0]
    return Equations(
        spectrum.eigenvalues,
        spectrum.weights,
        np.array(kinds),
        np.array(static),
        1.0 if np.isinf(psi_p) else float(psi_p),
        1 / psi_p,
        np.array([noise, data, v2, s2]),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def inverse_of(z):
    """1 / z without the guards of the language's complex division: no |z| here is near overflow."""
    scale = 1.0 / (z.real * z.real + z.imag * z.imag)
    return complex(z.real * scale, -z.imag * scale)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def moments(g, m0, m1, lam, w):
    """int lambda^r / D for r = 0, 1 and int lambda^r / D^2 for r = 0, 1, 2, with D = 1 + g (m0 + m1 lambda)."""
    gm0, gm1 = 1.0 + g * m0, g * m1
    i0r = i0i = i1r = i1i = j0r = j0i = j1r = j1i = j2r = j2i = 0.0
    for k in range(lam.size):
        d = inverse_of(complex(gm0.real + gm1.real * lam[k], gm0.imag + gm1.imag * lam[k]))
        w0 = w[k]
        w1 = w0 * lam[k]
        w2 = w1 * lam[k]
        real, imag = d.real * d.real - d.imag * d.imag, 2.0 * d.real * d.imag
        i0r += w0 * d.real
        i0i += w0 * d.imag
        i1r += w1 * d.real
        i1i += w1 * d.imag
        j0r += w0 * real
        j0i += w0 * imag
        j1r += w1 * real
        j1i += w1 * imag
        j2r += w2 * real
        j2i += w2 * imag
    return complex(i0r, i0i), complex(i1r, i1i), complex(j0r, j0i), complex(j1r, j1i), complex(j2r, j2i)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FUSED)
def _relative(step, x):
    return (step.real * step.real + step.imag * step.imag) / (x.real * x.real + x.imag * x.imag)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FUSED)
def newton(z, x, eq, unit):
    """Solve the equations at z by Newton's method, in place.

    x: the state (see follow); its first T + 1 entries are the guess [G, delta_0, ...]. Returns what is left of
    the relative step (below CONVERGED on success) and the number of iterations. Scalars throughout: in the sweeps over
    the nodes this function is most of the time, and an array of three would cost more than the arithmetic.
    """
    lam, w, kinds, static, psi_p = eq.eigenvalues, eq.weights, eq.kinds, eq.static, eq.psi_p
    # At infinite width G = -1/z, and the first equation says no more than that.
    own = 1.0 if eq.share > 0.0 else 0.0
    two = kinds.shape[0] == 2
    a0, a1, c, nu = kinds[0, 0], kinds[0, 1], kinds[0, 2], 1.0 / kinds[0, 3]
    b0 = b1 = e = mu = 0.0
    if two:
        b0, b1, e, mu = kinds[1, 0], kinds[1, 1], kinds[1, 2], 1.0 / kinds[1, 3]
    g, x0 = x[0], x[1]
    x1 = x[2] if two else 0j
    previous = np.inf
    for iteration in range(MAX_ITERATIONS):
        f0 = inverse_of(unit + x0)
        f1 = inverse_of(unit + x1) if two else 0j
        m0 = static[0] + a0 * f0 + b0 * f1
        m1 = static[1] + a1 * f0 + b1 * f1
        gamma = own * (static[2] + c * f0 + e * f1) - z
        i0, i1, j0, j1, j2 = moments(g, m0, m1, lam, w)
        # Rows of the Jacobian for (G, delta_0, delta_1), with the residuals r and dF/dz = (-g, 0, 0).
        first, second = a0 * j0 + a1 * j1, a0 * j1 + a1 * j2
        g0, g1 = g * f0, g * f1
        top = gamma + own * (m0 * j0 + m1 * j1)
        top0 = -own * g0 * f0 * (first + c)
        r = g * (gamma + own * (m0 * i0 + m1 * i1)) - psi_p
        r0 = x0 - nu * g * (a0 * i0 + a1 * i1 + c)
        left0 = -nu * (first + c)
        d00 = 1.0 - nu * g0 * g0 * (first * a0 + second * a1)
        if two:
            third, fourth = b0 * j0 + b1 * j1, b0 * j1 + b1 * j2
            top1 = -own * g1 * f1 * (third + e)
            r1 = x1 - mu * g * (b0 * i0 + b1 * i1 + e)
            d01 = -nu * g1 * g1 * (first * b0 + second * b1)
            d10 = -mu * g0 * g0 * (third * a0 + fourth * a1)
            d11 = 1.0 - mu * g1 * g1 * (third * b0 + fourth * b1)
            left1 = -mu * (third + e)
            # Eliminate delta_1; what remains is the system of one kind.
            pivot = inverse_of(d11)
            top -= top1 * pivot * left1
            top0 -= top1 * pivot * d10
            r -= top1 * pivot * r1
            left0 -= d01 * pivot * left1
            d00 -= d01 * pivot * d10
            r0 -= d01 * pivot * r1
        determinant = inverse_of(top * d00 - top0 * left0)
        step_g = (r * d00 - top0 * r0) * determinant
        step_0 = (top * r0 - left0 * r) * determinant
        slope_g, slope_0 = g * d00 * determinant, -left0 * g * determinant
        worst = max(_relative(step_g, g), _relative(step_0, x0))
        if two:
            step_1 = pivot * (r1 - left1 * step_g - d10 * step_0)
            x[5] = -pivot * (left1 * slope_g + d10 * slope_0)
            worst = max(worst, _relative(step_1, x1))
            x1 -= step_1
        g -= step_g
        x0 -= step_0
        step = np.sqrt(worst)
        if not np.isfinite(step):
            break
        # Quadratic convergence: what is left is about (step / previous)^2 of this step.
        left = step * (step / previous) * (step / previous)
        if step < CONVERGED or (step < 1e-6 and left < CONVERGED):
            x[0], x[1] = g, x0
            if two:
                x[2], x[3], x[4] = x1, slope_g, slope_0
            else:
                x[2], x[3] = slope_g, slope_0
            return min(step, left), iteration + 1
        previous = step
    return np.inf, MAX_ITERATIONS


@njit(cache=True, nogil=True, error_model="numpy")
def state_size(kinds):
    """Length of the state that `follow` carries: T + 1 unknowns, as many derivatives and slopes, one length."""
    return 3 * kinds.shape[0] + 4


@njit(cache=True, nogil=True, error_model="numpy")
def start(z, x, eq):
    """Fill the state x (see follow) with the leading terms for |z| far above the spectrum."""
    lam, w, kinds, psi_p = eq.eigenvalues, eq.weights, eq.kinds, eq.psi_p
    mean = 0.0
    for k in range(lam.size):
        mean += w[k] * lam[k]
    x[0] = -psi_p / z
    for a in range(kinds.shape[0]):
        x[a + 1] = x[0] / kinds[a, 3] * (kinds[a, 0] + kinds[a, 1] * mean + kinds[a, 2])
    for i in range(2 * kinds.shape[0] + 2, x.size):
        x[i] = 0.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FUSED)
def follow(direction, shift, s_from, s_to, x, eq):
    """Carry the solution from z = shift + direction * s_from to the same with s_to, on the physical branch.

    x: (3 T + 4,), the state, in place: the solution, its derivative by z, and from the last step the slopes of log x in
    log s where it began and its length. A step predicts by the slope now and its change, then solves by Newton's
    method; a failed or unphysical one is retried over half the way. Physical: Im G > 0 and
    Im delta_a > 0 for Im z > 0 (all are Stieltjes transforms up to positive factors); on the negative real axis all are
    positive. Returns what is left of the last Newton step, inf if the way is lost.
    """
    kinds = eq.kinds
    size = kinds.shape[0] + 1
    trial = np.empty(3 * size + 1, np.complex128)
    left = np.log(s_to / s_from)
    s = s_from
    # Strides beyond a factor four are never tried: Newton might land on another root that also looks physical.
    stride = min(max(left, -1.4), 1.4)
    step = 0.0
    while left != 0.0:
        last = abs(stride) >= abs(left)
        move = left if last else stride
        target = s_to if last else s * np.exp(move)
        before = x[3 * size].real
        # Beyond twice the last step the change of slope says nothing.
        curvature = 0.25 * move * move / before if abs(move) < 2.0 * abs(before) else 0.0
        for i in range(size):
            slope = direction * s * x[size + i] * inverse_of(x[i])
            y = 0.5 * move * slope + curvature * (slope - x[2 * size + i])
            even = 1.0 + y * y / 3.0
            trial[i] = x[i] * (even + y) * inverse_of(even - y)
            trial[2 * size + i] = slope
        trial[3 * size] = move
        z = shift + direction * target
        step, used = newton(z, trial, eq, 1.0)
        good = step < CONVERGED
        for i in range(size):
            if z.imag != 0.0:
                good = good and trial[i].imag * z.imag > 0.0
            else:
                good = good and trial[i].real > 0.0
        if good:
            for i in range(3 * size + 1):
                x[i] = trial[i]
            s = target
            left = 0.0 if last else left - move
            if used < 6:
                stride = min(max(2.0 * stride, -1.4), 1.4)
        else:
            stride = 0.5 * move
            if abs(stride) < 1e-6:
                return np.inf
    return step

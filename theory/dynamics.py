"""Learning curves at any training time from two resolvents on a contour: shared theory sections 4 and 5 (new here).

f_tau(U) = -(1/2 pi i) oint e^{-c tau z}/z R(z) dz becomes a sum over Talbot nodes z_j = -ridge + direction_j / (c tau)
with weights q_j (Weideman 2006, as in Trefethen, Weideman and Schmelzer 2006), so that

    F1 = sum_j q_j theta b^2 h,   F2 = sum_ij q_i q_j Q[U_test](z_i, z_j),   L_test = 1 + 2 F1 + F2,
    L_train = 1 + sum_j q_j T1(z_j) at doubled time,   T1 = 1 - theta + theta^2 b^2 h.

Q[B](z1, z2) = (1/d) Tr V' R1 B R2 V is the deterministic equivalent for B = W (B_0 + B_1 Sigma) W'/d + B_2. Nodes come
in conjugate pairs, so only those with Im z > 0 are solved, and Q is needed at (z_i, z_j) and (z_i, conj z_j), i <= j.
"""

import numpy as np
from numba import njit

from theory.resolvent import CONVERGED, follow, newton, start

# Columns of a node's row: everything Q needs but the vector 1/D.
G, M0, M1, THETA, LABEL, E0, E1, ETA = range(8)
# A pair whose weights multiply to less cannot be seen in double precision.
NEGLIGIBLE = 1e-17


def talbot(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions -S_j (Im > 0) and weights q_j of the upper half of a `count`-point Talbot rule, shape (count/2,)."""
    theta = -(2 * np.arange(1, count // 2 + 1) - 1) * np.pi / count
    cot = 1 / np.tan(0.6407 * theta)
    s = count * (-0.6122 + 0.5017 * theta * cot + 0.2645j * theta)
    ds = count * (0.5017 * cot - 0.5017 * 0.6407 * theta / np.sin(0.6407 * theta) ** 2 + 0.2645j)
    return -s, -np.exp(s) * ds / (1j * count * s)


@njit(cache=True, nogil=True, error_model="numpy")
def describe(x, unit, b2, lam, w, kinds, static, row, inverse):
    """Fill a node's row (see the columns above) and inverse_k = 1 / D_k from the solution x (unit: see theory.resolvent)."""
    m0, m1, theta = static[0] + 0j, static[1] + 0j, static[3] + 0j
    for a in range(kinds.shape[0]):
        e = unit + x[a + 1]
        row[E0 + a] = e
        m0 += kinds[a, 0] / e
        m1 += kinds[a, 1] / e
        theta += kinds[a, 4] / e
    i0 = i1 = 0j
    for k in range(lam.size):
        d = 1.0 / (1.0 + x[0] * (m0 + m1 * lam[k]))
        inverse[k] = d
        i0 += w[k] * d
        i1 += w[k] * lam[k] * d
    row[G], row[M0], row[M1], row[THETA] = x[0], m0, m1, theta
    row[LABEL] = theta * b2 * x[0] * i0


@njit(cache=True, nogil=True, error_model="numpy")
def bilinear(gg, h, s0, s1, s2, ja, a0, a1, jb, b0, b1):
    """int A B u1 u2 + psi_p h12 j_A j_B for A, B affine in lambda."""
    return gg * (a0 * b0 * s0 + (a0 * b1 + a1 * b0) * s1 + a1 * b1 * s2) + h * ja * jb


@njit(cache=True, nogil=True, error_model="numpy")
def sandwich(p, q, s0, s1, s2, b0, b1, bi, b2, kinds, psi_p):
    """Q[B] for B = W (b0 + b1 Sigma) W'/d + bi at nodes p and q with moments s_r = sum_k w_k lambda_k^r / (D_k D'_k)."""
    gg = p[G] * q[G]
    mm = p[M0] * q[M0] * s0 + (p[M0] * q[M1] + p[M1] * q[M0]) * s1 + p[M1] * q[M1] * s2
    h = gg / (psi_p - gg * mm)
    jb = b0 * s0 + b1 * s1 + bi
    k = bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, jb, b0, b1)
    a0, a1, nu = kinds[0, 0], kinds[0, 1], kinds[0, 3]
    ja = a0 * s0 + a1 * s1 + kinds[0, 2]
    x0 = bilinear(gg, h, s0, s1, s2, ja, a0, a1, jb, b0, b1) / nu
    x00 = p[E0] * q[E0] - bilinear(gg, h, s0, s1, s2, ja, a0, a1, ja, a0, a1) / nu
    if kinds.shape[0] == 1:
        e0 = x0 / x00
        omega = kinds[0, 4] * e0
        k += e0 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, ja, a0, a1)
    else:
        c0, c1, mu = kinds[1, 0], kinds[1, 1], kinds[1, 3]
        jc = c0 * s0 + c1 * s1 + kinds[1, 2]
        x1 = bilinear(gg, h, s0, s1, s2, jc, c0, c1, jb, b0, b1) / mu
        cross = bilinear(gg, h, s0, s1, s2, ja, a0, a1, jc, c0, c1)
        x11 = p[E1] * q[E1] - bilinear(gg, h, s0, s1, s2, jc, c0, c1, jc, c0, c1) / mu
        x01, x10 = -cross / nu, -cross / mu
        det = x00 * x11 - x01 * x10
        e0 = (x0 * x11 - x01 * x1) / det
        e1 = (x00 * x1 - x10 * x0) / det
        omega = kinds[0, 4] * e0 + kinds[1, 4] * e1
        k += e0 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, ja, a0, a1)
        k += e1 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, jc, c0, c1)
    return omega, k


@njit(cache=True, nogil=True, error_model="numpy")
def double_sum(rows, inverses, weights, target, b2, lam, w, kinds, psi_p):
    """F2 = sum_ij q_i q_j Q[B](z_i, z_j) over all nodes and their conjugates; target = (B_0, B_1, B_2)."""
    total = 0.0
    q = np.empty(rows.shape[1], np.complex128)
    for i in range(rows.shape[0]):
        for j in range(i, rows.shape[0]):
            if abs(weights[i] * weights[j]) < NEGLIGIBLE:
                continue
            # One pass gives the moments of 1/(D_i D_j) and of 1/(D_i conj D_j): they share four real products.
            p0 = p1 = p2 = m0 = m1 = m2 = r0 = r1 = r2 = t0 = t1 = t2 = 0.0
            for k in range(lam.size):
                a, b = inverses[i, k].real, inverses[i, k].imag
                c, d = inverses[j, k].real, inverses[j, k].imag
                w0 = w[k]
                w1 = w0 * lam[k]
                w2 = w1 * lam[k]
                ac, bd, ad, bc = a * c, b * d, a * d, b * c
                p0 += w0 * (ac - bd)
                p1 += w1 * (ac - bd)
                p2 += w2 * (ac - bd)
                r0 += w0 * (ad + bc)
                r1 += w1 * (ad + bc)
                r2 += w2 * (ad + bc)
                m0 += w0 * (ac + bd)
                m1 += w1 * (ac + bd)
                m2 += w2 * (ac + bd)
                t0 += w0 * (bc - ad)
                t1 += w1 * (bc - ad)
                t2 += w2 * (bc - ad)
            p = rows[i]
            twice = 2.0 if i == j else 4.0
            for l in range(q.size):
                q[l] = rows[j, l]
            value = pair(p, q, complex(p0, r0), complex(p1, r1), complex(p2, r2), target, b2, kinds, psi_p)
            total += twice * (weights[i] * weights[j] * value).real
            for l in range(q.size):
                q[l] = rows[j, l].conjugate()
            value = pair(p, q, complex(m0, t0), complex(m1, t1), complex(m2, t2), target, b2, kinds, psi_p)
            total += twice * (weights[i] * weights[j].conjugate() * value).real
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def pair(p, q, s0, s1, s2, target, b2, kinds, psi_p):
    omega, k = sandwich(p, q, s0, s1, s2, target[0], target[1], target[2], b2, kinds, psi_p)
    return omega * (1.0 - p[LABEL] - q[LABEL]) + p[THETA] * q[THETA] * b2 * k


@njit(cache=True, nogil=True, error_model="numpy")
def begin(directions, shift, s, bound, x, lam, w, kinds, static, psi_p):
    """Solve every node at scale s from scratch, by way of |z| far above the spectrum. Returns the worst Newton step."""
    worst = 0.0
    for j in range(directions.size):
        far = max(s, 20.0 * (bound + abs(shift)) / abs(directions[j]))
        z = shift + directions[j] * far
        start(z, x[j], lam, w, kinds, psi_p)
        step, _ = newton(z, x[j], lam, w, kinds, static, psi_p, 1.0)
        if step < CONVERGED:
            step = max(step, follow(directions[j], shift, far, s, x[j], lam, w, kinds, static, psi_p))
        worst = max(worst, step)
    return worst


@njit(cache=True, nogil=True, error_model="numpy")
def march(scales, wanted, directions, weights, shift, bound, target, b2, lam, w, kinds, static, psi_p, modes):
    """Sweep the contour over falling scales 1/(c tau); the two-resolvent sum only where `wanted` (E,).

    Returns (first, second, train, inverse, worst): F1, F2, L_train - 1 and sum_j q_j T1 / (z_j + ridge) per event, shape
    (E,), and the worst Newton step (inf if the branch was lost). Fills modes (E, k) with sum_j q_j theta u_k where
    `wanted`.
    """
    nodes = directions.size
    x = np.empty((nodes, kinds.shape[0] + 1), np.complex128)
    rows = np.zeros((nodes, 8), np.complex128)
    inverses = np.empty((nodes, lam.size), np.complex128)
    first, second = np.zeros(scales.size), np.zeros(scales.size)
    train, inverse = np.zeros(scales.size), np.zeros(scales.size)
    worst = begin(directions, shift, scales[0], bound, x, lam, w, kinds, static, psi_p)
    for e in range(scales.size):
        for j in range(nodes):
            if e > 0:
                step = follow(directions[j], shift, scales[e - 1], scales[e], x[j], lam, w, kinds, static, psi_p)
                worst = max(worst, step)
            describe(x[j], 1.0, b2, lam, w, kinds, static, rows[j], inverses[j])
            row = rows[j]
            t1 = weights[j] * (1.0 - row[THETA] * (1.0 - row[LABEL]))
            train[e] += 2.0 * t1.real
            inverse[e] += 2.0 * (t1 / (directions[j] * scales[e])).real
            if wanted[e]:
                first[e] += 2.0 * (weights[j] * row[LABEL]).real
                for k in range(lam.size):
                    modes[e, k] += 2.0 * (weights[j] * row[THETA] * row[G] * inverses[j, k]).real
        if wanted[e]:
            second[e] = double_sum(rows, inverses, weights, target, b2, lam, w, kinds, psi_p)
        if not np.isfinite(worst):
            break
    return first, second, train, inverse, worst

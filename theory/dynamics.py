"""Learning curves at any training time from two resolvents on a contour: docs/theory.md, sections 4 and 5.

f_tau(U) = -(1/2 pi i) oint e^{-c tau z}/z R(z) dz becomes a sum over Talbot nodes z_j = -ridge + direction_j / (c tau)
with weights q_j (Weideman 2006, as in Trefethen, Weideman and Schmelzer 2006), so that

    F1 = sum_j q_j theta b^2 h,   F2 = sum_ij q_i q_j Q[U_test](z_i, z_j),   L_test = 1 + 2 F1 + F2,
    L_train = 1 + sum_j q_j T1(z_j) at doubled time,   T1 = 1 - theta + theta^2 b^2 h.

Q[B](z1, z2) = (1/d) Tr V' R1 B R2 V is the deterministic equivalent for B = W (B_0 + B_1 Sigma) W'/d + B_2. Nodes come
in conjugate pairs, so only those with Im z > 0 are solved, and Q is needed at (z_i, z_j) and (z_i, conj z_j), i <= j.
The empirical test loss (training points, fresh noise) is the same double sum with another, pair-dependent B.
"""

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.resolvent import CONVERGED, follow, inverse_of, newton, start, state_size

# Columns of a node's row: everything Q needs but the vector 1/D.
G, M0, M1, THETA, LABEL, E0, E1, ETA = range(8)
COLUMNS = 8
# Pairs of nodes whose weights multiply to less are left out of a curve; all together move a loss by about 1e-12.
NEGLIGIBLE = 1e-12


def talbot(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions -S_j (Im > 0) and weights q_j of the upper half of a `count`-point Talbot rule, shape (count/2,)."""
    theta = -(2 * np.arange(1, count // 2 + 1) - 1) * np.pi / count
    cot = 1 / np.tan(0.6407 * theta)
    s = count * (-0.6122 + 0.5017 * theta * cot + 0.2645j * theta)
    ds = count * (0.5017 * cot - 0.5017 * 0.6407 * theta / np.sin(0.6407 * theta) ** 2 + 0.2645j)
    return -s, -np.exp(s) * ds / (1j * count * s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def describe(x, unit, noise, lam, w, kinds, static, row, inverse):
    """Fill a node's row (see the columns above) and inverse_k = 1 / D_k from the solution x (unit:
    genmem.theory.resolvent).

    noise: (b^2, e^{-2t} a^2, v^2, s^2), the features' covariance with a point's noise, with its data, and the rest.
    """
    m0, m1, theta = static[0] + 0j, static[1] + 0j, static[3] + 0j
    for a in range(kinds.shape[0]):
        row[E0 + a] = unit + x[a + 1]
        e = inverse_of(unit + x[a + 1])
        m0 += kinds[a, 0] * e
        m1 += kinds[a, 1] * e
        theta += kinds[a, 4] * e
    i0 = i1 = 0j
    for k in range(lam.size):
        d = inverse_of(1.0 + x[0] * (m0 + m1 * lam[k]))
        inverse[k] = d
        i0 += w[k] * d
        i1 += w[k] * lam[k] * d
    row[G], row[M0], row[M1], row[THETA] = x[0], m0, m1, theta
    row[LABEL] = theta * noise[0] * x[0] * i0
    row[ETA] = x[0] / kinds[0, 3] * (noise[1] * i1 + noise[2]) * inverse_of(row[E0])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def bilinear(gg, h, s0, s1, s2, ja, a0, a1, jb, b0, b1):
    """int A B u1 u2 + psi_p h12 j_A j_B for A, B affine in lambda."""
    return gg * (a0 * b0 * s0 + (a0 * b1 + a1 * b0) * s1 + a1 * b1 * s2) + h * (ja * jb)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def sandwich(p, q, s0, s1, s2, b0, b1, bi, noise, kinds, psi_p):
    """Q[B] for B = W (b0 + b1 Sigma) W'/d + bi at nodes p and q; s_r = sum_k w_k lambda_k^r / (D_k D'_k)."""
    gg = p[G] * q[G]
    mm = p[M0] * q[M0] * s0 + (p[M0] * q[M1] + p[M1] * q[M0]) * s1 + p[M1] * q[M1] * s2
    h = gg * inverse_of(psi_p - gg * mm)
    jb = b0 * s0 + b1 * s1 + bi
    k = bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, jb, b0, b1)
    a0, a1, nu = kinds[0, 0], kinds[0, 1], 1.0 / kinds[0, 3]
    ja = a0 * s0 + a1 * s1 + kinds[0, 2]
    x0 = nu * bilinear(gg, h, s0, s1, s2, ja, a0, a1, jb, b0, b1)
    x00 = p[E0] * q[E0] - nu * bilinear(gg, h, s0, s1, s2, ja, a0, a1, ja, a0, a1)
    if kinds.shape[0] == 1:
        e0 = x0 * inverse_of(x00)
        omega = kinds[0, 4] * e0
        k += e0 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, ja, a0, a1)
    else:
        c0, c1, mu = kinds[1, 0], kinds[1, 1], 1.0 / kinds[1, 3]
        jc = c0 * s0 + c1 * s1 + kinds[1, 2]
        x1 = mu * bilinear(gg, h, s0, s1, s2, jc, c0, c1, jb, b0, b1)
        cross = bilinear(gg, h, s0, s1, s2, ja, a0, a1, jc, c0, c1)
        x11 = p[E1] * q[E1] - mu * bilinear(gg, h, s0, s1, s2, jc, c0, c1, jc, c0, c1)
        x01, x10 = -nu * cross, -mu * cross
        det = inverse_of(x00 * x11 - x01 * x10)
        e0 = (x0 * x11 - x01 * x1) * det
        e1 = (x00 * x1 - x10 * x0) * det
        omega = kinds[0, 4] * e0 + kinds[1, 4] * e1
        k += e0 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, ja, a0, a1)
        k += e1 * bilinear(gg, h, s0, s1, s2, s0, 1.0, 0.0, jc, c0, c1)
    return omega * (1.0 - p[LABEL] - q[LABEL]) + p[THETA] * q[THETA] * noise[0] * k


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def population(p, q, s0, s1, s2, noise, kinds, psi_p):
    """Q[U_test]: fresh points and fresh noise."""
    return sandwich(p, q, s0, s1, s2, noise[0], noise[1], noise[2] + noise[3], noise, kinds, psi_p)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def training_points(p, q, s0, s1, s2, noise, kinds, psi_p):
    """Q_emp: training points and fresh noise, finite m (docs/theory.md, section 4: leave one point out)."""
    ee = p[ETA] * q[ETA]
    phi = 1.0 - p[ETA] - q[ETA]
    b0 = noise[0] + ee * kinds[0, 0]
    b1 = phi * noise[1] + ee * kinds[0, 1]
    bi = phi * noise[2] + ee * kinds[0, 2] + noise[3]
    value = sandwich(p, q, s0, s1, s2, b0, b1, bi, noise, kinds, psi_p)
    return value + kinds[0, 4] * ee * (1.0 - p[LABEL] - q[LABEL])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def as_tuple(row):
    """A node's row as a tuple: the compiler keeps it in registers, where an array view costs a reference count."""
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def conjugate(row):
    """The row of the conjugate node, as a tuple."""
    p = as_tuple(row)
    return (
        p[0].conjugate(),
        p[1].conjugate(),
        p[2].conjugate(),
        p[3].conjugate(),
        p[4].conjugate(),
        p[5].conjugate(),
        p[6].conjugate(),
        p[7].conjugate(),
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def double_sums(rows, inverses, directions, weights, noise, lam, w, kinds, psi_p, empirical, negligible):
    """sum_ij q_i q_j Q(z_i, z_j) over all nodes and their conjugates, for Q[U_test] and (if `empirical`) Q_emp.

    Returned between the two: the derivative of the first by log(tau), which multiplies e^{-c tau (z_i + z_j)} by the
    exponent, minus the sum of the two directions. Pairs of weights with a product below `negligible` are left out.
    """
    total = slope = total_emp = 0.0
    for i in range(rows.shape[0]):
        p = as_tuple(rows[i])
        for j in range(i, rows.shape[0]):
            qq, qc = weights[i] * weights[j], weights[i] * weights[j].conjugate()
            if qq.real * qq.real + qq.imag * qq.imag < negligible * negligible:
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
            q, bar = as_tuple(rows[j]), conjugate(rows[j])
            exponent, exponent_bar = directions[i] + directions[j], directions[i] + directions[j].conjugate()
            twice = 2.0 if i == j else 4.0
            s0, s1, s2 = complex(p0, r0), complex(p1, r1), complex(p2, r2)
            n0, n1, n2 = complex(m0, t0), complex(m1, t1), complex(m2, t2)
            for _ in range(2):
                term = qq * population(p, q, s0, s1, s2, noise, kinds, psi_p)
                total += twice * term.real
                slope -= twice * (exponent * term).real
                if empirical:
                    total_emp += twice * (qq * training_points(p, q, s0, s1, s2, noise, kinds, psi_p)).real
                # The second round is the conjugate node's.
                q, qq, exponent, s0, s1, s2 = bar, qc, exponent_bar, n0, n1, n2
    return total, slope, total_emp


@njit(cache=True, nogil=True, error_model="numpy")
def begin(directions, shift, s, bound, x, lam, w, kinds, static, psi_p):
    """Solve every node at scale s from scratch, by way of |z| far above the spectrum. Returns the worst Newton step.

    x: (nodes, state_size), filled.
    """
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
def march(scales, wanted, empirical, directions, weights, shift, bound, noise, lam, w, kinds, static, psi_p, modes):
    """Sweep the contour over falling scales 1/(c tau); the two-resolvent sums only where `wanted` (E,).

    Returns (sums, worst): sums (5, E) with F1, F2, F2 on the training points (if `empirical`), L_train - 1 of the time
    halved, and sum_j q_j T1 / (z_j + ridge); worst: the largest Newton step left (inf if the branch was lost). Fills
    modes (E, k) with sum_j q_j theta u_k where `wanted`.
    """
    nodes = directions.size
    x = np.empty((nodes, state_size(kinds)), np.complex128)
    rows = np.zeros((nodes, COLUMNS), np.complex128)
    inverses = np.empty((nodes, lam.size), np.complex128)
    sums = np.zeros((5, scales.size))
    worst = begin(directions, shift, scales[0], bound, x, lam, w, kinds, static, psi_p)
    for e in range(scales.size):
        for j in range(nodes):
            if e > 0:
                step = follow(directions[j], shift, scales[e - 1], scales[e], x[j], lam, w, kinds, static, psi_p)
                worst = max(worst, step)
            describe(x[j], 1.0, noise, lam, w, kinds, static, rows[j], inverses[j])
            row = rows[j]
            t1 = weights[j] * (1.0 - row[THETA] * (1.0 - row[LABEL]))
            sums[0, e] += 2.0 * (weights[j] * row[LABEL]).real
            sums[3, e] += 2.0 * t1.real
            sums[4, e] += 2.0 * (t1 * inverse_of(directions[j] * scales[e])).real
            if wanted[e]:
                factor = weights[j] * row[THETA] * row[G]
                for k in range(lam.size):
                    modes[e, k] += 2.0 * (factor * inverses[j, k]).real
        if wanted[e]:
            sums[1, e], _, sums[2, e] = double_sums(
                rows, inverses, directions, weights, noise, lam, w, kinds, psi_p, empirical, NEGLIGIBLE
            )
        if not np.isfinite(worst):
            break
    return sums, worst

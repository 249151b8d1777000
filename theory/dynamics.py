"""Learning curves at any training time from two resolvents at a few nodes: docs/theory.md, sections 4 and 5.

f_tau(U) = sum_j q_j R(z_j) at the nodes z_j = -ridge + direction_j / (c tau) of genmem.theory.nodes, so that

    F1 = sum_j q_j theta b^2 h,   F2 = sum_ij q_i q_j Q[U_test](z_i, z_j),   L_test = 1 + 2 F1 + F2,
    L_train = 1 + (1/d) Tr V' f_{2 tau} V from T1(z_j) and T1'(z_j),   T1 = 1 - theta + theta^2 b^2 h.

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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def describe(x, unit, eq, row, inverse):
    """Fill a node's row (see above) and inverse_k = 1 / D_k from the solution x (unit: genmem.theory.resolvent)."""
    lam, w, kinds, static, noise = eq.eigenvalues, eq.weights, eq.kinds, eq.static, eq.noise
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
def bilinear(gg, pull, s0, s1, s2, a0, a1, b0, b1):
    """int A B u1 u2 + psi_p h12 j_A j_B for A, B affine in lambda; pull: its second term."""
    return gg * (a0 * b0 * s0 + (a0 * b1 + a1 * b0) * s1 + a1 * b1 * s2) + pull


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def ladder(p, q, s0, s1, s2, share):
    """(G1 G2, psi_p^2 h12): the sum over the columns of W that both resolvents see; share: 1/psi_p."""
    gg = p[G] * q[G]
    mm = p[M0] * q[M0] * s0 + (p[M0] * q[M1] + p[M1] * q[M0]) * s1 + p[M1] * q[M1] * s2
    return gg, gg * inverse_of(1.0 - share * gg * mm)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def closed(p, q, s0, s1, s2, gg, h, b0, b1, hb, noise, kinds):
    """Q[B] from the ladder over the columns, h = psi_p h12 and hb = h j_B, by closing that over the samples."""
    k = bilinear(gg, s0 * hb, s0, s1, s2, 1.0, 0.0, b0, b1)
    a0, a1, nu = kinds[0, 0], kinds[0, 1], 1.0 / kinds[0, 3]
    ja = a0 * s0 + a1 * s1 + kinds[0, 2]
    x0 = nu * bilinear(gg, ja * hb, s0, s1, s2, a0, a1, b0, b1)
    x00 = p[E0] * q[E0] - nu * bilinear(gg, h * ja * ja, s0, s1, s2, a0, a1, a0, a1)
    if kinds.shape[0] == 1:
        e0 = x0 * inverse_of(x00)
        omega = kinds[0, 4] * e0
        k += e0 * bilinear(gg, h * s0 * ja, s0, s1, s2, 1.0, 0.0, a0, a1)
    else:
        c0, c1, mu = kinds[1, 0], kinds[1, 1], 1.0 / kinds[1, 3]
        jc = c0 * s0 + c1 * s1 + kinds[1, 2]
        x1 = mu * bilinear(gg, jc * hb, s0, s1, s2, c0, c1, b0, b1)
        cross = bilinear(gg, h * ja * jc, s0, s1, s2, a0, a1, c0, c1)
        x11 = p[E1] * q[E1] - mu * bilinear(gg, h * jc * jc, s0, s1, s2, c0, c1, c0, c1)
        x01, x10 = -nu * cross, -mu * cross
        det = inverse_of(x00 * x11 - x01 * x10)
        e0 = (x0 * x11 - x01 * x1) * det
        e1 = (x00 * x1 - x10 * x0) * det
        omega = kinds[0, 4] * e0 + kinds[1, 4] * e1
        k += e0 * bilinear(gg, h * s0 * ja, s0, s1, s2, 1.0, 0.0, a0, a1)
        k += e1 * bilinear(gg, h * s0 * jc, s0, s1, s2, 1.0, 0.0, c0, c1)
    return omega * (1.0 - p[LABEL] - q[LABEL]) + p[THETA] * q[THETA] * noise[0] * k


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def sandwich(p, q, s0, s1, s2, b0, b1, bi, noise, kinds, share):
    """Q[B] for B = W (b0 + b1 Sigma) W'/d + bi at nodes p and q; s_r = sum_k w_k lambda_k^r / (D_k D'_k)."""
    gg, h = ladder(p, q, s0, s1, s2, share)
    h *= share
    return closed(p, q, s0, s1, s2, gg, h, b0, b1, h * (b0 * s0 + b1 * s1 + bi), noise, kinds)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def squared(p, s0, s1, s2, noise, kinds, share):
    """dT1/dz = (1/d) Tr V' R^2 V at node p; at infinite width by z in units of psi_p."""
    gg, h = ladder(p, p, s0, s1, s2, share)
    return (share if share > 0.0 else 1.0) * closed(p, p, s0, s1, s2, gg, share * h, 0.0, 0.0, h, noise, kinds)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def population(p, q, s0, s1, s2, noise, kinds, share):
    """Q[U_test]: fresh points and fresh noise."""
    return sandwich(p, q, s0, s1, s2, noise[0], noise[1], noise[2] + noise[3], noise, kinds, share)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def training_points(p, q, s0, s1, s2, noise, kinds, share):
    """Q_emp: training points and fresh noise, finite m (docs/theory.md, section 4: leave one point out)."""
    ee = p[ETA] * q[ETA]
    phi = 1.0 - p[ETA] - q[ETA]
    b0 = noise[0] + ee * kinds[0, 0]
    b1 = phi * noise[1] + ee * kinds[0, 1]
    bi = phi * noise[2] + ee * kinds[0, 2] + noise[3]
    value = sandwich(p, q, s0, s1, s2, b0, b1, bi, noise, kinds, share)
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
def double_sums(rows, inverses, rule, eq, empirical, squares):
    """sum_ij q_i q_j Q(z_i, z_j) over all nodes and their conjugates, for Q[U_test] and (if `empirical`) Q_emp.

    Returned between the two: the derivative of the first by log(tau). squares (nodes,): filled with dT1/dz = (1/d) Tr
    V' R^2 V; or empty.
    """
    # Taken out of the equations here: once for each pair of nodes would cost a tenth of a curve.
    lam, w, kinds, share, noise = eq.eigenvalues, eq.weights, eq.kinds, eq.share, eq.noise
    weights, slopes = rule.weights, rule.slopes
    total = slope = total_emp = 0.0
    for i in range(rows.shape[0]):
        p = as_tuple(rows[i])
        for j in range(i, rows.shape[0]):
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
            twice = 2.0 if i == j else 4.0
            s0, s1, s2 = complex(p0, r0), complex(p1, r1), complex(p2, r2)
            n0, n1, n2 = complex(m0, t0), complex(m1, t1), complex(m2, t2)
            if i == j and squares.size > 0:
                squares[i] = squared(p, s0, s1, s2, noise, kinds, share)
            weight, change = weights[j], slopes[j]
            for _ in range(2):
                pair = twice * weights[i] * weight
                turn = twice * (weights[i] * change + slopes[i] * weight)
                term = population(p, q, s0, s1, s2, noise, kinds, share)
                total += (pair * term).real
                slope += (turn * term).real
                if empirical:
                    total_emp += (pair * training_points(p, q, s0, s1, s2, noise, kinds, share)).real
                # The second round is the conjugate node's.
                q, s0, s1, s2 = bar, n0, n1, n2
                weight, change = weights[j].conjugate(), slopes[j].conjugate()
    return total, slope, total_emp


@njit(cache=True, nogil=True, error_model="numpy")
def begin(directions, shift, s, bound, x, eq):
    """Solve every node at scale s from scratch, by way of |z| far above the spectrum. Returns the worst Newton step.

    x: (nodes, state_size), filled.
    """
    worst = 0.0
    for j in range(directions.size):
        far = max(s, 20.0 * (bound + abs(shift)) / abs(directions[j]))
        z = shift + directions[j] * far
        start(z, x[j], eq)
        step, _ = newton(z, x[j], eq, 1.0)
        if step < CONVERGED:
            step = max(step, follow(directions[j], shift, far, s, x[j], eq))
        worst = max(worst, step)
    return worst


@njit(cache=True, nogil=True, error_model="numpy")
def march(scales, empirical, rule, shift, bound, eq, target, gain):
    """Sweep the nodes over falling scales 1/(c tau), (E,).

    target (k,), gain: of the mean score, whose coefficients are gain x sum_j q_j theta u_k.
    Returns (sums, worst): sums (6, E) with F1, F2, F2 on the training points (if `empirical`), the penalised L_train -
    1, (1/d) Tr V' f_tau^2 V, and bias^2 (see genmem.theory.model.LearningCurves); worst: the largest Newton step left
    (inf if the branch was lost).
    """
    directions, weights = rule.directions, rule.weights
    lam, w = eq.eigenvalues, eq.weights
    x = np.empty((directions.size, state_size(eq.kinds)), np.complex128)
    rows = np.zeros((directions.size, COLUMNS), np.complex128)
    inverses = np.empty((directions.size, lam.size), np.complex128)
    squares = np.empty(directions.size, np.complex128)
    modes = np.empty(lam.size)
    sums = np.zeros((6, scales.size))
    worst = begin(directions, shift, scales[0], bound, x, eq)
    for e in range(scales.size):
        modes[:] = 0.0
        for j in range(directions.size):
            if e > 0:
                worst = max(worst, follow(directions[j], shift, scales[e - 1], scales[e], x[j], eq))
            describe(x[j], 1.0, eq, rows[j], inverses[j])
            sums[0, e] += 2.0 * (weights[j] * rows[j, LABEL]).real
            factor = 2.0 * weights[j] * rows[j, THETA] * rows[j, G]
            for k in range(lam.size):
                modes[k] += factor.real * inverses[j, k].real - factor.imag * inverses[j, k].imag
        sums[1, e], _, sums[2, e] = double_sums(rows, inverses, rule, eq, empirical, squares)
        for j in range(directions.size):
            z = directions[j] * scales[e]
            t1 = 1.0 - rows[j, THETA] * (1.0 - rows[j, LABEL])
            turn = rule.square[j] * z * squares[j]
            sums[3, e] += 2.0 * (rule.train[j] * t1 + turn).real
            rest = rule.train[j] - 2.0 * weights[j] - rule.square[j]
            sums[4, e] += 2.0 * ((rest * t1 + turn) * inverse_of(z)).real
        for k in range(lam.size):
            miss = gain * modes[k] - target[k]
            sums[5, e] -= w[k] * miss * miss / target[k]
        if not np.isfinite(worst):
            break
    return sums, worst


@njit(cache=True, nogil=True, error_model="numpy")
def mean_score(scales, rule, shift, bound, eq, at, modes):
    """Fill modes (E, K) with sum_j q_j theta G / D(lambda) at falling scales 1/(c tau), (E,), and eigenvalues at (K,).

    Returns the largest Newton step left (inf if the branch was lost).
    """
    directions = rule.directions
    x = np.empty((directions.size, state_size(eq.kinds)), np.complex128)
    row, inverse = np.zeros(COLUMNS, np.complex128), np.empty(eq.eigenvalues.size, np.complex128)
    modes[:] = 0.0
    worst = begin(directions, shift, scales[0], bound, x, eq)
    for e in range(scales.size):
        for j in range(directions.size):
            if e > 0:
                worst = max(worst, follow(directions[j], shift, scales[e - 1], scales[e], x[j], eq))
            describe(x[j], 1.0, eq, row, inverse)
            factor = 2.0 * rule.weights[j] * row[THETA] * row[G]
            m0, m1 = 1.0 + row[G] * row[M0], row[G] * row[M1]
            for k in range(at.size):
                modes[e, k] += (factor * inverse_of(m0 + m1 * at[k])).real
        if not np.isfinite(worst):
            break
    return worst

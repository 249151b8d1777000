"""SGD in closed form: what the noise of the minibatches' gradients adds to the losses of the gradient flow.

In high dimension the gradient noise of a minibatch has the covariance (d L_train / B) U, so that it feeds back through
one number, kappa = learning rate / (B d), and the train loss obeys a Volterra equation (docs/theory.md, "Batch size and
learning rate")

    L(tau) = flow(tau) + (4 Delta^2 kappa / psi_p) int_0^tau K(tau - s) L(s) ds,  K(u) = (1/p) Tr U^2 e^{-2cu(U+ridge)}.

Its Laplace transform is an equation of one number: with s = -2c (z + ridge) the transform of K is (1/p) Tr U^2 R(z) /
2c, so

    L(tau) = -sum_j q_j l(z_j) / (1 - Delta kappa (1/p) Tr U^2 R(z_j)),   l(z) = 1 - T1(z) without a ridge,

on the very nodes that give the flow's train loss, those of the time 2 tau. The other losses follow with (1/p) Tr B U R
in place of one factor (1/p) Tr U^2 R. For SGD's homogenised limit see Paquette et al. (arXiv:2102.04396).
"""

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.dynamics import COLUMNS, ETA, LABEL, M0, M1, THETA, begin, describe
from genmem.theory.limits import bounds, solve_limit
from genmem.theory.resolvent import follow, inverse_of, state_size

# What is known at a node: T1 = (1/d) Tr V' R V, and (1/p) Tr B R for B = U, U^2, U_test U and U_emp U.
T1, POWER, TRAIN, TEST, EMPIRICAL = range(5)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def traces(x, unit, eq, row, inverse, out):
    """Fill out (5,) from the solution x and its row and inverse (genmem.theory.dynamics.describe); unit, noise: there.

    U R = 1 + z R would cancel at large |z|; with X = (1/p) Tr U R / g from the equations themselves nothing does.
    """
    lam, w, kinds, static, noise = eq.eigenvalues, eq.weights, eq.kinds, eq.static, eq.noise
    g = x[0] * eq.share
    # The isotropic part of X, and of (1/p) Tr U less that part.
    iso, lost, all0, all1, lost0, lost1 = static[2] + 0j, 0j, static[0] + 0j, static[1] + 0j, 0j, 0j
    for a in range(kinds.shape[0]):
        e = inverse_of(unit + x[a + 1])
        share = x[a + 1] * e
        iso += kinds[a, 2] * e
        lost += kinds[a, 2] * share
        all0 += kinds[a, 0]
        all1 += kinds[a, 1]
        lost0 += kinds[a, 0] * share
        lost1 += kinds[a, 1] * share
    i0 = i1 = bent0 = bent1 = 0j
    for k in range(lam.size):
        m = row[M0] + row[M1] * lam[k]
        i0 += w[k] * inverse[k]
        i1 += w[k] * lam[k] * inverse[k]
        # int lambda^r G M / D.
        gm = w[k] * x[0] * m * inverse[k]
        bent0 += gm
        bent1 += lam[k] * gm
    big_x = iso + row[M0] * i0 + row[M1] * i1
    power = g * big_x
    data = noise[1] * i1 + noise[2]
    fresh = noise[0] * i0 + noise[3]
    out[T1] = 1.0 - row[THETA] * (1.0 - row[LABEL])
    out[POWER] = power
    # In the null-space limit X itself vanishes, g X does not.
    out[TRAIN] = unit * power * big_x + lost + lost0 * i0 + lost1 * i1 + all0 * bent0 + all1 * bent1
    out[TEST] = noise[0] * bent0 + noise[1] * bent1 + power * (data + fresh)
    # Leaving a training point out takes the share ETA of its own data (docs/theory.md, section 4).
    eta = row[ETA]
    out[EMPIRICAL] = noise[0] * bent0 + noise[1] * bent1 + power * (data * (1.0 - eta) + fresh) + data * eta


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(scales, directions, shift, bound, eq, out):
    """Fill out (5, E, nodes) with the traces at the nodes z = shift + direction * scale, for E falling scales.

    Returns the worst Newton step, inf if the branch was lost.
    """
    lam, kinds = eq.eigenvalues, eq.kinds
    x = np.empty((directions.size, state_size(kinds)), np.complex128)
    row, inverse = np.zeros(COLUMNS, np.complex128), np.empty(lam.size, np.complex128)
    worst = begin(directions, shift, scales[0], bound, x, eq)
    for e in range(scales.size):
        for j in range(directions.size):
            if e > 0:
                step = follow(directions[j], shift, scales[e - 1], scales[e], x[j], eq)
                worst = max(worst, step)
            describe(x[j], 1.0, eq, row, inverse)
            traces(x[j], 1.0, eq, row, inverse, out[:, e, j])
        if not np.isfinite(worst):
            break
    return worst


@njit(cache=True, nogil=True, error_model="numpy")
def limit_traces(ridge, bound, eq, out):
    """Fill out (5,) with the traces as z -> (-ridge)-; False if no solution was found."""
    samples, _, eq = bounds(ridge, eq)
    x = np.empty(state_size(eq.kinds), np.complex128)
    unit = solve_limit(x, ridge, bound, samples, eq)
    if np.isnan(unit):
        return False
    row, inverse = np.zeros(COLUMNS, np.complex128), np.empty(eq.eigenvalues.size, np.complex128)
    describe(x, unit, eq, row, inverse)
    traces(x, unit, eq, row, inverse, out)
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def added(rule, s, ridge, strength, x, rows, inverses, t1, earlier, eq):
    """What the gradient noise adds at half the time of the scale s, whose nodes are x, rows, inverses and t1.

    earlier: T1 at twice the scale. Returns (test, slope, train, slope), the slopes by log(tau).
    """
    directions, weights, slopes = rule.directions, rule.weights, rule.slopes
    test = test_slope = train = train_slope = 0.0
    trace = np.empty(5, np.complex128)
    for j in range(directions.size):
        traces(x[j], 1.0, eq, rows[j], inverses[j], trace)
        drive = 1.0 - t1[j] - ridge * (earlier[j] - t1[j]) * inverse_of(directions[j] * s)
        drive *= -2.0 * strength * inverse_of(1.0 - strength * trace[TRAIN])
        on_test, on_train = drive * trace[TEST], drive * trace[TRAIN]
        test += (weights[j] * on_test).real
        test_slope += (slopes[j] * on_test).real
        train += (weights[j] * on_train).real
        train_slope += (slopes[j] * on_train).real
    return test, test_slope, train, train_slope


def excess(tau, strength, ridge, rate, rule, bound, eq) -> tuple[np.ndarray, float]:
    """What the gradient noise adds to (test, train, penalised, empirical) at finite times tau > 0 (K,): (4, K).

    strength: Delta kappa. rate: c. rule: of genmem.theory.nodes. bound, eq: as `march` in genmem.theory.dynamics takes
    them. Returns the residual too, inf if the equations could not be followed.
    """
    directions, weights = rule.directions, rule.weights
    # With a ridge the loss without the penalty needs the nodes of tau itself too.
    times = np.concatenate([2 * tau, tau]) if ridge else 2 * tau
    events, place = np.unique(times, return_inverse=True)
    scales = 1 / (rate * events)
    out = np.empty((5, events.size, directions.size), complex)
    worst = sweep(scales, directions, -ridge, bound, eq, out)
    if not np.isfinite(worst):
        return np.full((4, tau.size), np.nan), worst
    doubled = place[: tau.size]
    at = out[:, doubled]
    drive = 1 - at[T1]
    if ridge:
        drive -= ridge * (out[T1, place[tau.size :]] - at[T1]) / (directions * scales[doubled, None])
    drive = -2 * strength * weights * drive / (1 - strength * at[TRAIN])
    power, train, test, empirical = (
        np.sum((drive * at[kind]).real, axis=1) for kind in (POWER, TRAIN, TEST, EMPIRICAL)
    )
    return np.array([test, train, train + ridge * power, empirical]), float(worst)


@njit(cache=True, nogil=True, error_model="numpy")
def limit_excess(strength, train, ridge, kernel):
    """`excess` at tau = infinity, (4,), from the flow's train loss there and the traces of `limit_traces`."""
    drive = strength * train / (1.0 - strength * kernel[TRAIN].real)
    own = drive * kernel[TRAIN].real
    penalty = ridge * (drive * kernel[POWER].real)
    return np.array([drive * kernel[TEST].real, own, own + penalty, drive * kernel[EMPIRICAL].real])

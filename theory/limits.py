"""Infinite training time, exactly: the resolvent at z -> (-ridge)-, where f_tau(x) -> -1/x on the range of U.

With finitely many copies and no ridge the limit depends on which are more, the nm samples or the p features. In the
ratios r_a = G / (unit + delta_a) the equations of genmem.theory.resolvent become

    r_a X_a = nu_a (1 - eta r_a / sum_b nu_b r_b),   X_a = int A_a / D + c_a,   D = 1 + sum_a r_a A_a,

with eta = nm - p where samples are more, else 0 (their sum is sum_a nu_a / e_a = nm - p + z G at z = 0). They are as
well conditioned at nm = p as elsewhere: G = sum_a nu_a r_a / eta on one side, and on the other, where the unknowns grow
like 1/(-z), the coefficient is G = p - nm (all per dimension). At nm = p itself theta G = sum_a pi_a r_a is finite, and
with it the mean score; the test loss is infinite.
"""

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.dynamics import COLUMNS, LABEL, M0, M1, THETA, describe, population, sandwich, training_points
from genmem.theory.resolvent import CONVERGED, Equations, follow, inverse_of, newton, start, state_size

# Relative to the spectrum's scale: from here a few Newton steps reach the limit; where they do not, from the next.
NEAR_ZERO = (1e-9, 1e-18, 1e-30)
# Relative distance from n m = p that is as good as none.
ROUNDING = 1e-15
# A step of the ratios at which rounding may stop Newton's method.
STALLED = 1e-9
# Status of the limit.
REACHED, DIVERGES, LOST = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def ratios(r, excess, lam, w, kinds):
    """Solve the equations in this module's head for r (T,) in place, by Newton's method; True on success."""
    size = r.size
    miss, slope = np.empty(size), np.empty((size, size))
    previous = np.inf
    for _ in range(60):
        total = 0.0
        for a in range(size):
            miss[a] = r[a] * kinds[a, 2]
            total += kinds[a, 3] * r[a]
        for a in range(size):
            for b in range(size):
                slope[a, b] = kinds[a, 2] if a == b else 0.0
        for k in range(lam.size):
            d = 1.0
            for a in range(size):
                d += r[a] * (kinds[a, 0] + kinds[a, 1] * lam[k])
            for a in range(size):
                strength = kinds[a, 0] + kinds[a, 1] * lam[k]
                miss[a] += w[k] * r[a] * strength / d
                slope[a, a] += w[k] * strength / d
                for b in range(size):
                    slope[a, b] -= w[k] * r[a] * strength * (kinds[b, 0] + kinds[b, 1] * lam[k]) / (d * d)
        for a in range(size):
            nu = kinds[a, 3]
            miss[a] -= nu * (1.0 - excess * r[a] / total)
            slope[a, a] += nu * excess / total
            for b in range(size):
                slope[a, b] -= nu * excess * r[a] * kinds[b, 3] / (total * total)
        if size == 1:
            miss[0] /= slope[0, 0]
        else:
            det = slope[0, 0] * slope[1, 1] - slope[0, 1] * slope[1, 0]
            first = (miss[0] * slope[1, 1] - slope[0, 1] * miss[1]) / det
            miss[1] = (slope[0, 0] * miss[1] - slope[1, 0] * miss[0]) / det
            miss[0] = first
        step = 0.0
        for a in range(size):
            step = max(step, abs(miss[a] / r[a]))
            r[a] -= miss[a]
            if not r[a] > 0.0:
                return False
        if step < 1e-14 or (step < STALLED and step >= 0.5 * previous):
            return True
        previous = step
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def at_zero(x, samples, eq):
    """Turn x, a solution near z = 0 at finitely many copies without ridge, into the limit's; returns unit, or nan."""
    lam, w, kinds, psi_p = eq.eigenvalues, eq.weights, eq.kinds, eq.psi_p
    r = np.empty(kinds.shape[0])
    for a in range(r.size):
        r[a] = x[0].real / (1.0 + x[a + 1].real)
    excess = samples - psi_p if eq.share > 0.0 else -psi_p
    if abs(excess) <= ROUNDING * psi_p:
        excess = 0.0
    if not ratios(r, max(excess, 0.0), lam, w, kinds):
        return np.nan
    total = 0.0
    for a in range(r.size):
        total += kinds[a, 3] * r[a]
    # At nm = p only the ratios count: the coefficients vanish together.
    x[0] = total / excess if excess > 0.0 else -excess if excess < 0.0 else 1.0
    for a in range(r.size):
        x[a + 1] = x[0] / r[a] - (1.0 if excess > 0.0 else 0.0)
    return 1.0 if excess > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def solve_limit(x, ridge, bound, samples, eq):
    """Fill the state x with the limit z -> (-ridge)-; returns unit (see genmem.theory.resolvent), nan if lost."""
    kinds, static, psi_p = eq.kinds, eq.static, eq.psi_p
    bare = ridge == 0.0 and static[3] == 0.0
    isotropic = static[2]
    for a in range(kinds.shape[0]):
        isotropic += kinds[a, 2]
    # Features without an isotropic part have rank d at most: beyond, only G grows, and its limit is taken far down.
    flat = ridge == 0.0 and isotropic == 0.0 and min(samples, psi_p) >= 1.0
    # At infinite width and infinitely many copies D alone grows with G, and the limit is taken far down as well.
    flat = flat or (eq.share == 0.0 and static[3] > 0.0)
    far = 20.0 * (bound + ridge)
    start(complex(-ridge - far), x, eq)
    step, _ = newton(complex(-ridge - far), x, eq, 1.0)
    if not step < CONVERGED:
        return np.nan
    for depth in NEAR_ZERO:
        near = depth * bound
        if not follow(complex(-1.0), -ridge, far, near, x, eq) < CONVERGED:
            return np.nan
        far = near
        if flat:
            continue
        trial = x.copy()
        if bare:
            unit = at_zero(trial, samples, eq)
            good = not np.isnan(unit)
        else:
            unit = 1.0
            step, _ = newton(complex(-ridge), trial, eq, unit)
            good = step < CONVERGED and trial[0].real > 0.0
        if good:
            x[:] = trial
            return unit
    # Where no equation of the limit was solved, this close to zero is as good as there.
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def bounds(ridge, eq):
    """(samples, rank, eq): n m and the features' rank per dimension, inf for no bound; equations of the same limit."""
    kinds, static, psi_p = eq.kinds, eq.static, eq.psi_p
    samples, isotropic = 0.0, static[2]
    for a in range(kinds.shape[0]):
        samples += kinds[a, 3]
        isotropic += kinds[a, 2]
    if static[3] > 0.0:
        samples = np.inf
    rank = psi_p if eq.share > 0.0 else np.inf
    if isotropic == 0.0:
        # Linear features span d dimensions only. Where samples do too, what is fitted is the least squares of n points
        # in d dimensions for any such width; next to p = d itself the equations would cancel.
        rank = min(rank, 1.0)
        if ridge == 0.0 and psi_p >= 1.0 and samples >= 1.0 and eq.share > 0.0:
            psi_p = max(psi_p, 2.0)
            eq = Equations(eq.eigenvalues, eq.weights, kinds, static, psi_p, 1.0 / psi_p, eq.noise)
    return samples, rank, eq


@njit(cache=True, nogil=True, error_model="numpy")
def infinite_time(ridge, bound, eq, at, modes):
    """Return (sums, square, status) at tau = infinity.

    sums (4,): F1, F2, F2 on the training points (finite m), and L_train - 1, penalty included. square: the trace
    (1/d) Tr V' R^2 V, from which the penalty follows. modes (K,): filled with -theta G / D at the eigenvalues at
    (K,). status: REACHED; DIVERGES at the interpolation threshold n m = p (for linear features min(p, d)) without
    ridge (infinite test loss, F2); LOST if no solution was found. Near the threshold F2 is known to 1e-16 / |nm/p -
    1| relative, as nm/p - 1 itself is.
    """
    samples, rank, eq = bounds(ridge, eq)
    lam, w, kinds, share, noise = eq.eigenvalues, eq.weights, eq.kinds, eq.share, eq.noise
    x = np.empty(state_size(kinds), np.complex128)
    sums = np.zeros(4)
    unit = solve_limit(x, ridge, bound, samples, eq)
    if np.isnan(unit):
        return sums, 0.0, LOST
    row = np.zeros(COLUMNS, np.complex128)
    inverse = np.empty(lam.size, np.complex128)
    describe(x, unit, eq, row, inverse)
    s0 = s1 = s2 = 0j
    for k in range(lam.size):
        pp = w[k] * inverse[k] * inverse[k]
        s0 += pp
        s1 += lam[k] * pp
        s2 += lam[k] * lam[k] * pp
    for k in range(at.size):
        d = inverse_of(1.0 + x[0] * (row[M0] + row[M1] * at[k]))
        modes[k] = -(row[THETA] * x[0] * d).real
    sums[0] = -row[LABEL].real
    # In the null-space limit theta itself vanishes; theta h does not.
    sums[3] = -(1.0 - unit * row[THETA] * (1.0 - row[LABEL])).real
    if ridge == 0.0 and np.isfinite(rank) and abs(samples - rank) <= ROUNDING * rank:
        sums[1], sums[2] = np.inf, np.inf
        return sums, 0.0, DIVERGES
    sums[1] = population(row, row, s0, s1, s2, noise, kinds, share).real
    sums[2] = training_points(row, row, s0, s1, s2, noise, kinds, share).real
    square = 0.0
    if ridge > 0.0:
        square = sandwich(row, row, s0, s1, s2, 0.0, 0.0, 1.0, noise, kinds, share).real
    return sums, square, REACHED

"""Infinite training time, exactly: the resolvent at z -> (-ridge)-, where f_tau(x) -> -1/x on the range of U."""

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.dynamics import COLUMNS, LABEL, THETA, describe, population, sandwich, training_points
from genmem.theory.resolvent import CONVERGED, follow, newton, start, state_size

# Relative to the spectrum's scale: from here a few Newton steps reach the limit.
NEAR_ZERO = 1e-9
# Relative distance from n m = p that is as good as none.
ROUNDING = 1e-15
# Status of the limit.
REACHED, DIVERGES, LOST = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def infinite_time(ridge, bound, noise, lam, w, kinds, static, psi_p, modes):
    """Return (sums, square, status) at tau = infinity.

    sums (4,): F1, F2, F2 on the training points (finite m), and L_train - 1, penalty included. square: the trace
    (1/d) Tr V' R^2 V, from which the penalty follows. modes (k,): filled with -theta G / D_k. status: REACHED; DIVERGES
    at the interpolation threshold n m = p without ridge (infinite test loss); LOST if no solution was found.
    """
    size = kinds.shape[0] + 1
    x = np.empty(state_size(kinds), np.complex128)
    sums = np.zeros(4)
    samples = 0.0
    for a in range(size - 1):
        samples += kinds[a, 3]
    bare = ridge == 0.0 and static[3] == 0.0
    if bare and abs(samples - psi_p) <= ROUNDING * psi_p:
        sums[0], sums[1], sums[2], sums[3] = -1.0, np.inf, np.inf, -1.0
        return sums, 0.0, DIVERGES
    far, near = 20.0 * (bound + ridge), NEAR_ZERO * bound
    start(complex(-ridge - far), x, lam, w, kinds, psi_p)
    step, _ = newton(complex(-ridge - far), x, lam, w, kinds, static, psi_p, 1.0)
    if step < CONVERGED:
        step = follow(complex(-1.0), -ridge, far, near, x, lam, w, kinds, static, psi_p)
    if not step < CONVERGED:
        return sums, 0.0, LOST
    # Fewer samples than features and nothing else: every unknown diverges like 1/(-z); see genmem.theory.resolvent.
    unit, z = 1.0, -ridge
    if bare and samples < psi_p:
        unit, z = 0.0, -1.0
        for i in range(size):
            x[i] *= near
    step, _ = newton(complex(z), x, lam, w, kinds, static, psi_p, unit)
    if not (step < CONVERGED and x[0].real > 0.0):
        return sums, 0.0, LOST
    row = np.zeros(COLUMNS, np.complex128)
    inverse = np.empty(lam.size, np.complex128)
    describe(x, unit, noise, lam, w, kinds, static, row, inverse)
    s0 = s1 = s2 = 0j
    for k in range(lam.size):
        pp = w[k] * inverse[k] * inverse[k]
        s0 += pp
        s1 += lam[k] * pp
        s2 += lam[k] * lam[k] * pp
        modes[k] = -(row[THETA] * x[0] * inverse[k]).real
    sums[0] = -row[LABEL].real
    sums[1] = population(row, row, s0, s1, s2, noise, kinds, psi_p).real
    sums[2] = training_points(row, row, s0, s1, s2, noise, kinds, psi_p).real
    # In the null-space limit theta itself vanishes; theta h does not.
    sums[3] = -(1.0 - unit * row[THETA] * (1.0 - row[LABEL])).real
    square = 0.0
    if ridge > 0.0:
        square = sandwich(row, row, s0, s1, s2, 0.0, 0.0, 1.0, noise, kinds, psi_p).real
    return sums, square, REACHED

"""Infinite training time, exactly: the resolvent at z -> (-ridge)-, where f_tau(x) -> -1/x on the range of U."""

import numpy as np
from numba import njit

from theory.dynamics import LABEL, THETA, describe, pair
from theory.resolvent import CONVERGED, follow, newton, start

# Relative to the spectrum's scale: from here one Newton step reaches the limit.
NEAR_ZERO = 1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def infinite_time(ridge, bound, target, b2, lam, w, kinds, static, psi_p):
    """Return (first, second, train, square, u, status) at tau = infinity.

    first = F1, second = F2 = Q[B](z, z), train = L_train - 1 = -T1, square = (1/d) Tr V' R^2 V (for the train loss
    without penalty), u (k,): theta G / D_k, so that the modes are -b^2 u / Delta. status: 0, or 1 at the interpolation
    threshold n m = p without ridge (the test loss is infinite), or 2 if the solution was lost.
    """
    size = kinds.shape[0] + 1
    x = np.empty(size, np.complex128)
    u = np.zeros(lam.size)
    far = 20.0 * (bound + ridge)
    samples = 0.0
    for a in range(size - 1):
        samples += kinds[a, 3]
    bare = ridge == 0.0 and static[3] == 0.0
    if bare and samples == psi_p:
        return -1.0, np.inf, -1.0, 0.0, u, 1
    near = NEAR_ZERO * bound
    start(complex(-ridge - far), x, lam, w, kinds, psi_p)
    step, _ = newton(complex(-ridge - far), x, lam, w, kinds, static, psi_p, 1.0)
    if step < CONVERGED:
        step = follow(complex(-1.0), -ridge, far, near, x, lam, w, kinds, static, psi_p)
    if not step < CONVERGED:
        return np.nan, np.nan, np.nan, np.nan, u, 2
    # Fewer samples than features and nothing else: every unknown diverges like 1/(-z); see theory.resolvent.
    unit = 0.0 if bare and samples < psi_p else 1.0
    if unit == 0.0:
        x *= near
        step, _ = newton(complex(-1.0), x, lam, w, kinds, static, psi_p, unit)
    else:
        step, _ = newton(complex(-ridge), x, lam, w, kinds, static, psi_p, unit)
    if not step < CONVERGED or x[0].real <= 0.0:
        return np.nan, np.nan, np.nan, np.nan, u, 2
    row = np.zeros(8, np.complex128)
    inverse = np.empty(lam.size, np.complex128)
    describe(x, unit, b2, lam, w, kinds, static, row, inverse)
    s0 = s1 = s2 = 0j
    for k in range(lam.size):
        pp = w[k] * inverse[k] * inverse[k]
        s0 += pp
        s1 += lam[k] * pp
        s2 += lam[k] * lam[k] * pp
        u[k] = (row[THETA] * x[0] * inverse[k]).real
    second = pair(row, row, s0, s1, s2, target, b2, kinds, psi_p).real
    # In the null-space limit theta itself vanishes; theta h does not.
    theta = row[THETA] * unit
    train = -(1.0 - theta * (1.0 - row[LABEL])).real
    square = 0.0
    if ridge > 0.0:
        identity = np.array([0.0, 0.0, 1.0])
        square = pair(row, row, s0, s1, s2, identity, b2, kinds, psi_p).real
    return -row[LABEL].real, second, train, square, u, 0

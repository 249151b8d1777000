"""tau_gen, tau_mem and tau_gap of the closed form: a coarse sweep in log(tau), then every event by exact evaluation.

The definitions are those of theory.timescales. The sweep's ratio is sqrt(2), so the nodes that give the test loss at tau
give the train loss at tau / 2; it ends where both losses have reached their exact limit at tau = infinity.
"""

import numpy as np
from numba import njit

from theory.dynamics import LABEL, THETA, begin, describe, double_sum
from theory.limits import infinite_time
from theory.resolvent import follow

GRID = np.sqrt(0.5)
LONGEST = 480
# The sweep ends when the losses are this close, in units of F, to their limits, on the same side of every level.
SETTLED = 1e-3
# Relative accuracy of a refined time.
PRECISE = 1e-9
# Status of a computed point.
SOLVED, LOST, UNSETTLED = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def losses(s_from, s, x_from, x, rows, inverses, problem):
    """(test - 1, train - 1 at half the time) at scale s, carried there from the solutions x_from at s_from."""
    directions, weights, shift, target, b2, lam, w, kinds, static, psi_p = problem
    worst = train = first = 0.0
    for j in range(directions.size):
        x[j] = x_from[j]
        step = follow(directions[j], shift, s_from, s, x[j], lam, w, kinds, static, psi_p)
        worst = max(worst, step)
        describe(x[j], 1.0, b2, lam, w, kinds, static, rows[j], inverses[j])
        first += 2.0 * (weights[j] * rows[j, LABEL]).real
        train += 2.0 * (weights[j] * (1.0 - rows[j, THETA] * (1.0 - rows[j, LABEL]))).real
    test = 2.0 * first + double_sum(rows, inverses, weights, target, b2, lam, w, kinds, psi_p)
    return test, train, worst


@njit(cache=True, nogil=True, error_model="numpy")
def crossing(level, sign, with_train, k, log_s, value_left, value_right, xs, x, rows, inverses, problem):
    """log s between grid points k - 1 and k at which sign (test - [train] - level) turns positive (Illinois rule)."""
    left, right = log_s[k - 1], log_s[k]
    f_left, f_right = value_left, value_right
    side = 0
    middle = right
    for _ in range(60):
        middle = (left * f_right - right * f_left) / (f_right - f_left)
        if abs(right - left) < PRECISE or f_right == f_left:
            break
        test, _, _ = losses(np.exp(log_s[k - 1]), np.exp(middle), xs[k - 1], x, rows, inverses, problem)
        value = test - level
        if with_train:
            _, train, _ = losses(np.exp(log_s[k - 1]), 0.5 * np.exp(middle), xs[k - 1], x, rows, inverses, problem)
            value -= train
        value *= sign
        if abs(value) < 1e-3 * PRECISE * abs(level) or abs(value) < 1e-15:
            break
        if value > 0:
            if abs(middle - right) < PRECISE:
                break
            right, f_right = middle, value
            if side == 1:
                f_left *= 0.5
            side = 1
        else:
            if abs(middle - left) < PRECISE:
                break
            left, f_left = middle, value
            if side == -1:
                f_right *= 0.5
            side = -1
    return middle


@njit(cache=True, nogil=True, error_model="numpy")
def closed_form_times(bound, ridge, floor, fractions, c, problem, out):
    """Fill out = [gen, mem, gap, minimum, loss_min - 1, test(inf) - 1, train(inf) - 1]; returns the status.

    floor: a test loss minus one for `gen`, or nan for the minimum. fractions: (gen, mem, gap). Times are in units of tau.
    """
    directions, weights, shift, target, b2, lam, w, kinds, static, psi_p = problem
    nodes, size = directions.size, kinds.shape[0] + 1
    xs = np.empty((LONGEST, nodes, size), np.complex128)
    x = np.empty((nodes, size), np.complex128)
    rows = np.zeros((nodes, 8), np.complex128)
    inverses = np.empty((nodes, lam.size), np.complex128)
    log_s, test, train = np.empty(LONGEST), np.empty(LONGEST), np.full(LONGEST, np.nan)

    first, second, limit_penalised, square, _, status = infinite_time(
        ridge, bound, target, b2, lam, w, kinds, static, psi_p
    )
    if status == 2:
        return LOST
    # The flow's own train loss, penalty included, is what the sweep sees; with ridge = 0 it is the train loss.
    limit, limit_train = 2.0 * first + second, limit_penalised
    out[5], out[6] = limit, limit_train

    s = 10.0 * (bound + ridge)
    log_s[0] = np.log(s)
    if not np.isfinite(begin(directions, shift, s, bound, xs[0], lam, w, kinds, static, psi_p)):
        return LOST
    last, best = 0, 0
    settled = False
    for k in range(LONGEST):
        if k > 0:
            log_s[k] = log_s[0] + k * np.log(GRID)
        origin = max(k - 1, 0)
        value, half, worst = losses(
            np.exp(log_s[origin]), np.exp(log_s[k]), xs[origin], xs[k], rows, inverses, problem
        )
        if not np.isfinite(worst):
            return LOST
        test[k] = value
        if k >= 2:
            train[k - 2] = half
        if value < test[best]:
            best = k
        last = k
        if k < 4:
            continue
        fall = -min(test[best], limit)
        level_mem = min(test[best], limit) + fractions[1] * fall
        near = True
        for i in (k - 2, k - 3):
            near = near and abs(test[i] - limit) <= SETTLED * fall
            near = near and abs(train[i] - limit_train) <= SETTLED * fall
        gap_now, gap_limit = test[k - 2] - train[k - 2], limit - limit_train
        near = near and (test[k] >= level_mem) == (limit >= level_mem)
        near = near and (gap_now >= fractions[2] * fall) == (gap_limit >= fractions[2] * fall)
        if near:
            settled = True
            break

    # The minimum: the vertex of a parabola through three points, on finer spacing once it lies between them.
    loss_min, log_min = test[best], log_s[best]
    if limit <= loss_min:
        loss_min, log_min = limit, -np.inf
    elif 0 < best < last:
        h = -np.log(GRID)
        below, above = test[best + 1], test[best - 1]
        for _ in range(12):
            curvature = above - 2.0 * loss_min + below
            if curvature <= 0.0 or h < 5e-3:
                break
            move = min(max(0.5 * h * (below - above) / curvature, -h), h)
            log_min += move
            if abs(move) < 0.5 * h:
                h *= 0.25
            s_from = np.exp(log_s[best - 1])
            loss_min, _, _ = losses(s_from, np.exp(log_min), xs[best - 1], x, rows, inverses, problem)
            above, _, _ = losses(s_from, np.exp(log_min + h), xs[best - 1], x, rows, inverses, problem)
            below, _, _ = losses(s_from, np.exp(log_min - h), xs[best - 1], x, rows, inverses, problem)
    fall = -loss_min
    goal = loss_min if np.isnan(floor) else floor
    level_gen = goal - fractions[0] * goal
    level_mem = loss_min + fractions[1] * fall
    level_gap = fractions[2] * fall
    gen = mem = gap = -np.inf
    for k in range(1, last + 1):
        if gen == -np.inf and test[k] <= level_gen:
            gen = crossing(
                level_gen, -1.0, False, k, log_s, level_gen - test[k - 1], level_gen - test[k], xs, x, rows, inverses,
                problem,
            )
        if mem == -np.inf and log_s[k] < log_min and test[k] >= level_mem:
            mem = crossing(
                level_mem, 1.0, False, k, log_s, test[k - 1] - level_mem, test[k] - level_mem, xs, x, rows, inverses,
                problem,
            )
        if gap == -np.inf and k <= last - 2 and test[k] - train[k] >= level_gap:
            gap = crossing(
                level_gap, 1.0, True, k, log_s, test[k - 1] - train[k - 1] - level_gap, test[k] - train[k] - level_gap,
                xs, x, rows, inverses, problem,
            )
    out[0], out[1], out[2] = np.exp(-gen) / c, np.exp(-mem) / c, np.exp(-gap) / c
    out[3], out[4] = np.exp(-log_min) / c, loss_min
    return SOLVED if settled else UNSETTLED

"""tau_gen, tau_mem and tau_gap of the closed form: a coarse sweep in log(tau), then every event by exact evaluation.

The definitions are those of genmem.theory.timescales. The sweep's ratio is sqrt(2), so the nodes that give the test loss at
tau give the train loss at tau / 2; it ends where both losses have reached their exact limit at tau = infinity.
"""

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.dynamics import COLUMNS, LABEL, THETA, begin, describe, double_sums
from genmem.theory.limits import LOST as LIMIT_LOST
from genmem.theory.limits import infinite_time
from genmem.theory.resolvent import follow, inverse_of, state_size

GRID = np.sqrt(0.5)
LONGEST = 480
# The sweep ends when the losses are this close, in units of F, to their limits, on the same side of every level.
SETTLED = 1e-3
# The contour's relative error at the nodes used for times, with a margin; and a test loss that, at the interpolation
# threshold, is on its way to infinity.
CONTOUR, MUCH = 1e-7, 1e3
# Factors of 64 by which the sweep may begin earlier.
EARLIEST = 8
# Relative accuracy of a refined time.
PRECISE = 1e-9
# Status of a computed point.
SOLVED, LOST, UNSETTLED = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def losses(s_from, s, x_from, x, rows, inverses, wanted, problem):
    """Sums at scale s, carried there from the solutions x_from at s_from.

    Returns (test, half, inverse, worst): L_test - 1 (if `wanted`), the penalised L_train - 1 of half the time, and
    sum_j q_j T1 / (z_j + ridge), which the penalty needs.
    """
    directions, weights, ridge, noise, lam, w, kinds, static, psi_p = problem
    worst = half = inverse = first = 0.0
    for j in range(directions.size):
        for i in range(x.shape[1]):
            x[j, i] = x_from[j, i]
        step = follow(directions[j], -ridge, s_from, s, x[j], lam, w, kinds, static, psi_p)
        worst = max(worst, step)
        describe(x[j], 1.0, noise, lam, w, kinds, static, rows[j], inverses[j])
        t1 = weights[j] * (1.0 - rows[j, THETA] * (1.0 - rows[j, LABEL]))
        first += 2.0 * (weights[j] * rows[j, LABEL]).real
        half += 2.0 * t1.real
        inverse += 2.0 * (t1 * inverse_of(directions[j] * s)).real
    second = 0.0
    if wanted:
        second, _ = double_sums(rows, inverses, weights, noise, lam, w, kinds, psi_p, False)
    return 2.0 * first + second, half, inverse, worst


@njit(cache=True, nogil=True, error_model="numpy")
def excess(level, with_train, s_from, s, x_from, x, rows, inverses, problem):
    """L_test - 1 - level at scale s, or with the train loss taken off: L_test - L_train - level."""
    test, _, inverse, _ = losses(s_from, s, x_from, x, rows, inverses, True, problem)
    if not with_train:
        return test - level
    _, half, inverse_half, _ = losses(s_from, 0.5 * s, x_from, x, rows, inverses, False, problem)
    return test - level - (half - problem[2] * (inverse_half - 2.0 * inverse))


@njit(cache=True, nogil=True, error_model="numpy")
def crossing(level, with_train, left, right, left_value, right_value, x_left, x, rows, inverses, problem):
    """log s between left and right where `excess` changes sign, by the Illinois rule; x_left: the solutions at left."""
    s_from = np.exp(left)
    middle = right
    side = 0
    for _ in range(60):
        before = middle
        middle = (left * right_value - right * left_value) / (right_value - left_value)
        if abs(middle - before) < PRECISE or right_value == left_value:
            break
        value = excess(level, with_train, s_from, np.exp(middle), x_left, x, rows, inverses, problem)
        if (value > 0.0) == (right_value > 0.0):
            right, right_value = middle, value
            if side == 1:
                left_value *= 0.5
            side = 1
        else:
            left, left_value = middle, value
            if side == -1:
                right_value *= 0.5
            side = -1
    return middle


@njit(cache=True, nogil=True, error_model="numpy")
def closed_form_times(bound, floor, fractions, c, problem, out):
    """Fill out = [gen, mem, gap, minimum, loss_min - 1]; returns the status. Times are in units of tau.

    floor: a test loss minus one for `gen`, or nan for the minimum. fractions: (gen, mem, gap).
    """
    directions, weights, ridge, noise, lam, w, kinds, static, psi_p = problem
    nodes, size = directions.size, state_size(kinds)
    xs = np.empty((LONGEST, nodes, size), np.complex128)
    x = np.empty((nodes, size), np.complex128)
    rows = np.zeros((nodes, COLUMNS), np.complex128)
    inverses = np.empty((nodes, lam.size), np.complex128)
    log_s, test, inverse = np.empty(LONGEST), np.empty(LONGEST), np.empty(LONGEST)
    train = np.nan * np.ones(LONGEST)

    sums, square, status = infinite_time(ridge, bound, noise, lam, w, kinds, static, psi_p, np.empty(lam.size))
    if status == LIMIT_LOST:
        return LOST
    limit, limit_train = 2.0 * sums[0] + sums[1], sums[3] - ridge * square

    # Begin where the loss still falls: with little signal (small t, few copies) that may be long before 1 / |U|.
    s = 10.0 * (bound + ridge)
    for _ in range(EARLIEST):
        if not np.isfinite(begin(directions, -ridge, 2.0 * s, bound, xs[0], lam, w, kinds, static, psi_p)):
            return LOST
        before = excess(0.0, False, 2.0 * s, 2.0 * s, xs[0], x, rows, inverses, problem)
        if excess(0.0, False, 2.0 * s, s, xs[0], x, rows, inverses, problem) < before < 0.0:
            break
        s *= 64.0
    s *= 2.0
    log_s[0] = np.log(s)
    last, best = 0, 0
    settled = False
    for k in range(LONGEST):
        origin = max(k - 1, 0)
        log_s[k] = log_s[0] + k * np.log(GRID)
        test[k], half, inverse[k], worst = losses(
            np.exp(log_s[origin]), np.exp(log_s[k]), xs[origin], xs[k], rows, inverses, True, problem
        )
        if not np.isfinite(worst):
            return LOST
        if k >= 2:
            train[k - 2] = half - ridge * (inverse[k] - 2.0 * inverse[k - 2])
        if test[k] < test[best]:
            best = k
        last = k
        if k < 4:
            continue
        fall = -min(test[best], limit)
        level_mem = min(test[best], limit) + fractions[1] * fall
        settled = (test[k] >= level_mem) == (limit >= level_mem)
        if not np.isnan(floor):
            level_gen = floor - fractions[0] * floor
            settled = settled and (test[k] <= level_gen or limit > level_gen)
        for i in (k - 2, k - 3):
            gap = test[i] - train[i]
            # A curve that hardly falls at all must not wait for the contour's error to vanish.
            settled = settled and (abs(test[i] - limit) <= SETTLED * fall + CONTOUR * max(1.0, test[i]) or test[i] > MUCH)
            settled = settled and abs(train[i] - limit_train) <= SETTLED * fall + CONTOUR
            settled = settled and (gap >= fractions[2] * fall) == (limit - limit_train >= fractions[2] * fall)
        if settled:
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
            loss_min = excess(0.0, False, s_from, np.exp(log_min), xs[best - 1], x, rows, inverses, problem)
            above = excess(0.0, False, s_from, np.exp(log_min + h), xs[best - 1], x, rows, inverses, problem)
            below = excess(0.0, False, s_from, np.exp(log_min - h), xs[best - 1], x, rows, inverses, problem)
    fall = -loss_min
    if fall <= 0.0:
        # The test loss never falls, as far as double precision can tell: there is no quality to reach or to lose.
        out[:4] = np.inf
        out[4] = loss_min
        return SOLVED
    goal = loss_min if np.isnan(floor) else floor
    level_gen = goal - fractions[0] * goal
    level_mem = loss_min + fractions[1] * fall
    level_gap = fractions[2] * fall
    gen = mem = gap = -np.inf
    for k in range(1, last + 1):
        gap_left, gap_right = test[k - 1] - train[k - 1] - level_gap, test[k] - train[k] - level_gap
        if gen == -np.inf and test[k] <= level_gen:
            gen = crossing(
                level_gen, False, log_s[k - 1], log_s[k], test[k - 1] - level_gen, test[k] - level_gen, xs[k - 1], x,
                rows, inverses, problem,
            )
        if gen == -np.inf and log_s[k] < log_min and loss_min <= level_gen:
            # With a floor the whole dip below the level may lie between two points of the sweep.
            gen = crossing(
                level_gen, False, log_s[k - 1], log_min, test[k - 1] - level_gen, loss_min - level_gen, xs[k - 1], x,
                rows, inverses, problem,
            )
        if mem == -np.inf and log_s[k] < log_min and test[k] >= level_mem:
            mem = crossing(
                level_mem, False, log_s[k - 1], log_s[k], test[k - 1] - level_mem, test[k] - level_mem, xs[k - 1], x,
                rows, inverses, problem,
            )
        if gap == -np.inf and gap_right >= 0.0:
            gap = crossing(
                level_gap, True, log_s[k - 1], log_s[k], gap_left, gap_right, xs[k - 1], x, rows, inverses, problem
            )
    out[0], out[1], out[2] = np.exp(-gen) / c, np.exp(-mem) / c, np.exp(-gap) / c
    out[3], out[4] = np.exp(-log_min) / c, loss_min
    return SOLVED if settled else UNSETTLED

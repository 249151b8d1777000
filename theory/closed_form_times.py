"""tau_gen, tau_mem and tau_gap of the closed form: a sweep in log(tau), then every event by exact evaluation.

The definitions are those of genmem.theory.timescales. The nodes give the derivative of a loss by log(tau) with the
loss, so the sweep knows where the curve turns: a minimum is the root of the derivative (from values alone its position
would be known to the square root of their error), and between two points where it does not turn it crosses a level at
most once. The sweep's ratio is sqrt(2), so the nodes that give the test loss at tau give the train loss at tau / 2, and
what the gradient noise of SGD adds to both there; it ends where both losses have reached their exact limit at tau =
infinity.
"""

from typing import NamedTuple

import numpy as np

from genmem.theory.compiled import njit
from genmem.theory.dynamics import COLUMNS, LABEL, THETA, begin, describe, double_sums
from genmem.theory.gradient_noise import added, limit_excess, limit_traces
from genmem.theory.limits import LOST as LIMIT_LOST
from genmem.theory.limits import infinite_time
from genmem.theory.nodes import Nodes
from genmem.theory.resolvent import Equations, follow, inverse_of, state_size

STEP = 0.5 * np.log(2.0)
LONGEST = 480
# The sweep ends when the losses are this close, in units of F, to their limits, on the same side of every level.
SETTLED = 1e-3
# The nodes' error, with a margin, relative to losses above one: a dip below the limit that is no deeper is not seen.
CONTOUR = 1e-10
# A test loss that, at the interpolation threshold, is on its way to infinity.
MUCH = 1e3
# How often the sweep may begin earlier, by this factor in tau.
ATTEMPTS, EARLIER = 12, 64.0
# A step in log(tau) after which the next of Newton's method, or of the secant, would be below rounding.
LAST_NEWTON, LAST_SECANT = 1e-7, 1e-10
# What is set to zero: the test loss less a level, test less train loss less a level, and the derivative of either.
LEVEL, PARTED = 0, 1
# Columns of a sweep's points: log(c tau), test loss less one and its derivative by log(tau), train loss alike.
TIME, TEST, TEST_SLOPE, TRAIN, TRAIN_SLOPE = range(5)
# Status of the times.
SOLVED, LOST, UNSETTLED = 0, 1, 2


class Flow(NamedTuple):
    """What is solved: the nodes, the ridge and the gradient noise, and the coefficients of the equations.

    rule: the nodes. strength: Delta kappa of genmem.theory.gradient_noise.
    """

    rule: Nodes
    ridge: float
    strength: float
    eq: Equations


class Workspace(NamedTuple):
    """What the evaluation of one point overwrites: the nodes' states, their rows, the vectors 1/D, and the T1.

    squares: an empty place for the derivatives of T1, which are not needed.
    """

    x: np.ndarray
    rows: np.ndarray
    inverses: np.ndarray
    t1: np.ndarray
    squares: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def losses(s_from, s, x_from, work, wanted, flow):
    """Sums at scale s = 1 / (c tau), carried there from the solutions x_from at s_from.

    Returns (test, slope, half, half_slope, inverse, inverse_slope, worst): L_test - 1 and its derivative by log(tau)
    (if `wanted`), the penalised L_train - 1 of half the time, sum_j q_j T1 / (z_j + ridge), which the penalty needs,
    both with their derivatives, and the worst Newton step.
    """
    rule, ridge, _, eq = flow
    directions, weights, slopes = rule.directions, rule.weights, rule.slopes
    worst = half = half_slope = inverse = inverse_slope = first = first_slope = 0.0
    for j in range(directions.size):
        for i in range(work.x.shape[1]):
            work.x[j, i] = x_from[j, i]
        step = follow(directions[j], -ridge, s_from, s, work.x[j], eq)
        worst = max(worst, step)
        describe(work.x[j], 1.0, eq, work.rows[j], work.inverses[j])
        label = work.rows[j, LABEL]
        work.t1[j] = 1.0 - work.rows[j, THETA] * (1.0 - work.rows[j, LABEL])
        t1 = work.t1[j]
        divided = t1 * inverse_of(directions[j] * s)
        first += 2.0 * (weights[j] * label).real
        first_slope += 2.0 * (slopes[j] * label).real
        half += 2.0 * (weights[j] * t1).real
        half_slope += 2.0 * (slopes[j] * t1).real
        inverse += 2.0 * (weights[j] * divided).real
        inverse_slope += 2.0 * (slopes[j] * divided).real
    second = second_slope = 0.0
    if wanted:
        second, second_slope, _ = double_sums(work.rows, work.inverses, rule, eq, False, work.squares)
    test, slope = 2.0 * first + second, 2.0 * first_slope + second_slope
    return test, slope, half, half_slope, inverse, inverse_slope, worst


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(at, origin, x_from, work, with_train, flow, out):
    """Fill `out`, a sweep's point, at log(c tau) = `at` from the solutions x_from at `origin`; nan if they are lost."""
    s_from, s = np.exp(-origin), np.exp(-at)
    test, slope, _, _, inverse, inverse_slope, worst = losses(s_from, s, x_from, work, True, flow)
    out[TIME], out[TEST], out[TEST_SLOPE] = at, test, slope
    if with_train or flow.strength > 0.0:
        earlier = work.t1.copy()
        _, _, half, half_slope, twice, twice_slope, left = losses(s_from, 0.5 * s, x_from, work, False, flow)
        worst = max(worst, left)
        set_train(half, half_slope, inverse, inverse_slope, twice, twice_slope, flow.ridge, out)
        if flow.strength > 0.0:
            add_noise(0.5 * s, earlier, work, flow, out)
    if not np.isfinite(worst):
        out[:] = np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def set_train(half, half_slope, inverse, inverse_slope, twice, twice_slope, ridge, out):
    """Fill in the train loss of a sweep's point: from its own sums and those at twice its time, which halve again."""
    out[TRAIN] = half - ridge * (twice - 2.0 * inverse)
    out[TRAIN_SLOPE] = half_slope - ridge * (twice_slope - 2.0 * inverse_slope)


@njit(cache=True, nogil=True, error_model="numpy")
def add_noise(s, earlier, work, flow, out):
    """Add what the gradient noise adds to a sweep's point, from the nodes at twice its time and their T1 at its own."""
    rule, ridge, strength, eq = flow
    test, test_slope, train, train_slope = added(
        rule, s, ridge, strength, work.x, work.rows, work.inverses, work.t1, earlier, eq
    )
    out[TEST] += test
    out[TEST_SLOPE] += test_slope
    out[TRAIN] += train
    out[TRAIN_SLOPE] += train_slope


@njit(cache=True, nogil=True, error_model="numpy")
def height(kind, level, row):
    """How far a point is above the level, and the derivative of that by log(tau)."""
    if kind == LEVEL:
        return row[TEST] - level, row[TEST_SLOPE]
    return row[TEST] - row[TRAIN] - level, row[TEST_SLOPE] - row[TRAIN_SLOPE]


@njit(cache=True, nogil=True, error_model="numpy")
def root(kind, level, turning, left, right, origin, x_from, work, flow, out):
    """Fill `out` with the point between `left` and `right` where the height, or if `turning` its slope, is zero.

    Newton's method for the height, the Illinois rule for the slope, both kept inside the bracket. x_from: the solutions
    at log(c tau) = origin. The time is that after the last step, the losses are those before it.
    """
    low, high = left[TIME], right[TIME]
    low_value, low_slope = height(kind, level, left)
    high_value, high_slope = height(kind, level, right)
    if turning:
        low_value, high_value = low_slope, high_slope
    at = low - low_value * (high - low) / (high_value - low_value)
    side = 0
    for _ in range(80):
        if not low <= at <= high:
            at = 0.5 * (low + high)
        evaluate(at, origin, x_from, work, kind == PARTED, flow, out)
        value, slope = height(kind, level, out)
        if turning:
            value = slope
        if value == 0.0 or not np.isfinite(value):
            return
        if (value > 0.0) == (high_value > 0.0):
            high, high_value = at, value
            if side == 1:
                low_value *= 0.5
            side = 1
        else:
            low, low_value = at, value
            if side == -1:
                high_value *= 0.5
            side = -1
        target, last = at - value / slope, LAST_NEWTON
        if turning or not low <= target <= high:
            target, last = low - low_value * (high - low) / (high_value - low_value), LAST_SECANT
        moved = abs(target - at)
        at = target
        if moved < last:
            break
    out[TIME] = at


@njit(cache=True, nogil=True, error_model="numpy")
def reached(kind, level, sign, first, start, points, last, xs, work, flow):
    """log(c tau) where sign * height first reaches zero at or after the point `first`; inf if it never does.

    `first` lies between the sweep's points `start` and start + 1; `last`: the last point that is used.
    """
    left, turn, found = first.copy(), np.empty(5), np.empty(5)
    for k in range(start, last):
        right = points[k + 1]
        from_value, from_slope = height(kind, level, left)
        value, slope = height(kind, level, right)
        stop = right
        if sign * value < 0.0:
            # Not there yet; but the curve may have been there and turned back since the last point.
            reach = max(sign * from_value, sign * value) + STEP * max(sign * from_slope, -sign * slope)
            if not (sign * from_slope > 0.0 and sign * slope < 0.0 and reach > 0.0):
                left[:] = right
                continue
            root(kind, level, True, left, right, points[k, TIME], xs[k], work, flow, turn)
            if sign * height(kind, level, turn)[0] < 0.0:
                left[:] = right
                continue
            stop = turn
        root(kind, level, False, left, stop, points[k, TIME], xs[k], work, flow, found)
        return found[TIME]
    return np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def lowest(points, last, xs, work, flow, bottom):
    """Fill `bottom` with the least test loss of all points and between them; returns the point before it."""
    best = 0
    for k in range(1, last + 1):
        if points[k, TEST] < points[best, TEST]:
            best = k
    bottom[:] = points[best]
    before = min(best, last - 1)
    trial = np.empty(5)
    for k in range(last):
        left, right = points[k], points[k + 1]
        if left[TEST_SLOPE] < 0.0 <= right[TEST_SLOPE]:
            depth = STEP * max(-left[TEST_SLOPE], right[TEST_SLOPE])
            if min(left[TEST], right[TEST]) - depth < bottom[TEST]:
                root(LEVEL, 0.0, True, left, right, left[TIME], xs[k], work, flow, trial)
                if not trial[TEST] >= bottom[TEST]:
                    bottom[:] = trial
                    before = k
    return before


@njit(cache=True, nogil=True, error_model="numpy")
def is_settled(points, k, lag, best, limit, limit_train, floor, fractions):
    """Whether nothing more happens after point k - lag of the sweep, whose train losses are known up to k - 2."""
    bottom = min(points[best, TEST], limit)
    # Under strong gradient noise the test loss may never fall; then only its limit ends the sweep.
    fall = -bottom if bottom < 0.0 else 1.0
    level_mem = bottom + fractions[1] * fall
    settled = (points[k - lag, TEST] >= level_mem) == (limit >= level_mem)
    if not np.isnan(floor):
        level_gen = floor - fractions[0] * floor
        settled = settled and (points[k - lag, TEST] <= level_gen or limit > level_gen)
    # A limit that is no higher than the best point by much may still be undercut: then only the limit itself ends it.
    close = SETTLED * fall if limit - points[best, TEST] > 4.0 * SETTLED * fall else 0.0
    for i in (k - 2, k - 3):
        test, train = points[i, TEST], points[i, TRAIN]
        settled = settled and (abs(test - limit) <= close + CONTOUR * max(1.0, test) or test > MUCH)
        settled = settled and abs(train - limit_train) <= SETTLED * fall + CONTOUR
        settled = settled and (test - train >= fractions[2] * fall) == (limit - limit_train >= fractions[2] * fall)
    return settled


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(start, falls, bound, limit, limit_train, floor, fractions, flow, xs, work, points):
    """Fill the points from log(c tau) = start on until nothing more happens; returns (last, status).

    falls: False where it is known that the test loss falls, if ever, at first; then a rise ends the sweep.
    """
    directions, ridge, strength, eq = flow.rule.directions, flow.ridge, flow.strength, flow.eq
    sums, t1 = np.empty((LONGEST, 4)), np.empty((LONGEST, directions.size), np.complex128)
    # With gradient noise a test loss needs the nodes of twice its time, as the train loss does.
    lag = 2 if strength > 0.0 else 0
    if not np.isfinite(begin(directions, -ridge, np.exp(-start), bound, xs[0], eq)):
        return 0, LOST
    best = 0
    for k in range(LONGEST):
        origin, at = start + max(k - 1, 0) * STEP, start + k * STEP
        test, slope, half, half_slope, inverse, inverse_slope, worst = losses(
            np.exp(-origin), np.exp(-at), xs[max(k - 1, 0)], work, True, flow
        )
        if not np.isfinite(worst):
            return k, LOST
        xs[k] = work.x
        points[k, TIME], points[k, TEST], points[k, TEST_SLOPE] = at, test, slope
        sums[k, 0], sums[k, 1], sums[k, 2], sums[k, 3] = half, half_slope, inverse, inverse_slope
        if k >= 2:
            set_train(half, half_slope, sums[k - 2, 2], sums[k - 2, 3], inverse, inverse_slope, ridge, points[k - 2])
        t1[k] = work.t1
        if lag > 0 and k >= lag:
            add_noise(np.exp(-at), t1[k - 2], work, flow, points[k - 2])
        if k >= lag and points[k - lag, TEST] < points[best, TEST]:
            best = k - lag
        if k == 0 and slope >= 0.0 or k == lag and not falls and points[0, TEST_SLOPE] >= 0.0:
            return 0, UNSETTLED
        if k >= 5 and is_settled(points, k, lag, best, limit, limit_train, floor, fractions):
            return k, SOLVED
    return LONGEST - 1, UNSETTLED


@njit(cache=True, nogil=True, error_model="numpy")
def closed_form_times(bound, floor, fractions, c, flow, out):
    """Fill out = [gen, mem, gap, minimum, loss_min - 1]; returns the status. Times are in units of tau.

    floor: a test loss minus one for `gen`, or nan for the minimum. fractions: (gen, mem, gap).
    """
    _, ridge, strength, eq = flow
    nodes, size = flow.rule.directions.size, state_size(eq.kinds)
    xs = np.empty((LONGEST, nodes, size), np.complex128)
    work = Workspace(
        np.empty((nodes, size), np.complex128),
        np.zeros((nodes, COLUMNS), np.complex128),
        np.empty((nodes, eq.eigenvalues.size), np.complex128),
        np.empty(nodes, np.complex128),
        np.empty(0, np.complex128),
    )
    points, bottom = np.full((LONGEST, 5), np.nan), np.empty(5)
    sums, square, status = infinite_time(ridge, bound, eq, np.empty(0), np.empty(0))
    if status == LIMIT_LOST:
        return LOST
    limit, limit_train = 2.0 * sums[0] + sums[1], sums[3] - ridge * square
    if strength > 0.0:
        kernel = np.empty(5, np.complex128)
        if not limit_traces(ridge, bound, eq, kernel):
            return LOST
        more = limit_excess(strength, 1.0 + limit_train, ridge, kernel)
        limit += more[0]
        limit_train += more[1]
    lag = 2 if strength > 0.0 else 0
    start = -np.log(20.0 * (bound + ridge))
    falls = True
    for _ in range(ATTEMPTS):
        last, status = sweep(start, falls, bound, limit, limit_train, floor, fractions, flow, xs, work, points)
        if status == LOST:
            return LOST
        start -= np.log(EARLIER)
        if last == 0:
            # With little signal (small t, few copies) the loss falls only long before 1 / |U|.
            continue
        before = lowest(points, last - lag, xs, work, flow, bottom)
        falling = limit <= bottom[TEST] + CONTOUR * max(1.0, -limit)
        if falling:
            bottom[TIME], bottom[TEST] = np.inf, min(limit, bottom[TEST])
        fall = -bottom[TEST]
        falls = fall > 0.0
        goal = bottom[TEST] if np.isnan(floor) else floor
        level_gen, level_mem = goal - fractions[0] * goal, bottom[TEST] + fractions[1] * fall
        level_gap = fractions[2] * fall
        if points[0, TEST] > level_gen and height(PARTED, level_gap, points[0])[0] < 0.0:
            break
    out[:4] = np.inf
    out[4] = bottom[TEST]
    if last == 0 or not fall > 0.0:
        # The test loss never falls, as far as double precision can tell: there is no quality to reach or to lose.
        out[4] = 0.0
        return SOLVED
    out[0] = reached(LEVEL, level_gen, -1.0, points[0], 0, points, last - lag, xs, work, flow)
    if not falling:
        out[1] = reached(LEVEL, level_mem, 1.0, bottom, before, points, last - lag, xs, work, flow)
    out[2] = reached(PARTED, level_gap, 1.0, points[0], 0, points, last - 2, xs, work, flow)
    out[3] = bottom[TIME]
    out[:4] = np.exp(out[:4]) / c
    return LOST if np.isnan(out).any() else status

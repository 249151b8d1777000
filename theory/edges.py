"""Where the spectrum of U is not: the real solutions of the self-consistent equations, their ends and the mass below.

Outside the spectrum the resolvent is real. Solving the equations of genmem.theory.resolvent for z instead of G = psi_p
g,

    z = gamma_s + sum_a c_a / e_a + int M / D - psi_p / G,   e_a = 1 + delta_a = 1 + (G / nu_a) (int A_a / D + c_a),

gives a curve z(G) of which the parts with dz/dG > 0 and d delta_a/dG > 0 are the gaps between the bulks (G and delta_a
are Stieltjes transforms, so they rise on the real axis; and a solution that rises is the limit of the one solution
with Im G > 0, Im delta_a > 0). The edges are the turning points dz/dG = 0, as for sample covariance matrices
(Silverstein and Choi 1995).

All gaps are found because the curve has an explicit parametrization: with D_k = q (1 - lambda_k / y) every equation but
one is linear in q, and that one is quadratic, so each real y gives at most two real solutions.

The mass below a gap is exact too. The equations make

    F = int log D + sum_a nu_a (log e_a + 1 / e_a) + G (gamma_s + sum_a c_a / e_a - z) - psi_p log G

stationary, with dF/dz = -G, so F = (1/d) log det(U - z) + constant. Its imaginary part, -pi psi_p times the mass below
z, is read off the signs of D_k, e_a and G.
"""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import SolverError
from genmem.theory.compiled import njit
from genmem.theory.resolvent import Equations

CONVERGED = 1e-11
# Rounding can stop Newton's method earlier close to an edge; a step this small that no longer shrinks is accepted.
STALLED = 1e-6
# An edge is bracketed to this in log G. The error of z is its square, but next to a light bulk in small units.
BRACKET = 1e-15
# Masses below two gaps differ by more; those below two points of one gap by rounding only.
SAME_MASS = 1e-13
# The parameter y is searched by decades around zero and infinity, and around each pole between: their number on either
# side, and nodes per decade.
FAR, NEAR = (14, 12), (8, 6)
# Nodes put between two of them where the solution enters or leaves the spectrum.
BETWEEN = 16


@dataclass(frozen=True, eq=False)
class Gap:
    """An open interval (lower, upper) of the real axis without spectrum, with the mass of the spectrum `below` it.

    inside, edge: solutions [G, e_0(, e_1)] somewhere in the gap and at its lower end.
    """

    lower: float
    upper: float
    below: float
    inside: np.ndarray
    edge: np.ndarray


def gaps(equations: Equations) -> list[Gap]:
    """All gaps, left to right, with edges to 1e-10 relative; the first starts at -inf, the last ends at inf.

    Positions are measured from gamma_s (s^2 at infinitely many copies, else 0), below which there is no spectrum: that
    is where the atom sits if there is one, and then one gap ends and another starts there.
    Raises SolverError if the gaps found contradict each other.
    """
    problem = arrays(equations)
    found = _search(_nodes(problem[0]), *problem)
    found = found[np.argsort(found[:, 0])]
    groups = np.split(found, np.flatnonzero(np.diff(found[:, 0]) > SAME_MASS) + 1)
    # One solution per gap is enough to walk through it: the one farthest from the edges.
    rows = [(float(group[0, 0]), group[group[:, 1].argmax(), 2:]) for group in groups if len(group)]
    atom = atom_weight(equations)
    if rows and atom > 0 and not any(abs(below - atom) < SAME_MASS for below, _ in rows):
        rows.insert(1, (atom, _through_pole(rows[0][1].copy(), atom, *problem)))
    hard = rank(equations) <= equations.psi_p
    out = []
    for below, inside in rows:
        edge = inside.copy()
        bottom, top = below < SAME_MASS, below > 1 - SAME_MASS
        above_atom = not bottom and abs(below - atom) < SAME_MASS
        lower = -np.inf if bottom else 0.0 if above_atom else walk(edge, -np.inf, *problem)
        upper = np.inf if top else 0.0 if bottom and hard else walk(inside.copy(), np.inf, *problem)
        out.append(Gap(lower, upper, below, inside, edge))
    ends = np.array([(gap.lower, gap.upper) for gap in out]).ravel()
    if not (ends.size and np.all(np.diff(ends) >= 0) and ends[0] == -np.inf and ends[-1] == np.inf):
        raise SolverError(f"the gaps between the bulks could not be told apart: {ends.tolist()}")
    return out


def rank(equations: Equations) -> float:
    """The rank of U minus its isotropic constant part, per dimension, if there were features enough."""
    full = float(equations.kinds[:, 3].sum() + (equations.static[0] > 0))
    # psi_n (m - 1) + psi_n = psi_p must not fail by a rounding error.
    return equations.psi_p if abs(full / equations.psi_p - 1) < 1e-13 else full


def atom_weight(equations: Equations) -> float:
    """The share of eigenvalues that sit exactly at gamma_s: 1 - (1 + psi_n)/psi_p, or 1 - psi_n m/psi_p at finite m."""
    return max(0.0, 1 - rank(equations) / equations.psi_p)


def arrays(equations: Equations) -> tuple:
    """(lam, w, kinds, constant, psi_p) with equal eigenvalues merged and z measured from gamma_s."""
    lam, place = np.unique(equations.eigenvalues, return_inverse=True)
    w = np.bincount(place, weights=equations.weights)
    return lam, w, np.ascontiguousarray(equations.kinds[:, :4]), float(equations.static[0]), equations.psi_p


def _nodes(lam) -> np.ndarray:
    """Values of the parameter y (K,), rising, dense towards each pole, zero and infinity; the poles are among them."""
    poles = lam[lam > 0]
    far, near = (np.linspace(-reach, reach, 2 * reach * number + 1) for reach, number in (FAR, NEAR))
    share = 1 / (1 + 10.0**-near)
    inner = [low + (high - low) * np.r_[share, 1] for low, high in zip(poles[:-1], poles[1:])]
    below = poles[0] / (1 + 10.0**-far)
    return np.concatenate([-poles[-1] * 10.0 ** far[::-1], below, poles[:1], *inner, poles[-1] * (1 + 10.0**far)])


@njit(cache=True, nogil=True, error_model="numpy")
def linearize(x, tangent, shift, lam, w, kinds, constant, psi_p):
    """Linearize the equations at x = [G, e_0(, e_1)].

    Fills tangent = de/dG and shift = the Newton step of e at fixed G, (T,). Returns z(x) - gamma_s, dz/dG along the
    curve of solutions, the change of z that goes with the shift, and the determinant of the equations for e.
    """
    m0, m1 = constant + 0 * x[0], 0 * x[0]
    for a in range(kinds.shape[0]):
        m0 += kinds[a, 0] / x[a + 1]
        m1 += kinds[a, 1] / x[a + 1]
    integrals = _integrals(x[0] * m0, x[0] * m1, lam, w)
    return _assemble(x, m0, m1, integrals, tangent, shift, kinds, constant, psi_p)


# Sums in any order, so that four atoms are added at once; infinities at a pole stay what they are.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _integrals(p0, p1, lam, w):
    """int lambda^r / D for r = 0, 1 and int lambda^r / D^2 for r = 0, 1, 2, with D = 1 + p0 + p1 lambda."""
    i0, i1, j0, j1, j2 = 0 * p0, 0 * p0, 0 * p0, 0 * p0, 0 * p0
    for k in range(lam.size):
        d = 1 / (1 + (p0 + p1 * lam[k]))
        one = w[k] * d
        two = one * d
        i0 += one
        i1 += lam[k] * one
        j0 += two
        j1 += lam[k] * two
        j2 += lam[k] * lam[k] * two
    return i0, i1, j0, j1, j2


@njit(cache=True, nogil=True, error_model="numpy")
def _assemble(x, m0, m1, integrals, tangent, shift, kinds, constant, psi_p):
    """What linearize returns, from M = m0 + m1 lambda and the integrals."""
    i0, i1, j0, j1, j2 = integrals
    g = x[0]
    z = m0 * i0 + m1 * i1 - psi_p / g
    slope = psi_p / (g * g) - (m0 * m0 * j0 + 2 * m0 * m1 * j1 + m1 * m1 * j2)
    a0, a1, c, nu, e = kinds[0, 0], kinds[0, 1], kinds[0, 2], kinds[0, 3], x[1]
    z += c / e
    pull = a0 * j0 + a1 * j1 + c
    miss = e - 1 - g / nu * (a0 * i0 + a1 * i1 + c)
    h00 = 1 - (g / e) ** 2 / nu * (a0 * a0 * j0 + 2 * a0 * a1 * j1 + a1 * a1 * j2)
    if kinds.shape[0] == 1:
        tangent[0] = pull / nu / h00
        shift[0] = -miss / h00
        return z, slope - pull / (e * e) * tangent[0], -pull / (e * e) * shift[0], h00
    b0, b, mu, f = kinds[1, 0], kinds[1, 2], kinds[1, 3], x[2]
    z += b / f
    pull_b = b0 * j0 + b
    miss_b = f - 1 - g / mu * (b0 * i0 + b)
    h11 = 1 - (g / f) ** 2 / mu * b0 * b0 * j0
    cross = b0 * (a0 * j0 + a1 * j1)
    h01, h10 = -((g / f) ** 2) / nu * cross, -((g / e) ** 2) / mu * cross
    det = h00 * h11 - h01 * h10
    tangent[0] = (pull / nu * h11 - h01 * pull_b / mu) / det
    tangent[1] = (h00 * pull_b / mu - h10 * pull / nu) / det
    shift[0] = (-miss * h11 + h01 * miss_b) / det
    shift[1] = (-h00 * miss_b + h10 * miss) / det
    slope -= pull / (e * e) * tangent[0] + pull_b / (f * f) * tangent[1]
    return z, slope, -pull / (e * e) * shift[0] - pull_b / (f * f) * shift[1], det


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(x, tangent, shift, lam, w, kinds, constant, psi_p):
    """Solve for e at fixed G, in place. Returns (z, dz/dG), dz/dG = -1 where there is no rising solution."""
    previous = np.inf
    for _ in range(40):
        z, slope, _change, _det = linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
        step = 0.0
        for a in range(shift.size):
            step = max(step, abs(shift[a] / x[a + 1]))
            x[a + 1] += shift[a]
        if step < CONVERGED or (step < STALLED and step >= 0.9 * previous):
            z, slope, _change, _det = linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
            for a in range(shift.size):
                if not tangent[a] > 0.0:
                    return z, -1.0
            return z, slope
        if not np.isfinite(step):
            break
        previous = step
    return 0.0, -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _point(y, sheet, integrals, x, kinds, constant):
    """Fill x with the solution of parameter y on one of the two sheets and return q, nan if it is not real.

    integrals: of 1 / (1 - lambda/y), from `_integrals`.
    """
    r = -1 / y
    s0, s1 = integrals[0], integrals[1]
    a0, scale, c, nu = kinds[0, 0], kinds[0, 1], kinds[0, 2], kinds[0, 3]
    alpha, beta = a0 / scale, constant / scale
    free = 1 - r / (scale * nu) * (a0 * s0 + scale * s1)
    level, fall = free, r * c / (scale * nu)
    if kinds.shape[0] == 2:
        beta = kinds[1, 0] / scale
        level += r / (scale * kinds[1, 3]) * kinds[1, 0] * s0
        fall -= r / (scale * kinds[1, 3]) * kinds[1, 2]
    if beta == 0.0:
        q = 1 / (1 - r * alpha) if sheet == 0 else np.nan
    else:
        # (q (1 - r alpha) - 1) (level - fall q) = r beta q
        first, last = -(1 - r * alpha) * fall, -level
        half = 0.5 * ((1 - r * alpha) * level + fall - r * beta)
        big = -(half + np.copysign(np.sqrt(half * half - first * last), half))
        q = big / first if sheet == 0 else last / big
    inverse = free - r * c / (scale * nu) * q
    x[0] = r * q / (scale * inverse)
    x[1] = 1 / inverse
    if kinds.shape[0] == 2:
        x[2] = (level - fall * q) / inverse
    for i in range(x.size):
        if not np.isfinite(x[i]) or x[i] == 0.0:
            return np.nan
    return q


@njit(cache=True, nogil=True, error_model="numpy")
def _margin(y, sheet, integrals, x, tangent, shift, kinds, constant, psi_p):
    """Positive where parameter y may lie in a gap, and smooth up to poles: how far the solution is from turning.

    G^2 (dz/dG) / psi_p and the determinant of the equations for e are both in (0, 1] in a gap; their product is the
    determinant of all equations.
    """
    q = _point(y, sheet, integrals, x, kinds, constant)
    if np.isnan(q):
        return -np.inf
    m0 = constant
    for a in range(kinds.shape[0]):
        m0 += kinds[a, 0] / x[a + 1]
    i0, i1, j0, j1, j2 = integrals
    scaled = (i0 / q, i1 / q, j0 / (q * q), j1 / (q * q), j2 / (q * q))
    _z, slope, _change, det = _assemble(x, m0, kinds[0, 1] / x[1], scaled, tangent, shift, kinds, constant, psi_p)
    value = min(slope * det * x[0] * x[0] / psi_p, det)
    return value if np.isfinite(value) else -np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _below(x, lam, w, kinds, constant, psi_p):
    """The mass of the spectrum below a gap from a solution x inside it (see the module's head)."""
    m0, m1 = constant, 0.0
    total = psi_p if x[0] < 0.0 else 0.0
    for a in range(kinds.shape[0]):
        m0 += kinds[a, 0] / x[a + 1]
        m1 += kinds[a, 1] / x[a + 1]
        if x[a + 1] < 0.0:
            total -= kinds[a, 3]
    for k in range(lam.size):
        d = 1 + x[0] * (m0 + m1 * lam[k])
        # arg D = arg G - arg(G/D), each 0 or pi.
        if x[0] < 0.0:
            total -= w[k]
        if x[0] * d < 0.0:
            total += w[k]
    return total / psi_p


@njit(cache=True, nogil=True, error_model="numpy")
def _search(y, lam, w, kinds, constant, psi_p):
    """Solutions inside gaps, rows [mass below, margin, G, e_0(, e_1)], from both sheets at parameters y (K,).

    y rises from pole to pole; at a pole the integrals are infinite, and no solution is taken there.
    """
    size = kinds.shape[0] + 1
    found = np.empty((8 * y.size, size + 2))
    used = 0
    x, tangent, shift = np.empty(size), np.empty(size - 1), np.empty(size - 1)
    margins = np.empty((2, y.size))
    for i in range(y.size):
        integrals = _integrals(0.0, -1 / y[i], lam, w)
        for sheet in range(2):
            margins[sheet, i] = _margin(y[i], sheet, integrals, x, tangent, shift, kinds, constant, psi_p)
    for sheet in range(2):
        m = margins[sheet]
        for i in range(1, y.size - 1):
            if m[i] > 0.0:
                used += _record(y[i], sheet, found[used], x, tangent, shift, lam, w, kinds, constant, psi_p)
            elif m[i] > -np.inf and m[i - 1] <= m[i] >= m[i + 1]:
                # A narrow gap between two nodes shows as a maximum below zero: climb it.
                left, right = y[i - 1], y[i + 1]
                for _ in range(40):
                    one, two = left + 0.382 * (right - left), left + 0.618 * (right - left)
                    at_one = _margin(
                        one, sheet, _integrals(0.0, -1 / one, lam, w), x, tangent, shift, kinds, constant, psi_p
                    )
                    at_two = _margin(
                        two, sheet, _integrals(0.0, -1 / two, lam, w), x, tangent, shift, kinds, constant, psi_p
                    )
                    if at_one > 0.0 or at_two > 0.0:
                        best = one if at_one > 0.0 else two
                        used += _record(best, sheet, found[used], x, tangent, shift, lam, w, kinds, constant, psi_p)
                        break
                    if at_one > at_two:
                        right = two
                    else:
                        left = one
            if (m[i] > 0.0) != (m[i + 1] > 0.0):
                # Where the solution enters or leaves the spectrum, another gap may be near.
                for j in range(1, BETWEEN):
                    near = y[i] + (y[i + 1] - y[i]) * j / BETWEEN
                    used += _record(near, sheet, found[used], x, tangent, shift, lam, w, kinds, constant, psi_p)
            if used + BETWEEN > len(found):
                return found[:used]
    return found[:used]


@njit(cache=True, nogil=True, error_model="numpy")
def _record(y, sheet, row, x, tangent, shift, lam, w, kinds, constant, psi_p):
    """Fill row with [mass below, margin, x] of the solution at parameter y, solved to rounding; 0 if it is none."""
    if np.isnan(_point(y, sheet, _integrals(0.0, -1 / y, lam, w), x, kinds, constant)):
        return 0
    _z, slope = _settle(x, tangent, shift, lam, w, kinds, constant, psi_p)
    margin = slope * x[0] * x[0] / psi_p
    if not 0.0 < margin < 1.0 + 1e-6:
        return 0
    row[0] = _below(x, lam, w, kinds, constant, psi_p)
    row[1] = margin
    row[2:] = x
    return 1


@njit(cache=True, nogil=True, error_model="numpy")
def walk(x, target, lam, w, kinds, constant, psi_p):
    """Carry the solution x within its gap to z = target, or to the edge where z turns if that comes first.

    In place, in log |G|; returns the z reached, to BRACKET in log |G|.
    """
    size = x.size
    tangent, shift = np.empty(size - 1), np.empty(size - 1)
    trial = np.empty(size)
    below = _below(x, lam, w, kinds, constant, psi_p)
    z, _slope = _settle(x, tangent, shift, lam, w, kinds, constant, psi_p)
    direction = 1.0 if target > z else -1.0
    stride = 0.5
    while stride > BRACKET and abs(np.log(abs(x[0]))) < 200.0:
        # z rises with G, so upwards is towards zero where G is negative.
        trial[0] = x[0] * np.exp(stride * direction * np.sign(x[0]))
        for a in range(size - 1):
            trial[a + 1] = x[a + 1] + tangent[a] * (trial[0] - x[0])
        at, slope = _settle(trial, tangent, shift, lam, w, kinds, constant, psi_p)
        good = slope > 0.0 and (at - z) * direction >= 0.0 and (target - at) * direction >= 0.0
        # A stride may lead over a narrow bulk: the mass below tells.
        if good and abs(_below(trial, lam, w, kinds, constant, psi_p) - below) < SAME_MASS:
            for i in range(size):
                x[i] = trial[i]
            z = at
            stride = min(1.5 * stride, 1.4)
        else:
            stride *= 0.25
            linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
    return z


@njit(cache=True, nogil=True, error_model="numpy")
def _through_pole(x, atom, lam, w, kinds, constant, psi_p):
    """A solution just above the atom from one below it, in place: at the pole all unknowns change sign."""
    tangent, shift = np.empty(x.size - 1), np.empty(x.size - 1)
    z = -1.0
    trial = x.copy()
    for _ in range(100):
        walk(x, z, lam, w, kinds, constant, psi_p)
        trial[:] = -x
        above, slope = _settle(trial, tangent, shift, lam, w, kinds, constant, psi_p)
        mass = _below(trial, lam, w, kinds, constant, psi_p)
        if slope > 0.0 and 0.0 < above < -2.0 * z and abs(mass - atom) < SAME_MASS:
            break
        z *= 0.25
    return trial

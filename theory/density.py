"""The spectrum of the feature covariance U: density, atoms, bulks with exact edges, and the Stieltjes transform.

The eigenvalues of U are the rates of learning: Bonnaire et al. (arXiv:2505.17638, section 4; [B]) read the
generalization and the memorization time off its two bulks. genmem.theory.edges finds the gaps; inside a bulk the
equations of genmem.theory.resolvent are solved on the real axis itself, where Im G > 0 and Im delta_a > 0 single out
the one physical solution.
"""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, SolverError
from genmem.theory.compiled import njit
from genmem.theory.edges import Gap, arrays, atom_weight, gaps, linearize, walk
from genmem.theory.model import RandomFeatures
from genmem.theory.resolvent import Equations

# A Newton step, relative to the unknowns' imaginary parts, leaves its square as error. Rounding stops it earlier where
# these are small, next to an edge or to a light bulk.
CONVERGED, STALLED = 1e-8, 1e-2
# Distance from an edge, relative to what is next to it, up to which the density is its square root.
SQUARE_ROOT = 1e-8
# Mass and mean by integration may miss their exact values by this before the result is refused.
REFUSED = 1e-8
# Gauss-Legendre nodes per panel of the contour around a bulk; panels double in length away from the real axis.
PANEL = 12


@dataclass(frozen=True)
class Atom:
    """A share `weight` of all eigenvalues of U that sit exactly at `location`."""

    location: float
    weight: float


@dataclass(frozen=True)
class Bulk:
    """A connected part [lower, upper] of the continuous spectrum, with its share of eigenvalues and their mean."""

    lower: float
    upper: float
    mass: float
    mean: float


@dataclass(frozen=True, eq=False)
class FeatureSpectrum:
    """The limiting spectrum of U.

    lambdas, density: positions and the density of eigenvalues there (per unit of lambda, atoms left out), of one shape.
    atoms, bulks: in increasing order; their weights and masses sum to one.
    memorization_limit, generalization_limit: the edges that [B]'s two bulks tend to, see `asymptotic_edges`.
    residual: how far, at most, a contour integral of the resolvent around a bulk is from the exact mass, and the mean
    of the whole spectrum from the exact Tr U / p, relative to the latter.
    """

    lambdas: np.ndarray
    density: np.ndarray
    atoms: tuple[Atom, ...]
    bulks: tuple[Bulk, ...]
    memorization_limit: tuple[float, float]
    generalization_limit: tuple[float, float]
    residual: float


def feature_spectrum(model: RandomFeatures, lambdas=None) -> FeatureSpectrum:
    """The spectrum of U = (1/N) sum phi phi' in the limit d -> infinity, to about 1e-10.

    lambdas: positions >= 0 of any shape; by default 200 in each bulk, dense at its edges. The density is the limit from
    above the real axis: exact, with no width of its own, and 0 outside the bulks.
    Raises InputError for a negative or undefined position, or an activation without linear or nonlinear part;
    SolverError if the equations could not be solved.
    Source: [B] for the equations at infinitely many copies, docs/theory.md, section 3, for finitely many; edges and
    masses as in genmem.theory.edges.

    >>> from genmem.theory import RandomFeatures
    >>> result = feature_spectrum(RandomFeatures(psi_n=4, psi_p=8, t=0.1))
    >>> [atom.weight for atom in result.atoms], [round(bulk.mass, 9) for bulk in result.bulks]
    ([0.375], [0.5, 0.125])
    """
    model.require_finite_width("the spectrum of U, whose eigenvalues grow with it")
    equations, c = model.equations, model.constants
    if not (c.mu1 and c.v2 and c.s2):
        raise InputError(
            "activation must have a linear and a nonlinear part for U to have bulks apart, but "
            f"mu1^2 = {c.mu1**2:.3g}, v^2 = {c.v2:.3g} and s^2 = {c.s2:.3g}"
        )
    origin = float(equations.static[2])
    found = gaps(equations)
    # Two gaps that meet have an atom between them, all others a bulk.
    pairs = [(low, high) for low, high in zip(found[:-1], found[1:]) if high.lower > low.upper]
    if lambdas is None:
        cosine = (1 - np.cos(np.pi * (np.arange(200) + 0.5) / 200)) / 2
        lambdas = np.concatenate([origin + low.upper + (high.lower - low.upper) * cosine for low, high in pairs])
    lambdas = np.array(lambdas, dtype=float)
    if not (np.all(lambdas >= 0) and np.all(np.isfinite(lambdas))):
        raise InputError("lambdas must be finite and zero or positive, but another value was given")
    flat, density = lambdas.ravel(), np.zeros(lambdas.size)
    bulks, residual = [], 0.0
    for low, high in pairs:
        lower, upper = origin + low.upper, origin + high.lower
        inside = np.flatnonzero((flat > lower) & (flat < upper))
        density[inside] = _density(equations, low, high, flat[inside] - origin)
        mass = high.below - low.below
        measured, moment = _enclosed(equations, low, high)
        residual = max(residual, abs(measured - mass))
        bulks.append(Bulk(lower, upper, mass, origin + moment / measured))
    weight = atom_weight(equations)
    atoms = (Atom(origin, weight),) if weight > 0 else ()
    mean = sum(part.mass * part.mean for part in bulks) + weight * origin
    residual = max(residual, abs(mean / _trace(equations) - 1))
    if not residual < REFUSED:
        raise SolverError(f"the spectrum of {model} was solved to {residual:.2g} only")
    density = density.reshape(lambdas.shape)
    return FeatureSpectrum(lambdas, density, atoms, tuple(bulks), *asymptotic_edges(model), residual)


def stieltjes(model: RandomFeatures, z) -> np.ndarray:
    """g(z) = (1/p) Tr (U - z)^{-1} in the limit d -> infinity, at complex z of any shape off the spectrum.

    Raises InputError for a real z on the spectrum or a value that is not finite, SolverError if the equations could
    not be solved. Source: docs/theory.md, section 3; at infinitely many copies the saddle point of [B].

    >>> from genmem.theory import RandomFeatures
    >>> print(stieltjes(RandomFeatures(psi_n=4, psi_p=8, t=0.1), [-1.0, 1 + 1j]).round(6))
    [ 0.890695+0.j       -0.396836+0.498538j]
    """
    model.require_finite_width("the resolvent of U, whose eigenvalues grow with it")
    z = np.array(z, dtype=complex)
    if not np.all(np.isfinite(z)):
        raise InputError("z must be finite, but an infinite or undefined value was given")
    equations = model.equations
    positions, problem = z.ravel() - equations.static[2], arrays(equations)
    real = positions.imag == 0
    # The lower half-plane mirrors the upper one.
    out = np.empty(z.size, dtype=complex)
    upper = _descend(positions[~real].real + 1j * abs(positions[~real].imag), equations.norm_bound, *problem)
    out[~real] = np.where(positions[~real].imag > 0, upper, upper.conj())
    found = gaps(equations) if real.any() else []
    for i in np.flatnonzero(real):
        at = positions[i].real
        gap = next((gap for gap in found if gap.lower < at < gap.upper), None)
        if gap is None:
            raise InputError(f"z must lie off the spectrum, but {z.ravel()[i].real:g} is on it")
        out[i] = _at(gap, at, problem)[0]
    if np.isnan(out).any():
        raise SolverError(f"the resolvent of {model} could not be followed to every z")
    return (out / model.psi_p).reshape(z.shape)


def asymptotic_edges(model: RandomFeatures) -> tuple[tuple[float, float], tuple[float, float]]:
    """The edges that the memorization and the generalization bulk tend to, as two pairs (lower, upper).

    Memorization, for 1 << psi_n << psi_p: s^2 + v^2 (1 -+ sqrt(psi_p/psi_n))^2 ([B]; nan at finitely many copies, where
    two kinds of samples leave no such formula). On the p - d directions of the features that W does not reach only the
    isotropic parts are left: the sample covariance of n points with variance v^2, and s^2.

    Generalization, for 1 << psi_n, psi_p: the other d directions carry the features' linear part W M W'/d with M =
    e^{-2t} a^2 Sigma + b^2, of scale psi_p. Of an eigenvalue M_k of weight w_k, the p vectors W see a sample covariance
    of relative variance w_k/psi_p, the n data points one of w_k/psi_n in their share f_k = e^{-2t} a^2 lambda_k / M_k.
    The first-order edges psi_p M_k (1 -+ 2 r_k), r_k^2 = w_k (1/psi_p + f_k^2/psi_n), are given in the form psi_p M_k
    (1 -+ r_k)^2 that is exact where one of the two vanishes, plus the isotropic s^2 + v^2; n drops out for large psi_n.
    """
    c = model.constants
    share = np.sqrt(model.psi_p / model.psi_n)
    exact_noise = np.isinf(model.copies)
    memorization = [c.s2 + c.v2 * (1 + sign * share) ** 2 if exact_noise else np.nan for sign in (-1, 1)]
    lam, w, *_ = arrays(model.equations)
    data = c.signal * c.a**2 * lam
    strength = data + c.b2
    spread = np.sqrt(w * (1 / model.psi_p + (data / strength) ** 2 / model.psi_n))
    ends = [c.s2 + c.v2 + model.psi_p * strength[k] * (1 + sign * spread[k]) ** 2 for k, sign in ((0, -1), (-1, 1))]
    (low, high), (start, end) = memorization, ends
    return (float(low), float(high)), (float(start), float(end))


def _trace(equations: Equations) -> float:
    """E Tr U / p in the limit: the features' mean variance."""
    mean = float(equations.weights @ equations.eigenvalues)
    kinds, (m0, m1, gamma, _) = equations.kinds, equations.static
    return float(m0 + m1 * mean + gamma + (kinds[:, 0] + kinds[:, 1] * mean + kinds[:, 2]).sum())


def _at(gap: Gap, position: float, problem: tuple) -> np.ndarray:
    """The real solution [G, e_0(, e_1)] at a position inside a gap."""
    x = gap.inside.copy()
    walk(x, position, *problem)
    return x


def _density(equations: Equations, low: Gap, high: Gap, positions: np.ndarray) -> np.ndarray:
    """The density at positions (K,) within the bulk between two gaps."""
    lower, upper = low.upper, high.lower
    # Next to an edge the square root is more exact than a solution with its rounding error.
    near_lower = SQUARE_ROOT * min(upper - lower, lower - low.lower, lower)
    near_upper = SQUARE_ROOT * min(upper - lower, high.upper - upper)
    solved = np.clip(positions, lower + near_lower, upper - near_upper)
    order = np.argsort(-solved)
    density = np.empty(solved.size)
    density[order] = _sweep(solved[order], lower, upper, high.edge, *arrays(equations))
    if np.isnan(density).any():
        raise SolverError(f"the density could not be solved in the bulk from {lower:g} to {upper:g}")
    distance = np.clip((positions - lower) * (upper - positions), 0, None)
    return np.where(solved == positions, density, density * np.sqrt(distance / ((solved - lower) * (upper - solved))))


def _enclosed(equations: Equations, low: Gap, high: Gap) -> tuple[float, float]:
    """Mass and first moment of the bulk between two gaps: (1/pi) Im int (1, z) g dz over a half circle above it.

    The integrand has singularities only near the circle's ends on the axis, at the distance of the edges there.
    """
    problem = arrays(equations)
    width = high.lower - low.upper
    left = low.upper - 0.5 * min(width, low.upper - low.lower)
    right = high.lower + 0.5 * min(width, high.upper - high.lower)
    radius = 0.5 * (right - left)
    node, weight = np.polynomial.legendre.leggauss(PANEL)
    angles, steps = [], []
    for margin in (low.upper - left, right - high.lower):
        ends = np.r_[0, np.pi / 2 * 0.5 ** np.arange(np.ceil(np.log2(4 * radius / margin)), -1, -1)]
        half = np.diff(ends)[:, None] / 2
        angles.append((ends[:-1, None] + half * (1 + node)).ravel())
        steps.append((half * weight).ravel())
    # The left quarter upwards, then the right one downwards; each measured from its own end, where rounding matters.
    rise, fall = angles[0], angles[1][::-1]
    z = np.r_[left - radius * np.expm1(-1j * rise), right + radius * np.expm1(1j * fall)]
    dz = 1j * radius * np.r_[np.exp(-1j * rise) * steps[0], -np.exp(1j * fall) * steps[1][::-1]]
    g = _along(z, left, _at(low, left, problem), *problem) / equations.psi_p
    if np.isnan(g).any():
        raise SolverError(f"the resolvent could not be followed around the bulk from {low.upper:g} to {high.lower:g}")
    return float((g * dz).sum().imag / np.pi), float((g * z * dz).sum().imag / np.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def _relative(move, x):
    """A step relative to the imaginary part of x; where that is tiny, the real part can be known to rounding only."""
    return max(abs(move.real) / max(abs(x.imag), 1e-7 * abs(x)), abs(move.imag / x.imag))


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(z, x, tangent, shift, lam, w, kinds, constant, psi_p):
    """Newton's method for all unknowns at z (from gamma_s), in place from the guess x; True if physical in the end."""
    previous = np.inf
    for _ in range(60):
        at, slope, change, _det = linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
        move = (z - at - change) / slope
        x[0] += move
        step = _relative(move, x[0])
        for a in range(shift.size):
            move_a = shift[a] + tangent[a] * move
            x[a + 1] += move_a
            step = max(step, _relative(move_a, x[a + 1]))
        if step < CONVERGED or (step < STALLED and step >= 0.5 * previous):
            for i in range(x.size):
                # On the way to an unphysical real solution the imaginary part ends as a denormal number.
                if not x[i].imag > 1e-200:
                    return False
            return True
        if not np.isfinite(step):
            return False
        previous = step
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _carry(here, there, x, trial, tangent, shift, lam, w, kinds, constant, psi_p):
    """Carry the solution x from z = here to there on a straight line above the real axis, in place; True on success."""
    part, done = 1.0, 0.0
    while done < 1.0:
        z = there if done + part >= 1.0 else here + (done + part) * (there - here)
        trial[:] = x
        if _solve(z, trial, tangent, shift, lam, w, kinds, constant, psi_p):
            x[:] = trial
            done += part
            part *= 2.0
        else:
            part *= 0.25
            if part < 1e-9:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _along(z, start, real, lam, w, kinds, constant, psi_p):
    """G at points z (K,) of a path above the real axis that begins at the point `start` on it, with solution `real`."""
    size = real.size
    x, trial = real.astype(np.complex128), np.empty(size, np.complex128)
    tangent, shift = np.empty(size - 1, np.complex128), np.empty(size - 1, np.complex128)
    out = np.full(z.size, complex(np.nan))
    _z, slope, _change, _det = linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
    # Into the upper half-plane along the tangent of the real solution.
    ahead = (z[0] - start) / slope
    x[0] += ahead
    for a in range(size - 1):
        x[a + 1] += tangent[a] * ahead
    here = z[0]
    for n in range(z.size):
        if not _carry(here, z[n], x, trial, tangent, shift, lam, w, kinds, constant, psi_p):
            break
        here = z[n]
        out[n] = x[0]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(z, bound, lam, w, kinds, constant, psi_p):
    """G at points z (K,) of the upper half-plane, each reached from far above."""
    size = kinds.shape[0] + 1
    x, trial = np.empty(size, np.complex128), np.empty(size, np.complex128)
    tangent, shift = np.empty(size - 1, np.complex128), np.empty(size - 1, np.complex128)
    out = np.full(z.size, complex(np.nan))
    for n in range(z.size):
        height = max(z[n].imag, 20.0 * (bound + abs(z[n])))
        here = complex(z[n].real, height)
        x[0] = -psi_p / here
        for a in range(size - 1):
            x[a + 1] = 1.0 + x[0] * kinds[a, 2] / kinds[a, 3]
        good = _solve(here, x, tangent, shift, lam, w, kinds, constant, psi_p)
        while good and here != z[n]:
            height = max(z[n].imag, 0.25 * height)
            there = complex(z[n].real, height)
            good = _carry(here, there, x, trial, tangent, shift, lam, w, kinds, constant, psi_p)
            here = there
        if good:
            out[n] = x[0]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep(positions, lower, upper, edge, lam, w, kinds, constant, psi_p):
    """The density at falling positions (K,) in the bulk (lower, upper), from the solution at its upper edge."""
    size = edge.size
    x, trial = np.empty(size, np.complex128), np.empty(size, np.complex128)
    tangent, shift = np.empty(size - 1, np.complex128), np.empty(size - 1, np.complex128)
    out = np.full(positions.size, np.nan)
    # At an edge z - z_edge is a multiple of (G - G_edge)^2: an imaginary displacement leads into the bulk.
    push, here = 0.1, np.inf
    while True:
        x[:] = edge
        linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
        displacement = 1j * push * abs(edge[0])
        x[0] += displacement
        for a in range(size - 1):
            x[a + 1] += tangent[a] * displacement
        at, _slope, change, _det = linearize(x, tangent, shift, lam, w, kinds, constant, psi_p)
        here = (at + change).real
        if lower < here < upper and _solve(complex(here), x, tangent, shift, lam, w, kinds, constant, psi_p):
            break
        push *= 0.5
        if push < 1e-12:
            return out
    # Steps are taken in the logit of the position, which resolves both edges.
    place = np.log((here - lower) / (upper - here))
    for n in range(positions.size):
        goal = np.log((positions[n] - lower) / (upper - positions[n]))
        stride = goal - place
        while place != goal:
            last = abs(stride) >= abs(goal - place)
            target = goal if last else place + stride
            z = positions[n] if last else lower + (upper - lower) / (1 + np.exp(-target))
            trial[:] = x
            if _solve(complex(z), trial, tangent, shift, lam, w, kinds, constant, psi_p):
                x[:] = trial
                place = target
                stride *= 2.0
            else:
                stride *= 0.5
                if abs(stride) < 1e-6:
                    return out
        out[n] = x[0].imag / (np.pi * psi_p)
    return out

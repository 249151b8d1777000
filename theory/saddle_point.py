"""From the saddle point of Bonnaire et al. (arXiv:2505.17638) to one polynomial in the resolvent, symbolically.

The saddle point (exact noise average) couples g = (1/p) Tr (U - z)^{-1} with delta. Writing G = psi_p g, f = 1 / (1 +
delta), A = e^{-2t} a^2, B = b^2 and D_k = 1 + G (B + A lambda_k f), its two equations are

    (1)  G (s^2 + v^2 f - z) + int G (A lambda f + B) / D = psi_p,
    (2)  psi_n delta = G (int A lambda / D + v^2).

Because G (A lambda f + B) / D = 1 - 1/D, both integrals are known once Y = int 1/D is:

    int A lambda G f / D = 1 - (1 + G B) Y.

f times (2), psi_n (1 - f) = 1 - (1 + G B) Y + G v^2 f, turns (1) into

    (1') G (s^2 - z) + psi_n (1 - f) + G B Y = psi_p,

linear in Y; with that Y, f times (2) is linear in f. So delta is eliminated for any covariance, without a resultant:

    f = [G B (1 - psi_n) - (1 + G B) (psi_p - psi_n + G (z - s^2))] / (psi_n - G^2 B v^2).

What is left is Y = sum_k w_k / D_k, a polynomial in g and z once denominators are cleared. At a fixed z its roots are
the values of g on all sheets; two of them meet at an edge of the spectrum, where the discriminant vanishes.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from genmem.shared.errors import InputError, count

if TYPE_CHECKING:
    import sympy

    from genmem.theory.model import RandomFeatures


class Symbols(NamedTuple):
    """The symbols of the derivation; data = e^{-2t} a^2, noise = b^2, and per atom an eigenvalue and its weight."""

    g: "sympy.Symbol"
    delta: "sympy.Symbol"
    z: "sympy.Symbol"
    psi_n: "sympy.Symbol"
    psi_p: "sympy.Symbol"
    data: "sympy.Symbol"
    noise: "sympy.Symbol"
    v2: "sympy.Symbol"
    s2: "sympy.Symbol"
    eigenvalues: tuple["sympy.Symbol", ...]
    weights: tuple["sympy.Symbol", ...]


@lru_cache(maxsize=8)
def symbols(atoms: int = 1) -> Symbols:
    """The symbols for a covariance of `atoms` atoms; the last weight of several is one minus the others."""
    import sympy

    atoms = count("atoms", atoms)
    g, delta, z = sympy.symbols("g delta z")
    psi_n, psi_p, data, noise, v2, s2 = sympy.symbols("psi_n psi_p A B v2 s2", positive=True)
    eigenvalues = sympy.symbols(f"lambda_1:{atoms + 1}", nonnegative=True)
    weights = sympy.symbols(f"w_1:{atoms}", positive=True)
    last = 1 - sum(weights, sympy.Integer(0))
    return Symbols(g, delta, z, psi_n, psi_p, data, noise, v2, s2, eigenvalues, (*weights, last))


def saddle_point(atoms: int = 1) -> tuple["sympy.Expr", "sympy.Expr"]:
    """The two saddle-point equations (1) and (2) of the module's head as expressions in g, delta and z that vanish."""
    s = symbols(atoms)
    big, f = s.psi_p * s.g, 1 / (1 + s.delta)
    atoms_of = list(zip(s.weights, s.eigenvalues))
    strengths = [s.data * lam * f + s.noise for _, lam in atoms_of]
    first = big * (s.s2 + s.v2 * f - s.z) - s.psi_p
    first += sum(w * big * m / (1 + big * m) for (w, _), m in zip(atoms_of, strengths))
    pull = sum(w * s.data * lam / (1 + big * m) for (w, lam), m in zip(atoms_of, strengths))
    return first, s.psi_n * s.delta - big * (pull + s.v2)


def shared_fraction(atoms: int = 1) -> "sympy.Expr":
    """1 / (1 + delta) in terms of g and z: equations (1) and (2) with the integral Y eliminated. Any covariance."""
    s = symbols(atoms)
    big = s.psi_p * s.g
    excess = s.psi_p - s.psi_n + big * (s.z - s.s2)
    return (big * s.noise * (1 - s.psi_n) - (1 + big * s.noise) * excess) / (s.psi_n - big**2 * s.noise * s.v2)


@lru_cache(maxsize=8)
def resolvent_polynomial(atoms: int = 1) -> "sympy.Poly":
    """The polynomial in g that the resolvent solves, irreducible, with coefficients in z and the parameters.

    One atom: degree 5 in g and 2 in z; two atoms: 8 and 3. Raises InputError for more than two atoms, where expanding
    the coefficients in all parameters is of no use.

    >>> polynomial = resolvent_polynomial(1)
    >>> polynomial.degree(), polynomial.coeff_monomial(1)
    (5, -psi_n**2)
    """
    import sympy

    if count("atoms", atoms) > 2:
        raise InputError(f"atoms must be 1 or 2, but {atoms!r} was given")
    s = symbols(atoms)
    big, f = s.psi_p * s.g, shared_fraction(atoms)
    y = (s.psi_p + big * (s.z - s.s2) - s.psi_n * (1 - f)) / (big * s.noise)
    equation = y - sum(w / (1 + big * (s.noise + s.data * lam * f)) for w, lam in zip(s.weights, s.eigenvalues))
    numerator = sympy.fraction(sympy.cancel(equation))[0]
    # What does not depend on z came in with the denominators.
    (factor,) = [factor for factor, _ in sympy.factor_list(numerator)[1] if factor.has(s.z)]
    return sympy.Poly(factor, s.g)


def parameters(model: "RandomFeatures") -> dict["sympy.Symbol", "sympy.Rational"]:
    """The model's parameters as exact rationals, to substitute for the symbols.

    Raises InputError at finitely many copies, which are not derived here.
    """
    import sympy

    if model.copies != float("inf"):
        raise InputError(f"copies must be inf for the symbolic derivation, but {model.copies!r} was given")
    model.require_finite_width("the symbolic derivation")
    s = symbols(len(model.spectrum.eigenvalues))
    c = model.constants
    names = (s.psi_n, s.psi_p, s.data, s.noise, s.v2, s.s2, *s.eigenvalues, *s.weights[:-1])
    values = (model.psi_n, model.psi_p, c.signal * c.a**2, c.b2, c.v2, c.s2)
    values += (*model.spectrum.eigenvalues, *model.spectrum.weights[:-1])
    return {name: sympy.Rational(float(value)) for name, value in zip(names, values)}


def discriminant(model: "RandomFeatures") -> "sympy.Poly":
    """The discriminant of the resolvent's polynomial in g, a polynomial in z, at exactly the model's parameters.

    All edges of the spectrum are among its real roots (so are points where unphysical sheets meet). With all parameters
    left symbolic it has too many terms to be of use.
    """
    import sympy

    atoms = len(model.spectrum.eigenvalues)
    s = symbols(atoms)
    polynomial = sympy.Poly(resolvent_polynomial(atoms).as_expr().subs(parameters(model)), s.g, s.z)
    whole = sympy.Poly(polynomial.clear_denoms(convert=True)[1].as_expr(), s.g)
    return sympy.Poly(sympy.discriminant(whole), s.z)

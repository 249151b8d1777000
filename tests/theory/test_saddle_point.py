"""The symbolic derivation, against elimination by a resultant, thirty-digit roots and exact signs at the edges."""

import doctest

import mpmath as mp
import numpy as np
import pytest
import sympy

import genmem.theory.saddle_point
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.density import feature_spectrum, stieltjes
from genmem.theory.saddle_point import (
    discriminant,
    parameters,
    resolvent_polynomial,
    saddle_point,
    shared_fraction,
    symbols,
)
from tests.tolerances import EXACT_EDGE, ROOT

MODELS = [
    RandomFeatures(4, 8, 0.1),
    RandomFeatures(4, 3, 0.01, "erf"),
    RandomFeatures(64, 1024, 0.01),
    RandomFeatures(4, 8, 0.1, spectrum=Spectrum([0.4, 2.0], [0.25, 0.75])),
    RandomFeatures(16, 64, 0.02, "sin", Spectrum([0.0, 1.5], [0.5, 0.5])),
]
each_model = pytest.mark.parametrize("model", MODELS)


@pytest.mark.parametrize("atoms", [1, 2])
def test_eliminated_fraction_solves_both_equations(atoms):
    s = symbols(atoms)
    first, second = (equation.subs(s.delta, 1 / shared_fraction(atoms) - 1) for equation in saddle_point(atoms))
    # On the polynomial's roots both equations vanish; off them, at another g, they do not.
    model = MODELS[0] if atoms == 1 else MODELS[3]
    values = parameters(model) | {s.z: sympy.Rational(1, 3) + sympy.I / 5}
    roots = sympy.Poly(resolvent_polynomial(atoms).as_expr().subs(values), s.g).nroots(n=30)
    for root in roots:
        for equation in (first, second):
            assert abs(sympy.N(equation.subs(values).subs(s.g, root), 30)) < 1e-20
    off = sympy.N(first.subs(values).subs(s.g, roots[0] * sympy.Rational(11, 10)), 30)
    assert abs(off) > 1e-3


def test_one_atom_polynomial_is_a_factor_of_the_resultant():
    s = symbols(1)
    # Numbers for the parameters keep the resultant small; z and g stay symbols.
    names = (s.psi_n, s.psi_p, s.data, s.noise, s.v2, s.s2, *s.eigenvalues)
    values = dict(zip(names, map(sympy.Rational, range(2, 9))))
    first, second = (sympy.fraction(sympy.together(equation.subs(values)))[0] for equation in saddle_point(1))
    resultant = sympy.factor_list(sympy.resultant(first, second, s.delta))[1]
    ours = sympy.Poly(resolvent_polynomial(1).as_expr().subs(values), s.g, s.z).primitive()[1]
    found = [sympy.Poly(factor, s.g, s.z).primitive()[1] for factor, _ in resultant]
    assert any(factor == ours or factor == -ours for factor in found)


def polynomial_of(model):
    """A function of z that gives the coefficients in g to 50 digits, highest degree first."""
    s = symbols(model.spectrum.eigenvalues.size)
    polynomial = resolvent_polynomial(model.spectrum.eigenvalues.size).as_expr().subs(parameters(model))
    with mp.workdps(50):
        table = [
            [mp.mpf(int(c.p)) / int(c.q) for c in sympy.Poly(coefficient, s.z).all_coeffs()]
            for coefficient in sympy.Poly(polynomial, s.g).all_coeffs()
        ]
    return lambda z: [mp.polyval(row, z) for row in table]


@each_model
def test_solver_follows_the_physical_root(model):
    # From far above, where g = -1/z, down to the middle of a bulk and into a gap by Newton's method in small steps.
    coefficients = polynomial_of(model)
    bulks = feature_spectrum(model, [0.0]).bulks
    with mp.workdps(50):
        for real in ((bulks[-1].lower + bulks[-1].upper) / 2, (bulks[-2].upper + bulks[-1].lower) / 2):
            heights = bulks[-1].upper * np.geomspace(1e3, 1e-4, 300)
            root = -1 / mp.mpc(real, heights[0])
            for height in heights:
                z = mp.mpc(real, height)
                row = coefficients(z)
                for _ in range(6):
                    value, slope = mp.polyval(row, root, derivative=True)
                    root -= value / slope
            assert abs(value / slope / root) < mp.mpf(10) ** -30
            # With a point this close to the axis for the solver, the same root; the others are elsewhere.
            solved = complex(stieltjes(model, complex(z)))
            assert abs(root / solved - 1) < ROOT
            others = sorted(abs(other / solved - 1) for other in mp.polyroots(row, maxsteps=300, extraprec=300))
            assert others[0] < ROOT < 1e-6 < others[1]


@each_model
def test_density_is_the_root_with_positive_imaginary_part(model):
    coefficients = polynomial_of(model)
    result = feature_spectrum(model)
    with mp.workdps(50):
        for k in range(20, result.lambdas.size, 90):
            row = coefficients(mp.mpf(float(result.lambdas[k])))
            exact = max(mp.im(root) for root in mp.polyroots(row, maxsteps=300, extraprec=300))
            assert abs(exact / mp.pi / result.density[k] - 1) < 100 * ROOT


@each_model
def test_discriminant_changes_sign_at_every_edge(model):
    polynomial = discriminant(model)
    for bulk in feature_spectrum(model, [0.0]).bulks:
        for edge in (bulk.lower, bulk.upper):
            below, above = (
                polynomial.eval(sympy.Rational(edge) * (1 + side * sympy.Rational(EXACT_EDGE))) for side in (-1, 1)
            )
            assert below * above < 0
            # Negative control: not so a little further on.
            assert polynomial.eval(sympy.Rational(edge * (1 + 1e-4))) * above > 0


def test_what_is_not_derived_is_refused():
    with pytest.raises(InputError, match="copies"):
        discriminant(RandomFeatures(4, 8, 0.1, copies=2))
    with pytest.raises(InputError, match="atoms"):
        resolvent_polynomial(3)
    with pytest.raises(InputError, match="atoms"):
        discriminant(RandomFeatures(4, 8, 0.1, spectrum=Spectrum([1, 2, 3])))


def test_examples_in_the_docstrings():
    result = doctest.testmod(genmem.theory.saddle_point)
    assert result.attempted > 0 and result.failed == 0

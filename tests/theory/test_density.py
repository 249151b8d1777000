"""The spectrum of U: what every law must obey, against trace identities, quadrature and real eigenvalues."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings, strategies

import genmem.theory.density
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.density import asymptotic_edges, feature_spectrum, stieltjes
from genmem.theory.network import draw_network
from tests.tolerances import DENSITY, FINITE_TRACES, KOLMOGOROV, SAME_NUMBER

TWO = Spectrum([0.4, 2.0], [0.3, 0.7])
POWER = Spectrum(3 * np.arange(1, 31) ** -1.2)
FLAT = Spectrum([0.0, 1.5], [0.4, 0.6])
MODELS = {
    "isotropic": RandomFeatures(4, 8, 0.1),
    "three bulks": RandomFeatures(4, 8, 0.01, "erf"),
    "few features": RandomFeatures(4, 3, 0.1, spectrum=TWO),
    "two atoms": RandomFeatures(2, 30, 0.1, spectrum=TWO),
    "null directions": RandomFeatures(4, 10, 0.05, "sin", FLAT),
    "power law": RandomFeatures(16, 16, 0.01, spectrum=POWER),
    "one copy": RandomFeatures(4, 8, 0.1, spectrum=Spectrum([0.2, 2.0], [0.3, 0.7]), copies=1),
    "one copy, few features": RandomFeatures(8, 4, 0.1, copies=1),
    "two copies": RandomFeatures(3, 9, 0.02, spectrum=TWO, copies=2),
    "4.5 copies": RandomFeatures(4, 8, 0.1, spectrum=POWER, copies=4.5),
    "4 copies at the threshold": RandomFeatures(4, 16, 0.1, spectrum=FLAT, copies=4),
    "many points": RandomFeatures(1e4, 0.01, 0.5, spectrum=TWO),
    "many features": RandomFeatures(0.01, 1e4, 0.1),
    "large": RandomFeatures(1e3, 1e4, 1e-3, spectrum=TWO),
}
each_law = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def rule(model):
    """Positions in each bulk, with weights that turn a sum into an integral over the density."""
    # With y the logit of the position within a bulk, the integrand is analytic and falls exponentially.
    y = np.arange(-64, 34, 0.01)
    for bulk in feature_spectrum(model, [0.0]).bulks:
        width = bulk.upper - bulk.lower
        lambdas = bulk.lower + width / (1 + np.exp(-y))
        yield lambdas, feature_spectrum(model, lambdas).density * 0.01 * width / (1 + np.exp(-y)) / (1 + np.exp(y))


def traces(model):
    """E Tr U / p and E Tr U^2 / p of the Gaussian-equivalent U in the limit, by Wick's theorem.

    U averages phi phi' over n points with m copies each, phi = g + h with Cov g = C = W A W'/d + v^2 and Cov h = D =
    b^2 W W'/d + s^2. A pair of samples of one point shares C; a sample with itself has C + D.
    """
    c, lam, w = model.constants, model.spectrum.eigenvalues, model.spectrum.weights
    data = c.signal * c.a**2 * lam
    first = w @ data + c.b2 + c.v2 + c.s2

    def squared(matrix, isotropic):
        """Tr (W M W'/d + gamma)^2 / p."""
        mean = w @ matrix
        return (mean + isotropic) ** 2 + model.psi_p * (w @ matrix**2)

    same_point = model.psi_p / model.psi_n * (w @ data + c.v2) ** 2
    second = squared(data + c.b2, c.v2 + c.s2) + same_point
    if np.isfinite(model.copies):
        # Of n m pairs of a point's copies, one in m is a sample with itself.
        second += model.psi_p / model.psi_n / model.copies * (first**2 - (w @ data + c.v2) ** 2)
    return first, second


@each_law
def test_density_is_not_negative_and_vanishes_outside_the_bulks(model):
    result = feature_spectrum(model)
    assert np.all(result.density > 0)
    ends = np.array([(bulk.lower, bulk.upper) for bulk in result.bulks])
    assert np.all(np.diff(ends.ravel()) > 0)
    outside = np.concatenate([0.999 * ends[:, 0], ends[:, 0], ends[:, 1], [1.001 * ends[-1, 1]]])
    assert np.all(feature_spectrum(model, outside[outside >= 0]).density == 0)


@each_law
def test_masses_and_moments_are_those_of_the_traces(model):
    result = feature_spectrum(model)
    assert result.residual < SAME_NUMBER
    bulks = np.array([weights @ lambdas[:, None] ** np.arange(3) for lambdas, weights in rule(model)])
    np.testing.assert_allclose(bulks[:, 0], [bulk.mass for bulk in result.bulks], rtol=DENSITY)
    np.testing.assert_allclose(bulks[:, 1] / bulks[:, 0], [bulk.mean for bulk in result.bulks], rtol=DENSITY)
    total = bulks.sum(axis=0) + sum(atom.weight * atom.location ** np.arange(3) for atom in result.atoms)
    np.testing.assert_allclose(total, [1, *traces(model)], rtol=DENSITY)


@each_law
def test_density_leaves_an_edge_as_a_square_root(model):
    for bulk in feature_spectrum(model, [0.0]).bulks:
        width = bulk.upper - bulk.lower
        for edge, sign in ((bulk.lower, 1), (bulk.upper, -1)):
            # Where an edge lies next to the atom or to zero, the square root is seen only closer than that.
            step = min(1e-5 * width, 1e-3 * (edge - model.equations.static[2]))
            near, far = feature_spectrum(model, edge + sign * step * np.array([1, 4])).density
            if edge > 0:
                assert far / near == pytest.approx(2, rel=0.02)
            else:
                assert feature_spectrum(model, [1e-9, 4e-9]).density[0] > 0


@pytest.mark.parametrize("copies", [np.inf, 1, 3])
def test_trace_identities_hold_for_a_drawn_gaussian_equivalent_network(copies):
    model = RandomFeatures(2, 3, 0.2, spectrum=TWO, copies=copies)
    c, d, rng = model.constants, 300, np.random.default_rng(5)
    n, p = 2 * d, 3 * d
    lam = np.repeat([0.4, 2.0], [90, 210])
    weights = rng.standard_normal((p, d))
    points = np.sqrt(c.signal) * c.a * weights @ (np.sqrt(lam)[:, None] * rng.standard_normal((d, n))) / np.sqrt(d)
    points += np.sqrt(c.v2) * rng.standard_normal((p, n))
    if np.isinf(copies):
        u = points @ points.T / n + c.b2 * weights @ weights.T / d + c.s2 * np.eye(p)
    else:
        u = np.zeros((p, p))
        for _ in range(copies):
            noise = np.sqrt(c.b2 / d) * weights @ rng.standard_normal((d, n))
            phi = points + noise + np.sqrt(c.s2) * rng.standard_normal((p, n))
            u += phi @ phi.T / (n * copies)
    measured = np.array([np.trace(u), np.sum(u * u)]) / p
    np.testing.assert_allclose(measured, traces(model), rtol=FINITE_TRACES)
    # Negative control: the identities of another number of copies are told apart.
    other = RandomFeatures(2, 3, 0.2, spectrum=TWO, copies=1 if copies != 1 else np.inf)
    assert abs(measured[1] / traces(other)[1] - 1) > 3 * FINITE_TRACES


def distribution(model, lambdas):
    """The share of eigenvalues up to each of `lambdas`."""
    result = feature_spectrum(model)
    out = np.zeros(lambdas.size)
    for atom in result.atoms:
        out += atom.weight * (lambdas > atom.location)
    for bulk in result.bulks:
        grid = bulk.lower + (bulk.upper - bulk.lower) * np.sin(np.linspace(0, np.pi / 2, 4001)) ** 2
        density = feature_spectrum(model, grid).density
        steps = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
        out += np.interp(lambdas, grid, steps / steps[-1] * bulk.mass)
    return out


@pytest.mark.parametrize("copies", [np.inf, 2])
def test_eigenvalues_of_a_tanh_network_follow_the_density(copies):
    model = RandomFeatures(3, 6, 0.1, spectrum=TWO, copies=copies)
    u, _ = draw_network(model, 100, np.random.default_rng(2)).train_moments()
    eigenvalues = np.linalg.eigvalsh(u)
    ranks = (np.arange(600) + 0.5) / 600
    # At finite d the atom is spread, by terms of order sqrt(p/d^2): leave out what is next to it.
    lowest = feature_spectrum(model).bulks[0]
    seen = eigenvalues > lowest.lower + 0.2 * (lowest.mean - lowest.lower)

    def distance(model):
        return np.abs(distribution(model, eigenvalues) - ranks)[seen].max()

    assert distance(model) < KOLMOGOROV
    for psi_n in (2.4, 3.75):
        assert distance(RandomFeatures(psi_n, 6, 0.1, spectrum=TWO, copies=copies)) > 2 * KOLMOGOROV


def test_every_bulk_holds_exactly_its_share_of_a_drawn_network():
    model = RandomFeatures(4, 8, 0.01)
    u, _ = draw_network(model, 100, np.random.default_rng(1)).train_moments()
    eigenvalues = np.linalg.eigvalsh(u)
    result = feature_spectrum(model)
    assert [atom.weight for atom in result.atoms] == [1 - 5 / 8]
    limits = [(a.upper + b.lower) / 2 for a, b in zip(result.bulks[:-1], result.bulks[1:])]
    counts = np.histogram(eigenvalues, [0, *limits, np.inf])[0]
    assert list(counts) == [300 + 100, 300, 100]
    np.testing.assert_allclose([bulk.mass for bulk in result.bulks], [1 / 8, 3 / 8, 1 / 8], rtol=SAME_NUMBER)


def residual(model, z, g):
    """How far g is from solving the equations in the papers' notation, delta by fixed-point iteration."""
    c, lam, w, psi_p = model.constants, model.spectrum.eigenvalues, model.spectrum.weights, model.psi_p
    data = c.signal * c.a**2 * lam
    if np.isinf(model.copies):
        kinds = [(data, c.v2, 1.0, model.psi_n)]
        fixed, isotropic = c.b2, c.s2
    else:
        m = model.copies
        kinds = [(m * data + c.b2, m * c.v2 + c.s2, 1 / m, model.psi_n * m)]
        kinds += [(c.b2 + 0 * data, c.s2, 1 - 1 / m, model.psi_n * m)]
        fixed, isotropic = 0.0, 0.0
    delta = np.zeros((len(kinds), len(z)), complex)
    for _ in range(3000):
        m_total = fixed + sum(share * a[:, None] / (1 + x) for (a, _, share, _), x in zip(kinds, delta))
        d = 1 + psi_p * g * m_total
        delta = np.array([psi_p * g * (w @ (a[:, None] / d) + gamma) / nu for a, gamma, _, nu in kinds])
    gamma_total = isotropic - z + sum(share * gamma / (1 + x) for (_, gamma, share, _), x in zip(kinds, delta))
    return np.abs(g * (gamma_total + w @ (m_total / d)) - 1)


@each_law
def test_stieltjes_transform_solves_the_equations(model):
    scale = feature_spectrum(model, [0.0]).bulks[-1].upper
    # Far enough above the axis the iteration converges; elsewhere the next test takes over.
    z = scale * np.array([3j, -1 + 2j, 1 + 3j, -4.0])
    assert np.all(residual(model, z, stieltjes(model, z)) < SAME_NUMBER)


@each_law
def test_stieltjes_transform_is_that_of_the_spectrum(model):
    result = feature_spectrum(model, [0.0])
    bulk = result.bulks[-1]
    z = np.array([-0.3 * bulk.upper, 2 * bulk.upper, bulk.upper * (0.5 + 0.4j), bulk.upper * (0.2 - 0.3j)])
    expected = sum((atom.weight / (atom.location - z) for atom in result.atoms), np.zeros(4, complex))
    for lambdas, weights in rule(model):
        expected += weights @ (1 / (lambdas[:, None] - z))
    np.testing.assert_allclose(stieltjes(model, z), expected, rtol=DENSITY)


ratios = strategies.floats(-2, 4).map(lambda x: 10**x)
heights = strategies.floats(-9, 9).map(lambda x: 10**x)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    ratios, ratios, strategies.floats(-4, 0.69).map(lambda x: 10**x), strategies.sampled_from([np.inf, 1, 2, 4.5]),
    strategies.sampled_from([Spectrum(), TWO, FLAT, POWER]), strategies.floats(-1e6, 1e6), heights,
)  # fmt: skip
def test_any_problem_gives_a_stieltjes_transform_and_a_spectrum(psi_n, psi_p, t, copies, covariance, real, imaginary):
    model = RandomFeatures(psi_n, psi_p, t, spectrum=covariance, copies=copies)
    z = complex(real, imaginary)
    g = stieltjes(model, [z, z.conjugate(), 1e12 * 1j, -1e14])
    assert g[0].imag > 0 and g[1] == g[0].conjugate()
    assert abs(-1e12j * g[2] - 1) < 1e-4 and abs(1e14 * g[3] - 1) < 1e-6
    # No probability measure has a larger transform at this height.
    assert abs(g[0]) <= 1 / imaginary * (1 + 1e-9)
    result = feature_spectrum(model)
    assert result.residual < SAME_NUMBER and np.all(result.density >= 0)
    mass = sum(bulk.mass for bulk in result.bulks) + sum(atom.weight for atom in result.atoms)
    assert mass == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("psi_p", [5 * (1 - 1e-9), 5, 5 * (1 + 1e-9)])
def test_threshold_between_atom_and_no_atom(psi_p):
    result = feature_spectrum(RandomFeatures(4, psi_p, 0.1))
    assert result.residual < SAME_NUMBER
    assert [bulk.mass for bulk in result.bulks] == pytest.approx([0.8, 0.2], abs=1e-8)
    assert bool(result.atoms) == (psi_p > 5)


def test_asymptotic_edges_are_approached():
    errors = []
    for scale in (4, 16, 64):
        model = RandomFeatures(4 * scale, 64 * scale, 0.1)
        bulks = feature_spectrum(model, [0.0]).bulks[-2:]
        exact = np.array([(bulk.lower, bulk.upper) for bulk in bulks])
        errors.append(np.abs(np.array(asymptotic_edges(model)) / exact - 1).max(axis=1))
    errors = np.array(errors)
    assert np.all(errors[1:] < errors[:-1] / 3)
    assert np.all(errors[-1] < 0.005)
    assert np.isnan(asymptotic_edges(MODELS["two copies"])[0]).all()


def test_generalization_bulk_does_not_depend_on_n_but_the_memorization_bulk_does():
    small, large = (feature_spectrum(RandomFeatures(psi_n, 4096, 0.1), [0.0]).bulks for psi_n in (256, 512))
    assert large[-1].mean == pytest.approx(small[-1].mean, rel=0.01)
    v2 = MODELS["isotropic"].constants.v2
    assert small[-2].mean - large[-2].mean == pytest.approx(v2 * (4096 / 256 - 4096 / 512), rel=0.02)


@pytest.mark.parametrize("bad", [[-1.0], [np.nan], [np.inf]])
def test_wrong_positions_are_refused(bad):
    with pytest.raises(InputError, match="lambdas"):
        feature_spectrum(MODELS["isotropic"], bad)


def test_points_on_the_spectrum_are_refused():
    model = MODELS["isotropic"]
    result = feature_spectrum(model)
    for z in (result.atoms[0].location, (result.bulks[0].lower + result.bulks[0].upper) / 2, np.nan):
        with pytest.raises(InputError, match="z must"):
            stieltjes(model, [z])
    gap = (result.bulks[0].upper + result.bulks[1].lower) / 2
    assert stieltjes(model, gap).imag == 0


def test_shapes_are_kept():
    lambdas = np.linspace(0, 9, 12).reshape(3, 4)
    assert feature_spectrum(MODELS["isotropic"], lambdas).density.shape == (3, 4)
    assert stieltjes(MODELS["isotropic"], 1j).shape == () and stieltjes(MODELS["isotropic"], [[1j]]).shape == (1, 1)


def test_examples_in_the_docstrings():
    result = doctest.testmod(genmem.theory.density)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("activation", ["linear", "cos"])
def test_the_spectrum_needs_both_parts_of_an_activation(activation):
    with pytest.raises(InputError, match="linear and a nonlinear part"):
        feature_spectrum(RandomFeatures(4, 8, 0.1, activation, center=True))

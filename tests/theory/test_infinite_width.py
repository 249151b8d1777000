"""Infinite width: the limit of the finite ones at rate 1/psi_p, the kernel's own equation, and published values."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, descend, phase_diagram, simulate
from genmem.theory.density import feature_spectrum, stieltjes
from genmem.theory.nodes import nodes
from tests.tolerances import CLOSED_FORM

TWO = Spectrum([0.5, 1.5], [0.5, 0.5])
VARIANTS = [
    {"psi_n": 2, "spectrum": TWO},
    {"psi_n": 4, "copies": 3, "ridge": 0.01},
]


@pytest.mark.parametrize("problem", VARIANTS)
@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_finite_widths_come_close_at_the_rate_of_one_over_their_width(problem, kappa):
    """At every time, infinity included, whatever the ridge, and with gradient noise: exponent -1."""
    tau, widths = np.array([1.0, 10.0, 1e5, np.inf]), np.array([1e4, 1e5, 1e6])
    limit = RandomFeatures(psi_p=np.inf, t=0.1, **problem).learning_curves(tau, kappa)
    curves = [RandomFeatures(psi_p=p, t=0.1, **problem).learning_curves(tau, kappa) for p in widths]
    for name in ("test", "bias", "empirical"):
        miss = np.array([abs(getattr(each, name) - getattr(limit, name)) for each in curves])
        seen = miss[-1] > 1e-11
        exponents = np.polyfit(np.log(widths), np.log(miss[:, seen]), 1)[0]
        assert seen[1] and np.all(np.abs(exponents + 1) < 0.02), (name, exponents)


def test_against_the_one_equation_that_is_left():
    """delta = (G/psi_n)(int A lambda / D + v^2) with G = -1/z, solved by bisection in itself, and its test loss."""
    model, tau = RandomFeatures(2, np.inf, 0.1, spectrum=TWO), 10.0
    c, lam, w = model.constants, np.array([0.5, 1.5]), np.array([0.5, 0.5])
    data, rule = c.signal * c.a**2 * lam, nodes()
    z = np.concatenate([rule.directions, rule.directions.conj()]) / (2 * c.delta * tau)
    q = np.concatenate([rule.weights, rule.weights.conj()])
    g, delta = -1 / z, np.zeros(z.size, complex)
    for _ in range(2000):
        d = 1 + g[:, None] * (c.b2 + data / (1 + delta[:, None]))
        delta = 0.5 * delta + 0.5 * g / 2 * ((data / d) @ w + c.v2)
    u = g[:, None] / d
    uu = u[:, None] * u[None, :]
    outer = (1 + delta[:, None]) * (1 + delta[None, :])
    kappa = (uu * data * (data + c.b2)) @ w / 2 / (outer - (uu * data * data) @ w / 2)
    sandwich = c.b2 * ((uu * (data + c.b2)) @ w + kappa * ((uu * data) @ w))
    # What the labels' own columns add (docs/theory.md, section 4).
    test = 1 + (2 * q @ (c.b2 * u @ w) + q @ sandwich @ q).real
    assert model.learning_curves(tau).test == pytest.approx(test, rel=CLOSED_FORM)


def test_published_values_and_what_is_left_at_the_end():
    published = RandomFeatures(8, np.inf, 0.1, copies=16).learning_curves(np.inf)  # Urfin et al. 2026
    assert published.test == pytest.approx(2.85357, abs=1e-5) and published.train == 0
    assert published.bias == pytest.approx(11.11, abs=5e-3) and published.variance == pytest.approx(0.117, abs=5e-4)
    # With exact noise average the network ends as the score of the training points: the noised point's own one.
    model = RandomFeatures(8, np.inf, 0.1)
    delta = model.constants.delta
    assert model.learning_curves(np.inf).test == pytest.approx((1 - delta) / delta, rel=CLOSED_FORM)


def test_the_times_are_finite_and_of_the_order_of_the_kernels_rate():
    """tau_mem of the order psi_n / (2 Delta v^2); a ridge, which does not grow with psi_p, changes nothing."""
    for psi_n in (64.0, 256.0):
        model = RandomFeatures(psi_n, np.inf, 0.1)
        times, near = model.timescales(), RandomFeatures(psi_n, 1e7, 0.1).timescales()
        assert times.mem == pytest.approx(near.mem, rel=1e-4) and times.gen == pytest.approx(near.gen, rel=1e-4)
        assert 0.1 < times.mem / (psi_n / (2 * model.constants.delta * model.constants.v2)) < 1
    assert RandomFeatures(4, np.inf, 0.1, ridge=0.5).timescales() == RandomFeatures(4, np.inf, 0.1).timescales()


def test_it_is_the_upper_edge_of_a_phase_diagram():
    diagram = phase_diagram([4, 16], [64, 1e6, np.inf], 0.1, tau=100.0)
    assert diagram.psi_p[-1] == np.inf and diagram.solved.all()
    np.testing.assert_allclose(diagram.tau_mem[2], diagram.tau_mem[1], rtol=1e-3)
    assert np.array_equal(diagram.phase[2], diagram.phase[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda model: simulate(model, d=10, seed=0, tau=1.0),
        lambda model: descend(model, d=10, seed=0, steps=2, learning_rate=1.0),
        feature_spectrum,
        lambda model: stieltjes(model, -1.0),
    ],
)
def test_what_needs_features_one_by_one_says_so(call):
    with pytest.raises(InputError, match="psi_p must be finite"):
        call(RandomFeatures(2, np.inf, 0.1))


@pytest.mark.parametrize("psi_p", [0, -np.inf, np.nan, "wide"])
def test_bad_widths_are_refused(psi_p):
    with pytest.raises(InputError, match="psi_p must be a positive number or inf"):
        RandomFeatures(2, psi_p, 0.1)

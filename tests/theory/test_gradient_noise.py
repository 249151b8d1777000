"""SGD in closed form: against the Volterra equation, thirty digits, one drawn network's traces, and SGD itself."""

import mpmath as mp
import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, descend, phase_diagram, simulate
from genmem.theory.density import feature_spectrum
from genmem.theory.gradient_noise import EMPIRICAL, POWER, TEST, TRAIN, sweep
from genmem.theory.network import draw_network
from genmem.theory.nodes import talbot
from genmem.theory.prediction import prediction
from genmem.theory.prediction_text import as_table
from genmem.theory.timescales import timescales_of_curves
from tests.theory.oracle import Oracle
from tests.theory.test_oracle import nearby
from tests.tolerances import CLOSED_FORM, FINITE_TRACES, REFINED_TIME, SAME_NUMBER

TWO = Spectrum([0.5, 1.5], [0.5, 0.5])
MODEL = RandomFeatures(2, 4, 0.1, spectrum=TWO)
LOSSES = ("train", "test", "penalised", "empirical", "score")
VARIANTS = [
    MODEL,
    RandomFeatures(2, 4, 0.1, spectrum=TWO, ridge=0.01),
    RandomFeatures(2, 4, 0.1, spectrum=TWO, copies=2, ridge=0.02),
    RandomFeatures(0.5, 4, 0.1, spectrum=TWO, copies=2),
]


def traces(model, z):
    """(5,) at one z, by the compiled sweep."""
    out = np.empty((5, 1, 1), complex)
    done = sweep(np.ones(1), np.array([z]), 0.0, model.equations.norm_bound, model.equations, out)
    assert np.isfinite(done)
    return out[:, 0, 0]


def kernel(model, kind, u):
    """(1/p) Tr B U e^{-2cu(U + ridge)} of the trace (1/p) Tr B U R, by Talbot's contour."""
    directions, weights = talbot(28)
    z = -model.ridge + directions / (2 * model.rate * u)
    # d/du of the inverse transform of (trace / s).
    return -2 * np.sum((weights * -directions / u * [traces(model, x)[kind] for x in z]).real) / (2 * model.rate)


# The traces -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("copies", [np.inf, 3])
def test_traces_to_ten_digits(copies):
    """Of U R, U^2 R and U_test U R at thirty digits, where the subtraction 1 + z R may cancel."""
    model, p = RandomFeatures(2, 4, 0.1, spectrum=TWO, copies=copies), 4
    oracle = Oracle(2, p, 0.1, [0.5, 1.5], [0.5, 0.5], copies)
    fresh = [x + oracle.b2 for x in oracle.data]
    rest, square = oracle.v2 + oracle.s2, oracle.integral(fresh) + oracle.v2 + oracle.s2
    for z in (0.03 + 0.02j, -1.0 + 0.5j, 3e3 + 4e3j):
        node = oracle.node(mp.mpmathify(z), nearby(model)(z))
        test = oracle.integral([x * u for x, u in zip(fresh, node["u"])]) / p + rest * node["g"]
        power = 1 + z * node["g"]
        exact = [complex(x) for x in (power, square + z * power, square + z * test)]
        np.testing.assert_allclose(traces(model, z)[[POWER, TRAIN, TEST]], exact, rtol=CLOSED_FORM)


@pytest.mark.parametrize("copies", [np.inf, 2])
def test_traces_of_a_drawn_network(copies):
    """U_emp: fresh noise on the training points."""
    model, z = RandomFeatures(2, 4, 0.1, spectrum=TWO, copies=copies), -0.3
    network = draw_network(model, 120, np.random.default_rng(0))
    u, fresh = network.train_moments()[0], network.population_moments()[0]
    own = network.empirical_moments()[0]
    resolvent = np.linalg.inv(u - z * np.eye(len(u)))
    dense = [np.trace(x @ u @ resolvent) / len(u) for x in (np.eye(len(u)), u, fresh, own)]
    closed = traces(model, z + 1e-12j).real[[POWER, TRAIN, TEST, EMPIRICAL]]
    np.testing.assert_allclose(closed, dense, rtol=FINITE_TRACES)
    # Negative control: fresh points are not the training points.
    assert abs(dense[2] / dense[3] - 1) > 2 * FINITE_TRACES


def test_kernels_of_an_independent_prototype():
    np.testing.assert_allclose([kernel(MODEL, TRAIN, u) for u in (0.3, 3.0)], [0.8173, 0.1993], atol=6e-5)
    np.testing.assert_allclose([kernel(MODEL, TEST, u) for u in (0.3, 3.0)], [0.6656, 0.1948], atol=6e-5)


# The Volterra equation ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", VARIANTS, ids=["plain", "ridge", "copies and ridge", "interpolating"])
def test_losses_solve_the_volterra_equation(model):
    """Put into the equation in the time domain, with the integrals by quadrature."""
    tau, kappa = 30.0, 3.0
    x, w = np.polynomial.legendre.leggauss(40)
    s, w = tau * (x + 1) / 2, w * tau / 2 * kappa * 4 * model.constants.delta**2 / model.psi_p
    flow, sgd, then = model.learning_curves(tau), model.learning_curves(tau, kappa), model.learning_curves(s, kappa)
    for name, kind in (("train", TRAIN), ("test", TEST), ("empirical", EMPIRICAL)):
        k = np.array([kernel(model, kind, tau - x) for x in s])
        assert getattr(sgd, name) - getattr(flow, name) == pytest.approx(np.sum(w * k * then.train), rel=1e-8), name
        assert getattr(sgd, name) - getattr(flow, name) > 0.01
    k = np.array([kernel(model, POWER, tau - x) for x in s])
    penalty = sgd.penalised - sgd.train - flow.penalised + flow.train
    assert penalty == pytest.approx(model.ridge * np.sum(w * k * then.train), rel=1e-8, abs=1e-12)
    assert sgd.score - flow.score == pytest.approx((sgd.test - flow.test) / model.constants.delta, rel=SAME_NUMBER)
    assert sgd.bias == flow.bias and sgd.error < 1e-10


def average(function):
    """Of a function of U's eigenvalue, over the density and its atom."""
    u = feature_spectrum(MODEL)
    angle = np.pi * (np.arange(200) + 0.5) / 200
    total = sum(a.weight * function(a.location) for a in u.atoms)
    for bulk in u.bulks:
        half = (bulk.upper - bulk.lower) / 2
        x = bulk.lower + half * (1 + np.cos(angle))
        total += np.sum(feature_spectrum(MODEL, x).density * function(x) * half * np.sin(angle)) * np.pi / 200
    return total


def test_kernel_and_critical_noise_from_the_spectral_density():
    for u in (1.0, 30.0):
        value = average(lambda x: x**2 * np.exp(-2 * MODEL.rate * u * x))
        assert kernel(MODEL, TRAIN, u) == pytest.approx(value, rel=1e-5)
    value = MODEL.constants.delta * average(lambda x: x**2 / (x + 0.1))
    ridge = RandomFeatures(2, 4, 0.1, spectrum=TWO, ridge=0.1)
    assert ridge.critical_gradient_noise * value == pytest.approx(1, rel=1e-5)


# Limits ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", VARIANTS, ids=["plain", "ridge", "copies and ridge", "interpolating"])
def test_little_noise_adds_in_proportion_and_none_adds_nothing(model):
    tau = [0.0, 1e-6, 1.0, 1e3, np.inf]
    flow, less, more = (model.learning_curves(tau, kappa) for kappa in (0.0, 1e-12, 1e-3))
    for name in LOSSES:
        np.testing.assert_allclose(getattr(less, name), getattr(flow, name), rtol=1e-10)
    added = more.train - flow.train
    half = model.learning_curves(tau, 5e-4).train - flow.train
    # Where the train loss vanishes, so does the noise.
    np.testing.assert_allclose(added, 2 * half, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("model", VARIANTS, ids=["plain", "ridge", "copies and ridge", "interpolating"])
def test_late_times_reach_the_limit(model):
    late, limit = model.learning_curves([1e9, np.inf], 3.0).train, model.learning_curves(np.inf, 3.0)
    assert late[0] == pytest.approx(late[1], rel=1e-8, abs=1e-11)
    tests = model.learning_curves([1e9, np.inf], 3.0).test
    assert tests[0] == pytest.approx(tests[1], rel=1e-7)
    if model.ridge == 0:
        flow = model.learning_curves(np.inf)
        share = 3.0 / model.critical_gradient_noise
        assert limit.train == pytest.approx(flow.train / (1 - share), rel=SAME_NUMBER, abs=1e-12)


def test_critical_noise_without_a_ridge_is_the_activations_power():
    for model in (MODEL, RandomFeatures(0.5, 30, 0.1, spectrum=TWO, copies=3), RandomFeatures(50, 0.5, 0.1, "erf")):
        power = model.constants.mu1**2 + model.constants.v2 + model.constants.s2
        assert model.critical_gradient_noise * model.constants.delta * power == pytest.approx(1, rel=1e-12)


def test_critical_noise_of_infinite_width_leaves_out_what_never_moves():
    model = RandomFeatures(4, np.inf, 0.1)
    power = model.constants.mu1**2 + model.constants.v2
    assert model.critical_gradient_noise * model.constants.delta * power == pytest.approx(1, rel=1e-9)


def test_sgd_slows_down_near_the_critical_noise():
    """The limit of the train loss grows like 1 / (kappa_c - kappa), but is reached ever later."""
    critical = MODEL.critical_gradient_noise
    limits = [float(MODEL.learning_curves(np.inf, critical * (1 - gap)).train) for gap in (1e-2, 1e-4)]
    assert limits[1] / limits[0] == pytest.approx(100, rel=1e-9)
    times = [float(MODEL.learning_curves(300.0, critical * (1 - gap)).train) for gap in (1e-2, 1e-4)]
    assert times[1] / times[0] < 1.3
    assert MODEL.learning_curves(1e4, critical * (1 - 1e-4)).error < 1e-9


@pytest.mark.parametrize("kappa", [14.0, 1e9, -1.0, np.nan, np.inf, "much"])
def test_noise_at_which_sgd_diverges_is_refused(kappa):
    for call in (lambda: MODEL.learning_curves(1.0, kappa), lambda: MODEL.timescales(gradient_noise=kappa)):
        with pytest.raises(InputError, match="gradient_noise must be"):
            call()


# The times ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", VARIANTS[:3], ids=["plain", "ridge", "copies and ridge"])
@pytest.mark.parametrize("kappa", [0.1, 1.0])
def test_times_agree_with_a_dense_curve(model, kappa):
    tau = np.geomspace(1e-2, 1e5, 2000)
    c = model.learning_curves(tau, kappa)
    dense, exact = timescales_of_curves(tau, c.train, c.test, initial=1.0), model.timescales(gradient_noise=kappa)
    for name in ("gen", "mem", "gap"):
        assert getattr(exact, name) == pytest.approx(getattr(dense, name), rel=REFINED_TIME), name
    assert exact.loss_min == pytest.approx(dense.loss_min, rel=1e-6)


def test_noise_closes_the_window():
    """It hastens memorization, worsens the best loss and delays a given quality; at last there is no window."""
    times = [RandomFeatures(8, 16, 0.1).timescales(gradient_noise=kappa) for kappa in (0.0, 1.0, 2.0)]
    assert np.all(np.diff([x.mem for x in times]) < 0) and np.all(np.diff([x.loss_min for x in times]) > 0)
    gen = [RandomFeatures(8, 16, 0.1).timescales(0.85, gradient_noise=kappa).gen for kappa in (0.0, 0.5, 1.0, 2.0)]
    assert np.all(np.diff(gen[:3]) > 0) and gen[3] == np.inf
    none = RandomFeatures(8, 16, 0.1).timescales(gradient_noise=10.0)
    assert (none.gen, none.mem, none.gap, none.loss_min) == (np.inf, np.inf, np.inf, 1.0)


# SGD itself -----------------------------------------------------------------------------------------------------------
def distance(d, batch, kappa, tau, model=MODEL, seeds=8, momentum=0.0):
    """Mean of (SGD - flow) of one draw less the same of the closed form: train and test."""
    rate = kappa * batch * d * (1 - momentum)
    steps = round(tau * d**2 * (1 - momentum) / rate)
    found = []
    for seed in range(seeds):
        flow = simulate(model, d, seed, tau)
        sgd = descend(model, d, seed, steps, rate, "sgd", batch_size=batch, momentum=momentum, points=2)
        found.append([sgd.train[-1] - flow.train, sgd.test[-1] - flow.test])
    flow, sgd = model.learning_curves(tau), model.learning_curves(tau, kappa)
    return np.mean(found, 0) - [sgd.train - flow.train, sgd.test - flow.test]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_sgd_adds_what_the_closed_form_says(momentum):
    """kappa = 3 adds 0.19 to the train loss; momentum divides the learning rate that a kappa takes."""
    assert np.all(abs(distance(48, 1, 3.0, 20.0, momentum=momentum)) < 0.02)
    # Negative control: the noise of half the batch.
    flow, twice = MODEL.learning_curves(20.0), MODEL.learning_curves(20.0, 6.0)
    assert twice.train - flow.train > 0.3


@pytest.mark.slow
def test_distance_to_sgd_falls_like_one_over_the_dimension():
    """At batches of 8, so that steps shrink too: fitted exponents -1.16 and -1.13."""
    d = np.array([16, 32, 64])
    found = [distance(size, 8, 4.0, 20.0, seeds=seeds) for size, seeds in zip(d, (60, 40, 20), strict=True)]
    assert np.polyfit(np.log(d), np.log(found), 1)[0] == pytest.approx([-1, -1], abs=0.35)


@pytest.mark.slow
def test_distance_to_sgd_falls_in_proportion_to_the_step():
    """At one dimension, from batches of 4 to 16, with what no step takes away, of order 1/d, taken off."""
    near, middle, far = (distance(32, batch, 2.0, 20.0, seeds=24)[0] for batch in (4, 8, 16))
    assert 1.4 < (far - middle) / (middle - near) < 3.2


# Diagrams, predictions ------------------------------------------------------------------------------------------------
def test_the_noise_is_an_axis_of_a_phase_diagram():
    kappas = [0.0, 1.0, 20.0]
    diagram = phase_diagram([2, 8], 16, 0.1, tau=100.0, gradient_noise=kappas)
    assert diagram.tau_mem.dims == ("gradient_noise", "psi_n") and diagram.psi_p == 16
    for n in (2, 8):
        network = RandomFeatures(n, 16, 0.1)
        for kappa in kappas[:2]:
            assert (
                float(diagram.tau_mem.sel(psi_n=n, gradient_noise=kappa))
                == network.timescales(gradient_noise=kappa).mem
            )
        assert network.critical_gradient_noise < 20
    assert np.isinf(diagram.tau_gen.sel(gradient_noise=20)).all() and (diagram.phase.sel(gradient_noise=20) == 0).all()
    line = diagram.psi_n_memorization
    assert line[1] > line[0]  # more points are needed to hold memorization off
    plane = phase_diagram([2, 8], [4, 16], 0.1, gradient_noise=1.0)
    assert np.array_equal(plane.tau_mem.sel(psi_p=16), diagram.tau_mem.sel(gradient_noise=1))
    with pytest.raises(InputError, match="psi_p must be one value"):
        phase_diagram([2, 8], [4, 16], 0.1, gradient_noise=kappas)
    for bad in ([1.0, 0.5], -1.0, [np.nan]):
        with pytest.raises(InputError, match="gradient_noise must be"):
            phase_diagram([2, 8], 4, 0.1, gradient_noise=bad)


def test_predictions_take_the_noise_and_say_when_it_is_too_strong():
    model = RandomFeatures(8, 16, 0.1)
    found = prediction(model, (1.0, 10.0), 1.0)
    assert found.gradient_noise == 1.0 and np.array_equal(found.test, model.learning_curves([1.0, 10.0], 1.0).test)
    assert found.tau_mem == model.timescales(gradient_noise=1.0).mem
    assert "the gradient noise keeps" in as_table(prediction(model, (), 10.0))

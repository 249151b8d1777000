"""Samples of finite networks, solved exactly: against flows that are known, and against copies that must be seen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial.distance import cdist

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, generate
from genmem.theory.finite_size import diagonalized, relaxation
from genmem.theory.generated_samples import NOISE, _nearest_two
from genmem.theory.network import draw_network
from tests.tolerances import EXPONENT, SAME_NUMBER

TWO_ATOMS = Spectrum([0.5, 1.5], [0.5, 0.5])
LINEAR = RandomFeatures(3, 4, 0.1, "linear", TWO_ATOMS)


def test_an_untrained_network_only_blows_up_the_noise():
    start = np.random.default_rng(0).standard_normal((5, 20))
    made = generate(LINEAR, d=20, tau=0.0, start=start, t0=0.1, T=1.5)
    assert made.samples == pytest.approx(np.exp(1.4) * start, rel=SAME_NUMBER)
    assert made.denoised == pytest.approx(np.exp(1.5) * start, rel=SAME_NUMBER)


def test_linear_features_follow_their_linear_flow_at_third_order():
    """dx/dt = -x - A(t) x by short products of matrix exponentials (midpoint rule) with the score's own matrix A(t)."""
    d, t0, T = 8, 0.05, 2.0
    network = draw_network(LINEAR, d, np.random.default_rng(3))
    tau = 8.0

    def matrix(t):
        model = replace(LINEAR, t=float(t))
        c = model.constants
        x, vectors, y = diagonalized(replace(network, delta=c.delta, signal=c.signal))
        b = vectors @ (relaxation(x, 2 * c.delta * d / len(network.w) * np.array([tau])) * y)
        return (network.w.T / np.sqrt(d)) @ b / np.sqrt(c.delta)

    edges = np.geomspace(T, t0, 121)
    flow = np.eye(d)
    for before, after in zip(edges, edges[1:], strict=False):
        flow = flow @ expm((before - after) * (np.eye(d) + matrix(np.sqrt(before * after))))
    start = np.random.default_rng(0).standard_normal((6, d))
    gaps = [
        np.abs(generate(LINEAR, d, tau, seed=3, start=start, t0=t0, T=T, steps=steps).samples - start @ flow).max()
        for steps in (16, 32)
    ]
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(3, abs=8 * EXPONENT) and gaps[1] < 5e-3


def test_one_network_for_all_training_times_and_noises():
    """A time in a list is that time alone; the same seed is the same network; the noise does not depend on sizes."""
    model = RandomFeatures(1, 3, 0.1)
    start = np.random.default_rng(0).standard_normal((4, 12))
    both = generate(model, 12, [[5.0, np.inf]], start=start, seed=2, steps=12)
    alone = generate(model, 12, np.inf, start=start, seed=2, steps=12)
    assert both.samples.shape == (1, 2, 4, 12) and both.distances.shape == (1, 2, 4, 2)
    assert both.samples[0, 1] == pytest.approx(alone.samples, abs=SAME_NUMBER)
    drawn = generate(model, 12, np.inf, samples=4, seed=2, steps=12)
    wider = generate(RandomFeatures(2, 3, 0.1), 12, 0.0, samples=4, seed=2, steps=12)
    untrained = generate(model, 12, 0.0, samples=4, seed=2, steps=12)
    assert np.array_equal(wider.samples, untrained.samples) and not np.allclose(drawn.samples, alone.samples)
    assert (drawn.d, drawn.n, drawn.p) == (12, 12, 36) and drawn.training.shape == (12, 12)


def test_points_of_ones_own_come_back_in_their_own_coordinates():
    """Two points on one axis of many: the samples of late training lie along it."""
    data = np.zeros((2, 8))
    data[:, 5] = [2.0, -2.0]
    made = generate(RandomFeatures(2, 32, 0.1, "erf", Spectrum([0.5])), tau=np.inf, data=data, samples=32, steps=24)
    power = (made.denoised**2).mean(axis=0)
    assert np.argmax(power) == 5 and power[5] > 20 * np.delete(power, 5).max()
    assert np.array_equal(made.training, data)


def test_wide_networks_copy_few_points_and_not_many():
    """f_mem grows with training, for n far below d; with n = 2 d the equivalent score is linear, and cannot copy."""
    rng = np.random.default_rng(0)
    tau = [1.0, np.inf]
    few = generate(RandomFeatures(3 / 24, 8, 0.1), tau=tau, data=rng.standard_normal((3, 24)), samples=150, steps=20)
    many = generate(RandomFeatures(2, 8, 0.1), tau=tau, data=rng.standard_normal((48, 24)), samples=150, steps=20)
    assert few.f_mem[0] == 0 and few.f_mem[1] > 0.1
    assert np.all(many.f_mem < 0.03)
    assert few.memorized_fraction(0.5)[1] > few.f_mem[1] > few.memorized_fraction(0.2)[1]


def test_finitely_many_noises_and_ridge_are_taken_over():
    model = RandomFeatures(1, 2, 0.1, copies=2, ridge=0.1)
    data = np.random.default_rng(0).standard_normal((10, 10))
    made = generate(model, tau=np.inf, data=data, samples=3, steps=6)
    free = generate(RandomFeatures(1, 2, 0.1, copies=2), tau=np.inf, data=data, samples=3, steps=6)
    assert np.all(np.isfinite(made.samples)) and not np.allclose(made.samples, free.samples)


def test_guesses_are_clipped_on_request():
    made = generate(RandomFeatures(1, 2, 0.1), 10, tau=3.0, samples=20, bound=0.3, steps=8)
    assert np.abs(made.denoised).max() == 0.3


def test_the_two_nearest_points():
    rng = np.random.default_rng(0)
    training, samples = rng.standard_normal((30, 5)), rng.standard_normal((50, 5))
    samples[0] = training[7]
    exact = cdist(samples, training)
    nearest, distances = _nearest_two(samples, training)
    assert np.array_equal(nearest, exact.argmin(axis=1))
    assert distances == pytest.approx(np.sort(exact, axis=1)[:, :2], abs=SAME_NUMBER)
    assert distances[0, 0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tau": -1.0}, "tau must be zero or positive"),
        ({"samples": 0}, "samples must be a whole number of at least 1"),
        ({"steps": 2}, "steps must be a whole number of at least 3"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"T": 0.001}, "T must be later than t0"),
        ({"bound": 0.0}, "bound must be positive"),
        ({"d": None}, "d must be a whole number"),
        ({"start": np.zeros((3, 4))}, "start must have 10 columns"),
        ({"data": np.zeros((1, 10))}, "data must have shape"),
        ({"d": 2}, "psi_n must give two training points"),
    ],
)
def test_mistakes_are_one_sentence(arguments, words):
    with pytest.raises(InputError, match=words):
        generate(**{"model": RandomFeatures(0.5, 2, 0.1), "d": 10, **arguments})


def test_the_flow_begins_where_data_are_almost_gone():
    assert np.exp(-2 * NOISE) < 0.02

"""The times of random models: in order, at the levels that define them, and at the lowest point of a dense curve."""

import numpy as np
import pytest

from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.nodes import FINE, nodes
from genmem.theory.timescales import Fractions


def random_model(rng) -> RandomFeatures:
    atoms = rng.integers(1, 4)
    copies = rng.choice([np.inf, np.inf, 1, 2, 3, rng.uniform(1, 20)])
    return RandomFeatures(
        psi_n=10 ** rng.uniform(-1.5, 2.5),
        psi_p=10 ** rng.uniform(-1.5, 2.5),
        t=10 ** rng.uniform(-3, 0.5),
        activation=rng.choice(["tanh", "erf", "sin", "arctan"]),
        spectrum=Spectrum(10 ** rng.uniform(-2.5, 1, atoms), rng.dirichlet(np.ones(atoms))),
        copies=copies,
        ridge=rng.choice([0, 0, 10 ** rng.uniform(-6, 0)]),
    )


def check(model: RandomFeatures, fractions: Fractions) -> None:
    times = model.timescales(fractions=fractions)
    assert times.gen <= times.minimum <= times.mem
    finite = [time for time in (times.gen, times.mem, times.gap, times.minimum) if np.isfinite(time)]
    tau = np.geomspace(min(finite) / 30, 30 * max(finite), 400)
    curves = model.learning_curves(tau)
    assert times.loss_min <= curves.test.min() + 1e-10
    # Before each time its level has not been reached; at the time itself the curve is on it.
    fall = 1 - times.loss_min
    noise = 1e-9 * fall + 1e-11
    gen, mem = times.loss_min + fractions.gen * fall, times.loss_min + fractions.mem * fall
    assert np.all(curves.test[tau < times.gen] > gen - noise)
    assert np.all(curves.test[(tau > times.minimum) & (tau < times.mem)] < mem + noise)
    assert np.all((curves.test - curves.train)[tau < times.gap] < fractions.gap * fall + noise)
    for time, level in ((times.gen, gen), (times.mem, mem), (times.minimum, times.loss_min)):
        if np.isfinite(time):
            assert model.learning_curves(time).test == pytest.approx(level, rel=0, abs=noise)
    if np.isfinite(times.gap):
        curves = model.learning_curves(times.gap)
        assert curves.test - curves.train == pytest.approx(fractions.gap * fall, rel=0, abs=noise)


def several(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(number):
        model = random_model(rng)
        check(model, Fractions(*10 ** rng.uniform(-4, -0.5, 3)) if rng.random() < 0.5 else Fractions())


def test_random_models():
    several(0, 40)


@pytest.mark.slow
def test_thousands_of_random_models():
    several(1, 3000)


def test_a_long_flat_minimum():
    """By 40-node contours and a fine scan: the minimum at 13385.1 is 1.3e-5 deep between points a factor 1.2 apart."""
    model = RandomFeatures(
        100.22178046073353,
        174.49804831774384,
        0.005735358213376422,
        spectrum=Spectrum([0.006741626256003403]),
        copies=2,
    )
    times = model.timescales()
    assert times.minimum == pytest.approx(13385.1, rel=1e-5) and times.loss_min == pytest.approx(0.3710810, abs=5e-8)
    assert times.gen == pytest.approx(3785.689, rel=5e-7) and times.mem == pytest.approx(1.655796e9, rel=5e-7)


def test_a_small_fraction_is_reached_after_the_minimum():
    times = RandomFeatures(8, 16, 0.1).timescales(fractions=Fractions(mem=1e-4))
    assert times.mem == pytest.approx(17.4978, rel=1e-5) and times.gen < times.minimum < times.mem
    tiny = RandomFeatures(8, 16, 0.1).timescales(fractions=Fractions(gen=1e-8, mem=1e-8))
    # A parabola around the minimum: both sides at the same distance in log(tau).
    left, right = np.log(tiny.minimum / tiny.gen), np.log(tiny.mem / tiny.minimum)
    assert left == pytest.approx(right, rel=1e-2) and 1e-5 < right < 1e-2


def test_the_minimum_is_where_the_finer_nodes_have_it():
    """The position to 1e-7, which values alone, known to 1e-11, could not give."""
    for model in (RandomFeatures(8, 16, 0.1), RandomFeatures(2, 64, 0.01, copies=3)):
        times = model.timescales()
        around = times.minimum * np.exp(np.linspace(-0.2, 0.2, 21))
        rows, _ = model._march(around, nodes(FINE), 0.0)
        fit = np.polynomial.Polynomial.fit(np.log(around / times.minimum), rows[0], 10)
        roots = fit.deriv().roots()
        vertex = roots[np.abs(roots).argmin()]
        assert abs(vertex) < 1e-7


def test_the_gap_with_a_ridge_is_where_the_losses_part():
    """The train loss of a penalised flow has terms that grow with tau; a Newton step needs their slope too."""
    model = RandomFeatures(38.1, 3.26, 0.84, spectrum=Spectrum([0.36, 5.0], [0.5, 0.5]), ridge=0.1)
    times = model.timescales(fractions=Fractions(gap=2e-4))
    curves = model.learning_curves(np.array([0.999, 1.0, 1.001]) * times.gap)
    parted = (curves.test - curves.train) / (1 - times.loss_min)
    assert parted[1] == pytest.approx(2e-4, rel=1e-7) and parted[0] < 2e-4 - 1e-8 < 2e-4 + 1e-8 < parted[2]

"""Many curves in one call, only what is asked for, directions of no weight, and what large problems take."""

import tracemalloc

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, learning_curves_of, simulate
from tests.tolerances import CLOSED_FORM

TWO = Spectrum([0.5, 1.5], [0.5, 0.5])


def test_many_models_at_once_are_the_models_one_by_one():
    models = [
        RandomFeatures(n, p, t, copies=m) for n in (2, 8) for p in (4, np.inf) for t in (0.1, 1) for m in (2, np.inf)
    ]
    tau = [0.0, 3.0, 300.0, np.inf]
    for model, curves in zip(models, learning_curves_of(models, tau), strict=True):
        alone = model.learning_curves(tau)
        assert np.array_equal(curves.test, alone.test) and np.array_equal(curves.modes, alone.modes)
    assert learning_curves_of([], tau) == []
    with pytest.raises(InputError, match="models must hold"):
        learning_curves_of([models[0], "tanh"], tau)


def test_thousands_of_atoms_and_times_need_little_memory():
    """2000 atoms x 10,000 times: no array of both is made."""
    model = RandomFeatures(4, 8, 0.1, spectrum=Spectrum(np.geomspace(0.01, 10, 2000)))
    model.learning_curves([1.0])
    few, many = np.geomspace(1, 1e3, 20), 10_000
    tracemalloc.start()
    model.learning_curves(few)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What grows with the times: rows of losses; what grows with the atoms: the vectors 1/D.
    assert peak + many * 8 * 40 < 20e6


def test_a_direction_of_no_weight_is_one_of_little_weight():
    """c(lambda, tau) at any lambda: an atom of weight 1e-9 has it too; and at the spectrum's own it is the modes."""
    tau = np.array([0.0, 1.0, 30.0, 1e4, np.inf])
    for copies in (np.inf, 2):
        model = RandomFeatures(3, 6, 0.1, spectrum=TWO, copies=copies)
        spiked = Spectrum([0.5, 1.5, 7.0], [0.5, 0.5 - 1e-9, 1e-9])
        shown = RandomFeatures(3, 6, 0.1, spectrum=spiked, copies=copies).learning_curves(tau)
        at = model.learning_curves(tau, modes_at=[1.5, 7.0])
        np.testing.assert_allclose(at.modes, shown.modes[:, 1:], rtol=1e-7)
        np.testing.assert_allclose(at.modes[:, 0], model.learning_curves(tau).modes[:, 1], rtol=CLOSED_FORM)
    with pytest.raises(InputError, match="modes_at"):
        model.learning_curves(tau, modes_at=[-1.0])


@pytest.mark.slow
def test_the_difference_of_two_classes_is_learned_when_the_theory_says():
    """Two Gaussian classes, a drawn network: the coefficient along the difference of means against c(lambda, tau)."""
    d, rng = 200, np.random.default_rng(3)
    way = rng.standard_normal(d)
    way /= np.linalg.norm(way)

    def draw(count):
        return rng.standard_normal((count, d)) + 3 * rng.choice([-1.0, 1.0], (count, 1)) * way

    model, tau = RandomFeatures(psi_n=6, psi_p=4, t=0.1), np.geomspace(0.03, 100, 20)
    run = simulate(model, seed=0, tau=tau, data=draw(1200), held_out=draw(400))
    assert run.modes.shape == (20, d)
    closed = model.learning_curves(tau, modes_at=[10.0]).modes[:, 0]
    # The simulation's modes are those of its own eigenbasis, the largest eigenvalue last or first.
    largest = run.modes[:, np.argmax(np.abs(run.modes[2]))]
    assert np.max(np.abs(largest - closed)) < 0.1 * np.max(np.abs(closed))

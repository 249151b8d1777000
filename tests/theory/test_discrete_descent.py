"""Descent in closed form, step by step: against the loop on drawn networks, and against the flow as steps shrink."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, descend, descent_curves, simulate
from genmem.theory import discrete_descent as module
from tests.tolerances import CLOSED_FORM, EXPONENT

TWO = Spectrum([0.5, 1.5], [0.5, 0.5])
MODEL = RandomFeatures(2, 4, 0.1, spectrum=TWO)
VARIANTS = {
    "plain": MODEL,
    "ridge": RandomFeatures(2, 4, 0.1, spectrum=TWO, ridge=0.05),
    "copies and ridge": RandomFeatures(2, 4, 0.1, spectrum=TWO, copies=2, ridge=0.02),
}
STEPS = [0, 1, 2, 5, 20, 100, 600]


def shifts(model, d, momentum):
    """(test, train) of the discrete algorithm less the flow's at the same tau, of the closed form and of one draw."""
    closed = descent_curves(model, STEPS, 1.0, momentum)
    loop = descend(model, d, 0, STEPS[-1], 1.0 * d**2, momentum=momentum, points=5000)
    at = np.searchsorted(loop.steps, STEPS)
    assert np.array_equal(loop.steps[at], STEPS)
    np.testing.assert_allclose(closed.tau, loop.tau[at], rtol=1e-12)
    flow, drawn = model.learning_curves(closed.tau), simulate(model, d, 0, closed.tau)
    ours = np.array([closed.test - flow.test, closed.train - flow.train])
    return ours, np.array([loop.test[at] - drawn.test, loop.train[at] - drawn.train])


@pytest.mark.parametrize("model", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_shift_from_the_flow_is_that_of_the_loop(model, momentum):
    """Up to corrections of order 1/d; momentum moves a loss by up to 0.2."""
    ours, loops = shifts(model, 64, momentum)
    size = abs(loops).max()
    assert size > 0.003
    assert abs(ours - loops).max() < 0.1 * size
    assert ours[:, 0].tolist() == [0, 0] and abs(ours[:, 1]).min() > 0


def test_distance_to_the_loop_falls_with_the_dimension():
    """Of one draw each, like 1/d: from d = 16 to 96 by six, up to fluctuations of the same order."""
    distance = [np.abs(np.subtract(*shifts(MODEL, d, 0.5))).max() for d in (16, 96)]
    assert distance[0] > 2 * distance[1]


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_distance_to_the_flow_falls_in_proportion_to_the_step(momentum):
    sizes = np.array([0.004, 0.002, 0.001])
    for tau in (3.0, 50.0):
        flow = MODEL.learning_curves(tau, 2.0)
        closed = [descent_curves(MODEL, round(tau * (1 - momentum) / s), s, momentum, 2.0) for s in sizes]
        for name in ("train", "test", "score"):
            distance = [abs(float(getattr(c, name)) - float(getattr(flow, name))) for c in closed]
            assert np.polyfit(np.log(sizes), np.log(distance), 1)[0] == pytest.approx(1, abs=EXPONENT), name


@pytest.mark.parametrize("model", VARIANTS.values(), ids=VARIANTS)
def test_both_contours_give_the_same_number(model, monkeypatch):
    """A circle around all roots, and Talbot's around those that are real and positive."""
    talbot = descent_curves(model, [120, 240], 0.5, 0.5, 2.0)
    monkeypatch.setattr(module, "FORGOTTEN", 0.0)
    circle = descent_curves(model, [120, 240], 0.5, 0.5, 2.0)
    np.testing.assert_allclose(talbot.train, circle.train, rtol=CLOSED_FORM)
    np.testing.assert_allclose(talbot.test, circle.test, rtol=10 * CLOSED_FORM)


def test_the_first_step_by_hand():
    """b_1 = -h V: the train loss falls by 2h (1/d) Tr V'V less h^2 (1/d) Tr V'UV, all of one draw but for 1/d."""
    d, step = 200, 1.0
    from genmem.theory.network import draw_network

    (u, v), h = draw_network(MODEL, d, np.random.default_rng(0)).train_moments(), MODEL.rate * step
    by_hand = 1 - 2 * h * np.vdot(v, v) / d + h**2 * np.vdot(v, u @ v) / d
    assert descent_curves(MODEL, 1, step).train - 1 == pytest.approx(by_hand - 1, rel=0.02)


@pytest.mark.parametrize("momentum, model", [(0.0, MODEL), (0.8, MODEL), (0.0, VARIANTS["copies and ridge"])])
def test_sgd_in_long_steps(momentum, model):
    """Batches of half a dimension: the steps add as much again to what the noise adds in the limit of short ones."""
    d, batch, kappa, tau, seeds = 32, 16, 3.0, 20.0, 12
    rate = kappa * batch * d * (1 - momentum)
    steps = round(tau * d**2 * (1 - momentum) / rate)
    closed = descent_curves(model, steps, rate / d**2, momentum, kappa)
    flow, found = model.learning_curves(closed.tau), []
    for seed in range(seeds):
        own = simulate(model, d, seed, closed.tau)
        run = descend(model, d, seed, steps, rate, "sgd", batch_size=batch, momentum=momentum, points=2)
        found.append([run.train[-1] - own.train, run.test[-1] - own.test])
    added = np.array([closed.train - flow.train, closed.test - flow.test])
    assert np.all(added > 0.15) and np.all(abs(np.mean(found, 0) - added) < 0.03)
    # Negative control: noise a third lower.
    less = descent_curves(model, steps, rate / d**2, momentum, kappa / 1.5)
    assert less.train - flow.train < added[0] - 0.05


def test_divergence_is_refused_and_near_it_all_is_well():
    with pytest.raises(InputError, match="step must be below 3.83122"):
        descent_curves(MODEL, 10, 3.84)
    with pytest.raises(InputError, match="gradient_noise must be lower"):
        descent_curves(MODEL, 10, 1.0, gradient_noise=13.9)
    # The largest root is about -0.995.
    near = descent_curves(MODEL, [1, 2, 40, 41, 10_000], 3.82)
    assert np.all(np.diff(near.train) < 0) and near.test[-1] == pytest.approx(
        MODEL.learning_curves(near.tau[-1]).test, rel=1e-3
    )
    assert descent_curves(MODEL, 10, 3.84, momentum=0.1).train < 1


@pytest.mark.parametrize(
    "arguments, name",
    [
        (([-1], 0.1), "steps"),
        (([1.5], 0.1), "steps"),
        ((["a"], 0.1), "steps"),
        ((1, 0.0), "step"),
        ((1, 0.1, 1.0), "momentum"),
        ((1, 0.1, -0.1), "momentum"),
        ((1, 0.1, 0.0, -1.0), "gradient_noise"),
    ],
)
def test_bad_values_are_refused(arguments, name):
    with pytest.raises(InputError, match=f"{name} must be"):
        descent_curves(MODEL, *arguments)

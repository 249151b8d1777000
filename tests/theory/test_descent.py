"""The discrete algorithms: against torch's optimizers step by step, and in the limit of a small learning rate."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, descend, simulate
from genmem.theory.network import draw_network
from tests.tolerances import BRUTE_FORCE, EXPONENT

MODEL, D, TAU = RandomFeatures(2, 4, 0.1), 16, 30.0
STEPS = np.array([250, 500, 1000, 2000])


def rate(steps: int, momentum: float = 0.0) -> float:
    """The learning rate that takes so many steps to TAU."""
    return TAU * D**2 * (1 - momentum) / steps


def exponent(distances) -> float:
    """The fitted power of the learning rate, at a fixed training time."""
    return -np.polyfit(np.log(STEPS), np.log(distances), 1)[0]


# The gradient-flow limit ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("model", [MODEL, RandomFeatures(2, 4, 0.1, copies=2, ridge=0.01)], ids=["exact", "two copies"])
def test_distance_to_the_flow_falls_in_proportion_to_the_learning_rate(model, momentum):
    flow = simulate(model, D, 3, TAU)
    runs = [descend(model, D, 3, steps, rate(steps, momentum), momentum=momentum) for steps in STEPS]
    assert all(run.tau[-1] == pytest.approx(TAU, rel=1e-12) and run.status == "finished" for run in runs)
    for name in ("train", "test", "score"):
        distance = [abs(getattr(run, name)[-1] - getattr(flow, name)) for run in runs]
        assert exponent(distance) == pytest.approx(1, abs=EXPONENT), name
    # Negative control: at half the time the flow is elsewhere, and a smaller rate does not help.
    half = simulate(model, D, 3, TAU / 2)
    assert abs(exponent([abs(run.test[-1] - half.test) for run in runs])) < EXPONENT


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("copies", [np.inf, 2])
def test_mean_distance_of_sgd_to_the_flow_falls_in_proportion_to_the_learning_rate(copies, momentum):
    """SGD's mean follows gradient descent; its variance, of order eta, adds to every loss."""
    model, seeds = RandomFeatures(2, 4, 0.1, copies=copies), range(12)
    flow = np.array([simulate(model, D, seed, TAU).train for seed in seeds])
    distance = []
    for steps in STEPS:
        runs = [
            descend(model, D, seed, steps, rate(steps, momentum), "sgd", batch_size=8, momentum=momentum, points=2)
            for seed in seeds
        ]
        distance.append(np.mean([run.train[-1] for run in runs] - flow))
    assert min(distance) > 0 and exponent(distance) == pytest.approx(1, abs=EXPONENT)


def test_a_larger_batch_of_fresh_noise_is_nearer_to_the_flow():
    flow = simulate(MODEL, D, 0, TAU).train
    near, far = (descend(MODEL, D, 0, 500, rate(500), "sgd", batch_size=size).train[-1] - flow for size in (128, 8))
    assert 0 < 4 * near < far


# Step by step ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize(
    "algorithm, learning_rate, momentum",
    [("gd", 20.0, 0.0), ("gd", 20.0, 0.8), ("adam", 0.03, 0.9), ("adam", 0.03, 0.0)],
)
def test_the_steps_are_those_of_torch(algorithm, learning_rate, momentum, ridge):
    """The loss of docs/theory.md, section 1, written out over every sample, differentiated and stepped by torch."""
    import torch

    model, d, seed, steps = RandomFeatures(2, 3, 0.2, copies=2, ridge=ridge), 10, 1, 12
    run = descend(model, d, seed, steps, learning_rate, algorithm, momentum=momentum, points=50)
    np.testing.assert_array_equal(run.steps, np.arange(steps + 1))

    net = draw_network(model, d, np.random.default_rng(seed))
    noise = torch.tensor(net.xi)
    phi = torch.tensor(net.features(net.noised(net.x, net.xi)))
    p, delta = run.p, net.delta
    a = torch.zeros(d, p, dtype=torch.float64, requires_grad=True)
    if algorithm == "gd":
        optimizer = torch.optim.SGD([a], lr=learning_rate, momentum=momentum)
    else:
        optimizer = torch.optim.Adam([a], lr=learning_rate, betas=(momentum, 0.999), eps=1e-8)
    losses = []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        score = phi @ a.T / p**0.5
        loss = ((delta**0.5 * score + noise) ** 2).sum(-1).mean() / d
        losses.append(loss.item())
        (loss + delta * ridge / (p * d) * (a**2).sum()).backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(run.train, losses, rtol=1e-10)


def test_sgd_draws_unbiased_batches():
    """The mean of one SGD step over many seeds' batches is the step of gradient descent on the same network."""
    from genmem.theory.descent import _minibatches, _Optimizer

    for copies in (3, np.inf):
        model = RandomFeatures(2, 3, 0.2, copies=copies)
        net = draw_network(model, 8, np.random.default_rng(0))
        one = _Optimizer(24, 8, 1.0, 0.0, False)
        batches = _minibatches(net, 0.0, one, 20_000, np.random.default_rng(1))
        batches(1)
        gradient = 2 / 8 * np.sqrt(net.delta / 24) * net.train_moments()[1]
        error = np.sqrt(np.mean((one.a + gradient) ** 2) / np.mean(gradient**2))
        assert error < 0.05


def test_adam_reaches_the_minimum():
    """Without a null space the minimum is one; Adam ends there as the flow does."""
    for model in (RandomFeatures(4, 0.8, 0.1), RandomFeatures(2, 2, 0.1, copies=1, ridge=0.05)):
        minimum = simulate(model, D, 3, np.inf)
        run = descend(model, D, 3, 5000, 0.02, "adam")
        assert run.train[0] > run.train[-1] + 0.01
        assert run.train[-1] == pytest.approx(minimum.train, rel=1e-5)
        assert run.test[-1] == pytest.approx(minimum.test, rel=1e-3)


def test_adam_with_minibatches_lowers_the_loss_and_its_batches_are_noise():
    full, batch = (descend(MODEL, D, 3, 300, 0.02, "adam", batch_size=size) for size in (None, 16))
    assert batch.train[-1] < 0.9 and full.train[-1] < batch.train[-1]


# Stability ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_gradient_descent_diverges_above_the_stable_rate_only(momentum):
    """Stable below 2 (1 + beta) d^2 / (c x): x the largest eigenvalue of U."""
    u, _ = draw_network(MODEL, D, np.random.default_rng(3)).train_moments()
    edge = 2 * (1 + momentum) * D**2 / (MODEL.rate * np.linalg.eigvalsh(u)[-1])
    below, above = (descend(MODEL, D, 3, 4000, f * edge, momentum=momentum) for f in (0.99, 1.02))
    assert below.status == "finished" and below.train[-1] < 0.8
    assert above.status == "diverged"
    for losses in (above.train, above.test, above.score):
        assert np.isinf(losses[-1]) and np.isfinite(losses[0]) and not np.any(np.isnan(losses))


def test_an_absurd_rate_diverges_without_warnings():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert descend(MODEL, D, 3, 500, 1e30).status == "diverged"


# Contract -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("arguments", [{}, dict(algorithm="sgd", batch_size=4), dict(algorithm="adam", batch_size=4)])
def test_the_same_seed_gives_the_same_bits(arguments):
    a, b, c = (descend(MODEL, D, seed, 40, 0.5, **arguments) for seed in (1, 1, 2))
    assert np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test) and a.test[-1] != c.test[-1]


def test_recorded_steps_begin_at_zero_and_do_not_change_the_path():
    few, many = (descend(MODEL, D, 1, 1000, 10.0, points=points) for points in (5, 60))
    assert few.steps[0] == many.steps[0] == 0 and few.steps[-1] == many.steps[-1] == 1000 and few.steps.size == 5
    assert few.train[0] == few.test[0] == 1 and few.score[0] == pytest.approx(MODEL.score_power, rel=1e-14)
    assert few.test[-1] == pytest.approx(many.test[-1], rel=BRUTE_FORCE)
    np.testing.assert_allclose(many.tau, many.steps * 10.0 / D**2, rtol=1e-14)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(d=1), "d must be a whole number"),
        (dict(steps=0), "steps must be a whole number of at least 1"),
        (dict(learning_rate=0), "learning_rate must be positive"),
        (dict(algorithm="adams"), "did you mean 'adam'"),
        (dict(algorithm="sgd"), "batch_size must be given for sgd"),
        (dict(batch_size=4), "batch_size must be given for sgd"),
        (dict(algorithm="sgd", batch_size=0), "batch_size must be a whole number"),
        (dict(momentum=1.0), "momentum must be from 0 to below 1"),
        (dict(points=1), "points must be a whole number of at least 2"),
    ],
)
def test_mistakes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        descend(MODEL, **(dict(d=D, seed=0, steps=10, learning_rate=1.0) | arguments))

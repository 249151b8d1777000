"""The discrete algorithms on the network of theory.simulate: gradient descent, SGD with fresh noise, momentum, Adam.

The state is A' (p, d), trained from zero on L = 1 + (2/d) Tr b'V + (1/d) Tr b'(U + ridge) b, b = sqrt(Delta / p) A',
and the losses recorded are exact (docs/theory.md, sections 1 and 8). As the learning rate eta goes to zero at fixed
tau = steps x eta / d^2, gradient descent, SGD and momentum approach the gradient flow of `simulate` for the same seed,
the distance falling like eta.
"""

from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, count, finite, known, positive
from genmem.theory.compiled import njit
from genmem.theory.model import RandomFeatures
from genmem.theory.network import Network, draw_network
from genmem.theory.simulation_cost import memory, require_memory
from genmem.theory.tables import Table

# Adam's second-moment decay and the floor of its denominator, as in Kingma & Ba (arXiv 1412.6980).
SECOND_DECAY, EPSILON = 0.999, 1e-8
# The untrained network's train loss is 1; a loss above this is on its way to infinity.
DIVERGED = 1e6
# Doubles of features and noises drawn at once for minibatches.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Descent(Table):
    """Losses of one finite network along a discrete algorithm, each of shape (K,), after the recorded `steps` (K,).

    tau: steps x learning_rate / d^2, divided by 1 - momentum for "gd" and "sgd", whose velocity gathers so many steps.
    Adam's steps do not scale with the gradient, so that tau compares it with no flow: read its losses against steps.
    train: over the training points and their noises (all noises at copies = inf), without the ridge's penalty; test,
    score: as in Simulation; inf from the step at which the iteration had diverged.
    status: "finished", or "diverged" for a learning rate too large.
    d, n, p, seed: of the draw, as in Simulation.
    """

    steps: np.ndarray
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    status: str
    d: int
    n: int
    p: int
    seed: int


def descend(
    model: RandomFeatures,
    d: int,
    seed: int,
    steps: int,
    learning_rate: float,
    algorithm: str = "gd",
    *,
    batch_size: int | None = None,
    momentum: float | None = None,
    points: int = 60,
) -> Descent:
    """Train the network that `simulate(model, d, seed, ...)` draws with a discrete algorithm.

    algorithm: "gd", the full gradient (all noises at copies = inf); "sgd", each step batch_size training points drawn
    with replacement, under fresh noise at copies = inf, else each with one of its noises; "adam", with the full
    gradient or, given batch_size, as SGD draws it. learning_rate: of A, > 0; gradient descent is stable below
    2 d^2 / (c x) with x the largest eigenvalue of U + ridge and c = model.rate. momentum: beta in [0, 1) of the
    velocity v <- beta v + gradient, A <- A - learning_rate v, 0 by default; for Adam the decay of its first moment, 0.9
    by default. points: at most so many log-spaced steps are recorded, 0 and the last among them.
    Raises InputError for bad values, and for sizes that do not fit in this machine's memory.
    """
    seed, steps = count("seed", seed, 0), count("steps", steps)
    rate, points = positive("learning_rate", learning_rate), count("points", points, 2)
    known("algorithm", algorithm, ("gd", "sgd", "adam"))
    if (algorithm == "sgd") != (batch_size is not None) and algorithm != "adam":
        raise InputError(f"batch_size must be given for sgd, and only for sgd or adam, but algorithm is {algorithm!r}")
    if batch_size is not None:
        batch_size = count("batch_size", batch_size)
    if momentum is None:
        momentum = 0.9 if algorithm == "adam" else 0.0
    if not 0 <= finite("momentum", momentum) < 1:
        raise InputError(f"momentum must be from 0 to below 1, but {momentum!r} was given")
    require_memory(memory(model, d))
    rng = np.random.default_rng(seed)
    network = draw_network(model, d, rng)
    d, n, p = network.sizes
    moments, population = network.train_moments(), network.population_moments()
    optimizer = _Optimizer(p, d, rate, momentum, algorithm == "adam")
    if batch_size is None:
        advance = _full_gradient(network, moments, model.ridge, optimizer)
    else:
        advance = _minibatches(network, model.ridge, optimizer, batch_size, rng)

    recorded = np.unique(np.concatenate([[0], np.geomspace(steps, 1, points - 1).round().astype(int)]))
    train, test = np.full(recorded.size, np.inf), np.full(recorded.size, np.inf)
    status = "finished"
    for k, step in enumerate(recorded):
        if k:
            advance(int(step - recorded[k - 1]))
        b = np.sqrt(network.delta / p) * optimizer.a
        # A diverging iteration overflows; that is what the status says.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = network.label_power + _excess(b, moments)
            if not loss < DIVERGED:
                status = "diverged"
                break
            train[k], test[k] = loss, 1 + _excess(b, population)
    score = network.score_power + (test - 1) / network.delta
    tau = recorded * (rate / d**2)
    if algorithm != "adam":
        tau /= 1 - momentum
    return Descent(recorded, tau, train, test, score, status, d, n, p, seed)


class _Optimizer:
    """The state A' (p, d), its first and second moments, and what `_update` needs."""

    def __init__(self, p: int, d: int, rate: float, momentum: float, adam: bool):
        self.a, self.first = np.zeros((p, d)), np.zeros((p, d))
        self.second = np.zeros((p, d) if adam else (0, d))
        self.rate, self.momentum, self.step = rate, momentum, 0

    def arguments(self, steps: int) -> tuple:
        """State and constants for a kernel that is about to make so many steps."""
        self.step += steps
        return self.a, self.first, self.second, self.rate, self.momentum, self.step - steps


def _excess(b: np.ndarray, moments) -> float:
    """(2/d) Tr b'V + (1/d) Tr b'U b."""
    u, v = moments
    return float((2 * np.vdot(b, v) + np.vdot(b, u @ b)) / b.shape[1])


def _full_gradient(network: Network, moments, ridge: float, optimizer: _Optimizer):
    """A function that makes the given number of steps with the gradient over all training samples."""
    d, _, p = network.sizes
    scale = np.sqrt(network.delta / p)
    constant = 2 / d * scale * moments[1]
    matrix = 2 / d * scale**2 * (moments[0] + ridge * np.eye(p))

    def advance(steps: int) -> None:
        _follow(matrix, constant, steps, *optimizer.arguments(steps))

    return advance


def _minibatches(network: Network, ridge: float, optimizer: _Optimizer, size: int, rng):
    """A function that makes the given number of steps, each with the gradient over a random batch."""
    d, n, p = network.sizes
    scale = np.sqrt(network.delta / p)
    longest = max(1, _CHUNK // (size * (p + d)))

    def advance(steps: int) -> None:
        while steps:
            chunk = min(steps, longest)
            which = rng.integers(n, size=chunk * size)
            if network.xi is None:
                noise = rng.standard_normal((chunk * size, d))
            else:
                noise = network.xi[rng.integers(len(network.xi), size=chunk * size), which]
            phi = scale * network.features(network.noised(network.x[which], noise))
            _follow_batches(
                phi.reshape(chunk, size, p),
                noise.reshape(chunk, size, d),
                2 / d * scale**2 * ridge,
                *optimizer.arguments(chunk),
            )
            steps -= chunk

    return advance


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(matrix, constant, steps, a, first, second, rate, momentum, done):
    """`steps` steps with the gradient matrix a + constant, in place."""
    gradient = np.empty_like(a)
    for k in range(steps):
        np.dot(matrix, a, gradient)
        gradient += constant
        _update(gradient, a, first, second, rate, momentum, done + k + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _follow_batches(phi, noise, ridge, a, first, second, rate, momentum, done):
    """One step for each batch of phi (K, B, p) and noise (K, B, d), in place."""
    gradient = np.empty_like(a)
    batches, size, d = noise.shape
    for k in range(batches):
        residual = (np.dot(phi[k], a) + noise[k]) * (2.0 / (d * size))
        np.dot(phi[k].T, residual, gradient)
        gradient += ridge * a
        _update(gradient, a, first, second, rate, momentum, done + k + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _update(gradient, a, first, second, rate, momentum, step):
    """Step number `step` (from 1) of momentum, or of Adam if `second` has rows."""
    if second.shape[0] == 0:
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                first[i, j] = momentum * first[i, j] + gradient[i, j]
                a[i, j] -= rate * first[i, j]
        return
    mean, square = 1.0 - momentum**step, 1.0 - SECOND_DECAY**step
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            g = gradient[i, j]
            first[i, j] = momentum * first[i, j] + (1.0 - momentum) * g
            second[i, j] = SECOND_DECAY * second[i, j] + (1.0 - SECOND_DECAY) * g * g
            a[i, j] -= rate * first[i, j] / mean / (np.sqrt(second[i, j] / square) + EPSILON)

"""The exact dynamics of a finite network: one eigendecomposition of U gives the losses at every training time.

Gradient flow from zero takes b = sqrt(Delta) A' / sqrt(p) to f_tau(U + ridge) V with f_tau(x) = (e^{-c tau x} - 1) / x
(docs/theory.md, sections 1 and 8), so in the eigenbasis of U every loss is a sum over eigenvalues.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, count, times
from genmem.theory.model import RandomFeatures
from genmem.theory.network import Network, draw_network, network_sizes, own_points
from genmem.theory.simulation_cost import memory, require_memory
from genmem.theory.tables import Table

# Rows of the quadratic form done at once, so that it needs no further p^2 doubles.
_ROWS = 256
# Features beyond which LAPACK's 32-bit integers cannot count the eigendecomposition's workspace, 2 p^2 + 6 p + 1.
LARGEST = 32_766


@dataclass(frozen=True)
class Simulation(Table):
    """Losses of a finite network against training time, each of the shape of `tau`: the mean over the draws.

    tau, train, test, score, penalised, empirical, modes: as in LearningCurves. score is nan for data of one's own,
    whose true score nobody knows. modes: tau.shape + (k,), the mean over the population of the network's Jacobian ds/dy
    along each direction of the data: averaged over the coordinates of equal eigenvalue for a Spectrum (nan where no
    coordinate has it), one by one in the eigenbasis of the held-out covariance (falling eigenvalues) for data of one's
    own.
    standard_error: of each of these means over the draws, by name; nan for a single draw.
    d, n, p: dimension, training points, features. seed, draws: what was asked for.
    """

    further = {"modes": ("mode",)}
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    penalised: np.ndarray
    empirical: np.ndarray
    modes: np.ndarray
    standard_error: dict[str, np.ndarray]
    d: int
    n: int
    p: int
    seed: int | np.random.SeedSequence
    draws: int


def simulate(
    model: RandomFeatures,
    d: int | None = None,
    seed: int | np.random.SeedSequence = 0,
    tau=None,
    *,
    data=None,
    held_out=None,
    draws: int = 1,
) -> Simulation:
    """Follow gradient flow exactly for finite networks drawn at random; the noise is integrated at copies = inf.

    d: dimension, at least 2; n = round(psi_n d) and p = round(psi_p d) must be at least 1. tau: training times >= 0
    (inf allowed), in steps x learning rate / d^2. model.copies: a whole number of noises drawn once for each point, or
    inf. The eigenvalues of Sigma are those of model.spectrum, each as often as its weight says. The closed form is the
    limit d -> inf; terms of order 1/d are a few per cent at d = 120, and several times larger for activations that grow
    fast, as h + 0.2 h^3 (docs/theory.md, section 15).

    data: (n, d) training points of one's own in place of Gaussian ones, used as they are (the closed form assumes mean
    zero); then d and n are theirs, and the test loss averages over the points held_out (N, d), their noise integrated.

    seed: of a single draw. For several draws, draw k is the single draw of numpy.random.SeedSequence(seed,
    spawn_key=(k,)); with data of one's own only weights and noises are drawn anew.

    Raises InputError for bad values, and for sizes that do not fit in this machine's memory (theory.cost).
    """
    tau, draws = times("tau", () if tau is None else tau), count("draws", draws)
    if tau.size == 0:
        raise InputError("tau must hold at least one training time, but none was given")
    if data is not None:
        data, held_out = own_points(data, held_out)
    elif held_out is not None:
        raise InputError("held_out must come with data, but no data was given")
    require_memory(memory(model, d, data=data, held_out=held_out, times=tau.size))
    _, _, p = network_sizes(model, d, data)
    if p > LARGEST:
        raise InputError(f"psi_p must be small enough for at most {LARGEST} features, but there are {p}")
    runs = []
    for source in _sources(seed, draws):
        network = draw_network(model, d, np.random.default_rng(source), data, held_out)
        runs.append(gradient_flow(network, model.ridge, tau.ravel()))
    mean, error = {}, {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        values = values.reshape(draws, *tau.shape, *values.shape[2:])
        mean[name] = values.mean(axis=0)
        error[name] = values.std(axis=0, ddof=1) / np.sqrt(draws) if draws > 1 else np.full_like(mean[name], np.nan)
    d, n, p = network.sizes
    return Simulation(tau, **mean, standard_error=error, d=d, n=n, p=p, seed=seed, draws=draws)


def gradient_flow(network: Network, ridge: float, tau: np.ndarray) -> dict[str, np.ndarray]:
    """The losses of Simulation by name, shape (K,), and the modes (K, k), of one network at training times tau (K,)."""
    d, _, p = network.sizes
    x, vectors, y = diagonalized(network)
    labels = np.einsum("ij,ij->i", y, y) / d
    flow = relaxation(x + ridge, 2 * network.delta * d / p * tau)
    train = 2 * labels @ flow + (labels * x) @ flow**2
    penalty = ridge * (labels @ flow**2)

    test, y_test = _loss(network.population_moments(), vectors, y, flow)
    empirical = train if network.xi is None else _loss(network.empirical_moments(), vectors, y, flow)[0]
    along = np.zeros((network.directions, d))
    along[network.direction, np.arange(d)] = 1
    # An eigenvalue of so little weight that none of d coordinates has it: nan.
    with np.errstate(invalid="ignore"):
        along /= along.sum(axis=1, keepdims=True)
    modes = (flow.T @ ((y * y_test) @ along.T)) / network.delta
    score = network.score_power + test / network.delta
    return {
        "train": network.label_power + train,
        "test": 1 + test,
        "score": score,
        "penalised": network.label_power + train + penalty,
        "empirical": 1 + empirical,
        "modes": modes,
    }


def diagonalized(network: Network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nonzero eigenvalues x (r,) of the training U, their vectors (p, r), and V in that basis, (r, d)."""
    from scipy.linalg import eigh

    u, v = network.train_moments()
    # The transpose is the same matrix in the column order that LAPACK overwrites.
    x, vectors = eigh(u.T, overwrite_a=True, check_finite=False, driver="evd")
    # Rounding moves eigenvalues by about p eps of the largest: below that lies U's null space (fewer samples than
    # features). V is in U's range, so neither the labels nor the flow see it.
    null = np.searchsorted(x, len(x) * np.finfo(float).eps * x[-1])
    x, vectors = x[null:], vectors[:, null:]
    return x, vectors, vectors.T @ v


def relaxation(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """f = (e^{-scale x} - 1) / x for x > 0 (p,) and scale (K,), shape (p, K)."""
    return np.expm1(-np.outer(x, scale)) / x[:, None]


def _loss(moments, vectors, y, flow) -> tuple[np.ndarray, np.ndarray]:
    """The loss less one with the given moments, shape (K,), and their V in the eigenbasis of the training U."""
    u, v = moments
    d = v.shape[1]
    v = vectors.T @ v
    loss = 2 * (np.einsum("ij,ij->i", y, v) / d) @ flow
    for row in range(0, len(y), _ROWS):
        part = slice(row, row + _ROWS)
        quadratic = (vectors[:, part].T @ u) @ vectors
        quadratic *= y[part] @ y.T
        loss += np.einsum("ik,ik->k", flow[part], quadratic @ flow) / d
    return loss, v


def _sources(seed, draws: int) -> Iterator:
    """The seeds of the draws."""
    if isinstance(seed, np.random.SeedSequence):
        entropy, key = seed.entropy, tuple(seed.spawn_key)
    else:
        entropy, key = count("seed", seed, 0), ()
    if draws == 1:
        yield np.random.SeedSequence(entropy, spawn_key=key)
    else:
        for k in range(draws):
            yield np.random.SeedSequence(entropy, spawn_key=(*key, k))

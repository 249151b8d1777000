"""Samples of a finite network that was trained exactly: no optimizer, no training noise, any training time.

At each noise time t the network with the same frozen weights is solved by one eigendecomposition, as in `simulate`. The
probability flow dx/dt = -x - s(x, t) then turns white noise into samples. In y = x / sqrt(Delta) and l = log(e^{-t} /
sqrt(Delta)) it reads

    dy/dl = e^l x0(l),   x0 = (x + Delta s) e^t,

with x0 the network's guess of the clean point. The exponential is integrated exactly and x0 extrapolated by a parabola
through the last three noise times (exponential Adams-Bashforth), so that each network is solved and used once for all
training times (Lu et al., arXiv:2211.01095, use the same variables).

A saturating sigma makes the flow of one network unstable at large t: where |x| exceeds what it was trained on, s grows
less than x, and the deviation grows backwards like e^{t/2} (tanh). So the flow begins at T = 2 here, where the data are
e^{-4} of the variance, and not at 5 as in the closed forms.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError, count, positive, times
from genmem.theory.finite_size import LARGEST, diagonalized, relaxation
from genmem.theory.model import RandomFeatures
from genmem.theory.network import Network, draw_network, given_points, network_sizes
from genmem.theory.probability_flow import START, time_range
from genmem.theory.tables import Table

if TYPE_CHECKING:
    import xarray

NOISE = 2.0
_ORDER = 3
# Nodes of the Gauss-Legendre rule for a step's integral, and entries of the table of features held at once.
_NODES = 8
_ENTRIES = 8_000_000


@dataclass(frozen=True)
class GeneratedSamples(Table):
    """What one finite network generates, at training times of the shape of `tau`.

    samples: tau.shape + (S, d), where the flow stops, at t0. denoised: the same after the last network's guess of the
    clean point, as samplers of trained networks end. nearest: tau.shape + (S,), the training point nearest to each
    denoised sample, and distances: tau.shape + (S, 2), to it and to the second nearest. training: (n, d), the points.
    d, n, p: dimension, training points, features.
    """

    further = {
        "samples": ("sample", "coordinate"),
        "denoised": ("sample", "coordinate"),
        "nearest": ("sample",),
        "distances": ("sample", "neighbour"),
    }
    apart = {"training": ("point", "coordinate")}
    tau: np.ndarray
    samples: np.ndarray
    denoised: np.ndarray
    nearest: np.ndarray
    distances: np.ndarray
    training: np.ndarray
    d: int
    n: int
    p: int

    def to_xarray(self) -> "xarray.Dataset":
        """All fields and f_mem as an xarray Dataset; see genmem.theory.tables."""
        data = super().to_xarray()
        return data.assign(f_mem=(data.tau.dims, self.f_mem))

    def memorized_fraction(self, threshold: float = 1 / 3) -> np.ndarray:
        """f_mem, shape of tau: samples nearer to a training point than `threshold` times to the second nearest."""
        first, second = self.distances[..., 0], self.distances[..., 1]
        return ((first < threshold * second) | (second == 0)).mean(axis=-1)

    @property
    def f_mem(self) -> np.ndarray:
        """The memorized fraction at the threshold 1/3 of Bonnaire et al. (arXiv:2505.17638)."""
        return self.memorized_fraction()


def generate(
    model: RandomFeatures,
    d: int | None = None,
    tau=math.inf,
    samples: int = 256,
    seed: int = 0,
    data=None,
    *,
    start=None,
    bound: float | None = None,
    t0: float = START,
    T: float = NOISE,
    steps: int = 48,
) -> GeneratedSamples:
    """Generate from a finite network drawn at random, solved exactly at `steps` + 1 noise times, at any training time.

    model.t is not used; all noise times have the same training time tau >= 0 (any shape; inf allowed), in steps x
    learning rate / d^2. d: dimension, for Gaussian data; n = psi_n d and p = psi_p d. data: (n, d) training points of
    one's own, used as they are (the theory assumes mean zero). samples: how many, from white noise at T, the same
    for every tau. seed: of weights and Gaussian data; the noise at T depends on the seed too but not on the sizes.
    start: (S, d) noise at T in place of drawn one, so that several networks can be compared from the same noise.
    bound: each guess of the clean point is clipped to [-bound, bound], as samplers of images do; None: not at all.
    t0: where the flow stops. steps: of the flow, of third order in their length.

    Raises InputError for bad values, and for data with fewer than two points.
    """
    if not isinstance(model, RandomFeatures):
        raise InputError(f"model must be a genmem.RandomFeatures, but {model!r} was given")
    tau, number, steps = times("tau", tau), count("samples", samples), count("steps", steps, least=_ORDER)
    seed = count("seed", seed, least=0)
    t0, T = time_range(t0, T)
    limit = math.inf if bound is None else positive("bound", bound)
    data = None if data is None else given_points("data", data)
    d, n, p = network_sizes(model, d, data)
    if n < 2:
        raise InputError(f"psi_n must give two training points or more, whose distances are compared, but it gives {n}")
    if p > LARGEST:
        raise InputError(f"psi_p must be small enough for at most {LARGEST} features, but there are {p}")
    if start is None:
        start = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,))).standard_normal((number, d))
    else:
        start = given_points("start", start, least=1)
        if start.shape[1] != d:
            raise InputError(f"start must have {d} columns, the dimension of the data, but it has {start.shape[1]}")
    network = _drawn(model, d, data, np.random.default_rng(seed))
    x, guess = _flow(model, network, start, tau.ravel(), t0, T, steps, limit)
    nearest, distances = _nearest_two(guess.reshape(-1, d), network.x)
    shape = (*tau.shape, len(start))
    return GeneratedSamples(
        tau,
        x.reshape(*shape, d),
        guess.reshape(*shape, d),
        nearest.reshape(shape),
        distances.reshape(*shape, 2),
        network.x,
        d,
        n,
        p,
    )


def _drawn(model: RandomFeatures, d: int, data, rng) -> Network:
    """Weights and points as `simulate` draws them for Gaussian data; one's own points in their own coordinates."""
    if data is None:
        return draw_network(model, d, rng)
    _, n, p = network_sizes(model, d, data)
    w = rng.standard_normal((p, d))
    xi = rng.standard_normal((int(model.copies), n, d)) if np.isfinite(model.copies) else None
    c = model.constants
    return Network(w, data, xi, (data, np.zeros(d)), np.arange(d), d, c.delta, c.signal, model.sigma, np.nan)


def _flow(
    model: RandomFeatures, network: Network, start, tau, t0: float, T: float, steps: int, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Samples at t0 and the guesses of the clean points there, each (K, S, d)."""
    # Evenly spaced in l = -log(e^{2t} - 1) / 2.
    first, last = -0.5 * np.log(np.expm1(2 * np.array([T, t0])))
    grid = np.linspace(first, last, steps + 1)
    noise_times = 0.5 * np.log1p(np.exp(-2 * grid))
    spread = np.sqrt(-np.expm1(-2 * noise_times))

    def step(k: int, x: np.ndarray, places: np.ndarray, guesses: list[np.ndarray]) -> np.ndarray:
        """From x at the k-th noise time to the next, with the guesses made at these places l."""
        factors = _integrals(grid[k], grid[k + 1], places)
        y = x / spread[k] + sum(factor * guess for factor, guess in zip(factors, guesses, strict=True))
        return spread[k + 1] * y

    x = np.repeat(start[None], tau.size, axis=0)
    guesses: list[np.ndarray] = []
    for k, t in enumerate(noise_times):
        clean = _trained(replace(model, t=float(t)), network, tau, limit)
        if k == 1:
            # The first step knows one guess only; corrected by the next, it is as good as the others.
            first = np.repeat(start[None], tau.size, axis=0)
            x = step(0, first, grid[1::-1], [clean(x), *guesses])
        guesses = [clean(x), *guesses[: _ORDER - 1]]
        if k < steps:
            x = step(k, x, grid[k::-1][: len(guesses)], guesses)
    return x, guesses[0]


def _integrals(begin: float, end: float, nodes: np.ndarray) -> np.ndarray:
    """int e^l L_i(l) dl from begin to end, L_i the Lagrange polynomials at the nodes (i,)."""
    z, weight = np.polynomial.legendre.leggauss(_NODES)
    z = begin + (end - begin) * (z + 1) / 2
    weight = weight * (end - begin) / 2 * np.exp(z)
    others = [np.delete(nodes, i) for i in range(nodes.size)]
    return np.array(
        [weight @ np.prod((z[:, None] - o) / (at - o), axis=1) for at, o in zip(nodes, others, strict=True)]
    )


def _trained(model: RandomFeatures, network: Network, tau: np.ndarray, limit: float) -> Callable:
    """x (K, S, d) -> x0 = (x + Delta s) e^t, clipped to the limit, at noise time model.t and each tau (K,).

    With b of genmem.theory.network, Delta s = -sqrt(Delta) times the noise's estimate -phi b.
    """
    c = model.constants
    at = replace(network, delta=c.delta, signal=c.signal, sigma=model.sigma)
    d, _, p = network.sizes
    eigenvalues, vectors, y = diagonalized(at)
    relaxed = relaxation(eigenvalues + model.ridge, 2 * c.delta * d / p * tau)
    scale, rows = np.sqrt(c.delta), max(1, _ENTRIES // p)

    def clean(x: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        for k in range(tau.size):
            b = vectors @ (relaxed[:, k, None] * y)
            for first in range(0, x.shape[1], rows):
                part = slice(first, first + rows)
                out[k, part] = x[k, part] + scale * (at.features(x[k, part]) @ b)
        return np.clip(out / np.sqrt(c.signal), -limit, limit)

    return clean


def _nearest_two(samples: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest training point (S,) of each sample, and the distances (S, 2) to it and to the second nearest.

    A product finds eight candidates, whose distances are computed from the differences: it has no digits at copies.
    """
    half = np.einsum("ij,ij->i", training, training) / 2
    few = min(8, len(training))
    nearest, distances = np.empty(len(samples), int), np.empty((len(samples), 2))
    rows = max(1, _ENTRIES // max(len(training), few * training.shape[1]))
    for first in range(0, len(samples), rows):
        part = slice(first, first + rows)
        chunk = samples[part]
        candidates = np.argpartition(half - chunk @ training.T, few - 1, axis=1)[:, :few]
        exact = np.linalg.norm(chunk[:, None] - training[candidates], axis=2)
        order = np.argsort(exact, axis=1)[:, :2]
        nearest[part] = np.take_along_axis(candidates, order, axis=1)[:, 0]
        distances[part] = np.take_along_axis(exact, order, axis=1)
    return nearest, distances

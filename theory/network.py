"""One finite network and its training set, and the second moments of its features that decide every loss.

For b = sqrt(Delta) A' / sqrt(p), shape (p, d), a denoising loss is 1 + (2/d) Tr b'V + (1/d) Tr b'U b with
U = E[phi phi'] and V = E[phi xi'] over the points and noises that the loss averages: docs/theory.md, sections 1 and 8.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genmem.shared.errors import InputError, count, numbers
from genmem.theory.hermite import noise_average
from genmem.theory.model import RandomFeatures

Moments = tuple[np.ndarray, np.ndarray]
# Samples whose features are held at once.
_BATCH = 2048


@dataclass(frozen=True)
class Network:
    """A draw of weights w (p, d), training points x (n, d) and, at finite m, noises xi (m, n, d); else xi is None.

    population: points (N, d) and spreads (d,) of the y = point + spread * omega over which the test loss averages.
    direction: (d,), for each coordinate the index of the direction of the data (a covariance eigenvalue) it lies along,
    out of `directions`.
    delta, signal: 1 - e^{-2t} and e^{-2t}. sigma: the activation. score_power: E |grad log P_t|^2 / d, nan if unknown.
    """

    w: np.ndarray
    x: np.ndarray
    xi: np.ndarray | None
    population: tuple[np.ndarray, np.ndarray]
    direction: np.ndarray
    directions: int
    delta: float
    signal: float
    sigma: Callable
    score_power: float

    @property
    def sizes(self) -> tuple[int, int, int]:
        """d, n, p."""
        return self.w.shape[1], len(self.x), len(self.w)

    @property
    def label_power(self) -> float:
        """The mean of |xi|^2 / d over the training noises, and so the train loss of the untrained network."""
        return 1.0 if self.xi is None else float(np.vdot(self.xi, self.xi) / self.xi.size)

    def features(self, y: np.ndarray) -> np.ndarray:
        """sigma(W y / sqrt d), shape (N, p), of points y (N, d)."""
        return np.asarray(self.sigma(y @ self.w.T / np.sqrt(self.w.shape[1])))

    def noised(self, points: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """x_t = e^{-t} x + sqrt(Delta) xi."""
        return np.sqrt(self.signal) * points + np.sqrt(self.delta) * noise

    def train_moments(self) -> Moments:
        """Over the training points and their m noises, or all noises if m is infinite."""
        if self.xi is None:
            return self.empirical_moments()
        p, d = self.w.shape
        u, v = np.zeros((p, p)), np.zeros((p, d))
        for noise in self.xi:
            for first in range(0, len(noise), _BATCH):
                part = slice(first, first + _BATCH)
                phi = self.features(self.noised(self.x[part], noise[part]))
                u += phi.T @ phi
                v += phi.T @ noise[part]
        samples = self.xi.shape[0] * self.xi.shape[1]
        u /= samples
        return u, v / samples

    def empirical_moments(self) -> Moments:
        """Over the training points with the noise integrated."""
        return self._noise_average(np.sqrt(self.signal) * self.x, np.full(self.w.shape[1], np.sqrt(self.delta)))

    def population_moments(self) -> Moments:
        """Over the population with the noise integrated."""
        return self._noise_average(*self.population)

    def _noise_average(self, points, spread) -> Moments:
        return noise_average(self.sigma, self.w, points, spread, self.delta)


def network_sizes(model: RandomFeatures, d: int | None, data=None) -> tuple[int, int, int]:
    """d, n and p of a draw: from the model's ratios, or from data of shape (n, d). Raises InputError."""
    if not isinstance(model, RandomFeatures):
        raise InputError(f"model must be a genmem.RandomFeatures, but {model!r} was given")
    model.require_finite_width("a drawn network")
    if data is None:
        d = count("d", d, 2)
        n = round(model.psi_n * d)
    else:
        n, width = data.shape
        if d is not None and d != width:
            raise InputError(f"d must be the dimension of the data, {width}, or left out, but {d!r} was given")
        d = width
    p = round(model.psi_p * d)
    if min(n, p) < 1:
        raise InputError(f"d must be large enough for one point and one feature, but d = {d} gives n = {n}, p = {p}")
    if np.isfinite(model.copies) and model.copies != round(model.copies):
        raise InputError(f"copies must be a whole number or inf to be simulated, but {model.copies!r} was given")
    return d, n, p


def draw_network(model: RandomFeatures, d: int | None, rng, data=None, held_out=None) -> Network:
    """Draw weights, noises and, unless given, Gaussian training points; rng: numpy Generator.

    data (n, d), held_out (N, d): of `own_points`; they are turned into the eigenbasis of the covariance of the
    held-out points (falling eigenvalues), which the isotropic weights and noises do not see.
    """
    d, n, p = network_sizes(model, d, data)
    constants = model.constants
    delta, signal = constants.delta, constants.signal
    w = rng.standard_normal((p, d))
    if data is None:
        number = _multiplicities(model.spectrum, d)
        direction, directions = np.repeat(np.arange(number.size), number), number.size
        eigenvalues = np.repeat(model.spectrum.eigenvalues, number)
        x = rng.standard_normal((n, d)) * np.sqrt(eigenvalues)
        population = np.zeros((1, d)), np.sqrt(signal * eigenvalues + delta)
        power = float(np.mean(1 / (signal * eigenvalues + delta)))
    else:
        direction, directions = np.arange(d), d
        basis = np.linalg.eigh(np.cov(held_out, rowvar=False).reshape(d, d))[1][:, ::-1]
        x = data @ basis
        population = np.sqrt(signal) * (held_out @ basis), np.full(d, np.sqrt(delta))
        power = np.nan
    xi = rng.standard_normal((int(model.copies), n, d)) if np.isfinite(model.copies) else None
    return Network(w, x, xi, population, direction, directions, delta, signal, model.sigma, power)


def own_points(data, held_out) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out points as float arrays (n, d) and (N, d), with at least two rows and columns each.

    Raises InputError unless they are finite and of one dimension.
    """
    if held_out is None:
        raise InputError("held_out must be given with data: the test loss is averaged over these points")
    data, held_out = given_points("data", data), given_points("held_out", held_out)
    if held_out.shape[1] != data.shape[1]:
        raise InputError(f"held_out must have {data.shape[1]} columns as data has, but it has {held_out.shape[1]}")
    return data, held_out


def given_points(name: str, value, least: int = 2) -> np.ndarray:
    """Points of one's own as a float array (N, d), N >= least and d >= 2; InputError otherwise."""
    array = numbers(name, value, "an array of numbers, shape (N, d)")
    if array.ndim != 2 or array.shape[0] < least or array.shape[1] < 2:
        numbers_allowed = "N and d at least 2" if least == 2 else f"N at least {least} and d at least 2"
        raise InputError(f"{name} must have shape (N, d) with {numbers_allowed}, but {array.shape} was given")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{name} must be finite, but it holds NaN or infinity")
    return array


def _multiplicities(spectrum, d: int) -> np.ndarray:
    """How many of d coordinates each atom gets: d w_k, rounded by largest remainder."""
    share = spectrum.weights * d
    number = np.floor(share).astype(int)
    for k in np.argsort(number - share)[: d - number.sum()]:
        number[k] += 1
    return number

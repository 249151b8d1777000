"""The exact dynamics of a finite network, the noise integrated out: shared theory section 7.

Given W and the data, the pre-activations of one point are h_i = m_i + s_i omega_i with standard Gaussian omega_i of
correlation rho_ij. Expanding sigma in Hermite polynomials turns every noise average into a power series in rho,

    E[sigma(h_i) sigma(h_j)] = sum_k rho_ij^k c_k(m_i; s_i) c_k(m_j; s_j),
    c_k(m; s) = E[sigma(m + s w) He_k(w)] / sqrt(k!),

whose terms fall like d^{-k/2} off the diagonal; on the diagonal the average is done by quadrature. One
eigendecomposition of U then gives the losses at every training time.
"""

from dataclasses import dataclass

import numpy as np

from theory.activations import resolve
from theory.errors import InputError, count, times
from theory.model import RandomFeatures

# Largest error of an entry of U from ending the series, relative to U's mean diagonal.
TRUNCATION = 1e-9
LAST_ORDER = 16
_BLOCK = 2_000_000


@dataclass(frozen=True)
class Simulation:
    """One draw of the finite network: tau, train, test, score as in LearningCurves, and its sizes d, n, p and seed."""

    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    score: np.ndarray
    d: int
    n: int
    p: int
    seed: int


def simulate(model: RandomFeatures, d: int, seed: int, tau) -> Simulation:
    """Draw one network and one Gaussian training set in dimension d and follow gradient flow exactly.

    d: dimension, at least 2; n = round(psi_n d) and p = round(psi_p d) must be at least 1. seed: of the draw. tau:
    training times >= 0, in steps x learning rate / d^2. The eigenvalues of Sigma are those of model.spectrum, each as
    often as its weight says. Raises InputError for bad values. Memory: about 6 p^2 + 8 p n doubles.
    """
    d, seed = count("d", d, 2), count("seed", seed, 0)
    tau = times("tau", tau)
    n, p = round(model.psi_n * d), round(model.psi_p * d)
    if min(n, p) < 1:
        raise InputError(f"d must be large enough for one point and one feature, but d = {d} gives n = {n}, p = {p}")
    rng = np.random.default_rng(seed)
    eigenvalues = expand(model.spectrum, d)
    w = rng.standard_normal((p, d))
    x = rng.standard_normal((n, d)) * np.sqrt(eigenvalues)
    constants = model.constants
    sigma = resolve(model.activation)

    scale = np.sqrt(constants.delta / d)
    norms = np.linalg.norm(w, axis=1)
    signal = np.sqrt(constants.signal / d) * (w @ x.T)
    correlation = (w @ w.T) / np.outer(norms, norms)
    u, label = second_moments(sigma, signal, scale * norms, correlation)
    v = (label / norms)[:, None] * w
    u_test, v_test = gaussian_moments(sigma, w, constants.signal * eigenvalues + constants.delta, constants.delta)

    x_values, vectors = np.linalg.eigh(u)
    x_values = np.clip(x_values, 0, None)
    y, y_test = vectors.T @ v, vectors.T @ v_test
    labels = np.einsum("ij,ij->i", y, y) / d
    cross = np.einsum("ij,ij->i", y, y_test) / d
    quadratic = (vectors.T @ u_test @ vectors) * (y @ y.T) / d

    decay = 2 * constants.delta * d / p * x_values
    flow = _relaxation(x_values, decay, tau.ravel())
    train = labels @ _relaxation(x_values, decay, 2 * tau.ravel())
    test = 2 * cross @ flow + np.einsum("it,it->t", flow, quadratic @ flow)
    power = np.mean(1 / (constants.signal * eigenvalues + constants.delta))
    score = power + test / constants.delta
    train, test, score = (a.reshape(tau.shape) for a in (1 + train, 1 + test, score))
    return Simulation(tau, train, test, score, d, n, p, seed)


def expand(spectrum, d: int) -> np.ndarray:
    """The d eigenvalues, shape (d,), that stand for the spectrum: atom k d w_k times, rounded by largest remainder."""
    share = spectrum.weights * d
    number = np.floor(share).astype(int)
    for k in np.argsort(number - share)[: d - number.sum()]:
        number[k] += 1
    return np.repeat(spectrum.eigenvalues, number)


def second_moments(sigma, mean, scale, correlation) -> tuple[np.ndarray, np.ndarray]:
    """U = E[phi phi'] (p, p) averaged over points, and the mean over points of c_1, shape (p,).

    mean: (p, N), the pre-activations without noise; scale: (p,), the noise's standard deviation in each; correlation:
    (p, p) of the noise. The series ends where the rest is below TRUNCATION.
    """
    points = mean.shape[1]
    sample = mean[:, np.linspace(0, points - 1, min(points, 32)).astype(int)]
    nodes = _sufficient_nodes(sigma, sample, scale)
    order = _sufficient_order(sigma, sample, scale, correlation, nodes)
    u = np.zeros_like(correlation)
    diagonal, label = np.zeros(len(u)), np.zeros(len(u))
    block = max(1, _BLOCK // (len(u) * (order + 1)))
    for first in range(0, points, block):
        c, square = hermite_coefficients(sigma, mean[:, first : first + block], scale, order, nodes)
        power = np.ones_like(correlation)
        for k in range(order + 1):
            u += power * (c[k] @ c[k].T)
            power *= correlation
        diagonal += square.sum(axis=1)
        label += c[1].sum(axis=1)
    np.fill_diagonal(u, diagonal)
    return u / points, label / points


def gaussian_moments(sigma, w, variances, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """The population's E[phi phi'] (p, p) and E[phi xi'] (p, d) for Gaussian y with diagonal covariance `variances`."""
    p, d = w.shape
    covariance = (w * (variances / d)) @ w.T
    scale = np.sqrt(np.diag(covariance))
    u, label = second_moments(sigma, np.zeros((p, 1)), scale, covariance / np.outer(scale, scale))
    return u, np.sqrt(delta / d) * (label / scale)[:, None] * w


def hermite_coefficients(sigma, mean, scale, order: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """c_k(mean; scale), shape (order + 1, p, N), and E[sigma^2], shape (p, N), by Gauss-Hermite quadrature."""
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / np.sqrt(2 * np.pi)
    # Orthonormal polynomials by their recurrence; He_k / sqrt(k!) itself would overflow for no reason.
    table = np.ones((order + 1, nodes))
    for k in range(order):
        table[k + 1] = (z * table[k] - (np.sqrt(k) * table[k - 1] if k else 0)) / np.sqrt(k + 1)
    c = np.empty((order + 1, *mean.shape))
    square = np.empty(mean.shape)
    rows = max(1, _BLOCK // (mean.shape[1] * nodes))
    for i in range(0, len(mean), rows):
        part = slice(i, i + rows)
        value = np.asarray(sigma(mean[part, :, None] + scale[part, None, None] * z))
        square[part] = value**2 @ weight
        c[:, part] = np.moveaxis(value @ (weight * table).T, -1, 0)
    return c, square


def _sufficient_nodes(sigma, sample, scale) -> int:
    """The least power of two of quadrature nodes that moves no coefficient by more than 1e-10 of the largest."""
    nodes, previous = 8, None
    while nodes < 128:
        c, square = hermite_coefficients(sigma, sample, scale, 4, nodes)
        current = np.concatenate([c.ravel(), square.ravel()])
        if previous is not None and np.abs(current - previous).max() < 1e-10 * np.abs(current).max():
            return nodes
        nodes, previous = 2 * nodes, current
    return nodes


def _sufficient_order(sigma, sample, scale, correlation, nodes: int) -> int:
    """The order after which rho^{k+1} times the variance left is below TRUNCATION of the mean diagonal."""
    largest = np.abs(correlation - np.diag(np.diag(correlation))).max()
    c, square = hermite_coefficients(sigma, sample, scale, min(LAST_ORDER, nodes // 2), nodes)
    left = square - np.cumsum(c**2, axis=0)
    bound = largest ** np.arange(1, len(c) + 1) * left.max(axis=(1, 2))
    enough = np.flatnonzero(bound[1:] < TRUNCATION * square.mean())
    return int(enough[0]) + 1 if enough.size else len(c) - 1


def _relaxation(x, decay, tau) -> np.ndarray:
    """f_tau(x) = (e^{-c tau x} - 1) / x for eigenvalues x >= 0, shape (x, tau), -c tau at x = 0; decay: c x."""
    rate = decay[-1] / x[-1]
    positive = np.maximum(x, np.finfo(float).tiny)
    moved = np.expm1(-np.outer(rate * positive, tau)) / positive[:, None]
    return np.where(x[:, None] > 0, moved, -rate * tau)

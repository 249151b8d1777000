"""Averages over Gaussian noise of products of features, without sampling: docs/theory.md, section 8.

The pre-activations of one point are h_i = m_i + s_i omega_i with standard Gaussian omega_i of correlation rho_ij.
Expanding sigma in Hermite polynomials turns every noise average into a power series in rho,

    E[sigma(h_i) sigma(h_j)] = sum_k rho_ij^k c_k(m_i; s_i) c_k(m_j; s_j),
    c_k(m; s) = E[sigma(m + s w) He_k(w)] / sqrt(k!),

whose terms fall like d^{-k/2} off the diagonal; on the diagonal the average is done by quadrature.
"""

from functools import lru_cache

import numpy as np

# Largest error of an entry of U from ending the series, relative to U's mean diagonal.
TRUNCATION = 1e-9
LAST_ORDER = 40
# Standard deviations to which the noise is integrated: He_40 / sqrt(40!) times the Gaussian is below 1e-12 beyond.
REACH = 12.0
# Doubles in the largest temporary array of coefficients, and in the quadrature's: the latter fits the cache.
BLOCK = 4_000_000
QUADRATURE_BLOCK = 50_000
# Rows of U done at once, so that nothing but U itself has p^2 entries.
ROWS = 128


def noise_average(sigma, w, points, spread, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """U = E[phi phi'] (p, p) and V = E[phi xi'] (p, d) for phi = sigma(w y / sqrt d), y = point + spread * omega.

    w: (p, d); points: (N, d), averaged over; spread: (d,), the standard deviations of y about a point, of which
    sqrt(delta) xi is the part that the labels xi see (all of it at a training point, some of it in a Gaussian
    population); by Stein's lemma only E[sigma'] = E[c_1] / s enters V.
    """
    w = w / np.sqrt(w.shape[1])
    rays = w * spread
    scale = np.linalg.norm(rays, axis=1)
    rays /= scale[:, None]
    u, slope = _second_moments(sigma, w, points, scale, rays)
    return u, np.sqrt(delta) * (slope / scale)[:, None] * w


def _second_moments(sigma, w, points, scale, rays) -> tuple[np.ndarray, np.ndarray]:
    """U (p, p) and the mean over points of c_1 (p,) for pre-activations w point + scale omega, correlation rays rays'.

    The series ends where the rest is below TRUNCATION.
    """
    nodes, order = resolution(sigma, w, points, scale, rays)
    p, number = len(w), len(points)
    u, diagonal, slope = np.zeros((p, p)), np.zeros(p), np.zeros(p)
    step = max(1, BLOCK // (p * (order + 1)))
    for first in range(0, number, step):
        c, square = hermite_coefficients(sigma, w @ points[first : first + step].T, scale, order, nodes)
        for row in range(0, p, ROWS):
            part = slice(row, row + ROWS)
            correlation = rays[part] @ rays[row:].T
            total = c[part, order] @ c[row:, order].T
            for k in reversed(range(order)):
                total *= correlation
                total += c[part, k] @ c[row:, k].T
            u[part, row:] += total
        diagonal += square.sum(axis=1)
        slope += c[:, 1].sum(axis=1)
        # Else these would live on while the next block's are made.
        del c, square
    np.fill_diagonal(u, diagonal)
    for row in range(0, p, ROWS):
        part = slice(row, row + ROWS)
        u[row + ROWS :, part] = u[part, row + ROWS :].T
    u /= number
    return u, slope / number


def hermite_coefficients(sigma, mean, scale, order: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """c_k(mean; scale), shape (p, order + 1, N), and E[sigma^2], shape (p, N), by quadrature.

    mean: (p, N); scale: (p,). numpy, not numba: its vectorised tanh made this six times faster than a compiled loop.
    """
    z, weight = _gaussian_rule(nodes)
    # Orthonormal polynomials by their recurrence; He_k / sqrt(k!) itself would overflow for no reason.
    table = np.ones((order + 1, nodes))
    for k in range(order):
        table[k + 1] = (z * table[k] - (np.sqrt(k) * table[k - 1] if k else 0)) / np.sqrt(k + 1)
    table *= weight
    p, points = mean.shape
    c, square = np.empty((p, order + 1, points)), np.empty((p, points))
    rows = max(1, QUADRATURE_BLOCK // (points * nodes))
    for row in range(0, p, rows):
        part = slice(row, row + rows)
        value = np.asarray(sigma(mean[part, None, :] + (scale[part, None] * z)[:, :, None]))
        np.matmul(table, value, out=c[part])
        np.matmul(weight, value * value, out=square[part])
    return c, square


@lru_cache(maxsize=32)
def _gaussian_rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the average over a standard Gaussian: the trapezoidal rule, exponentially exact here.

    Its error e^{-2 pi a / h} for an integrand analytic within a of the real line beats Gauss-Hermite, whose error for
    tanh or arctan falls only like e^{-const sqrt(nodes)}.
    """
    z = np.linspace(-REACH, REACH, nodes)
    return z, np.exp(-z * z / 2) * (z[1] - z[0]) / np.sqrt(2 * np.pi)


def resolution(sigma, w, points, scale, rays) -> tuple[int, int]:
    """The quadrature's nodes and the series' last order, from 32 points and the 64 features of the widest noise."""
    wide = np.argsort(scale)[-64:]
    sample = w[wide] @ points[np.linspace(0, len(points) - 1, min(len(points), 32)).astype(int)].T
    scale = scale[wide]
    nodes = _sufficient_nodes(sigma, sample, scale)
    return nodes, _sufficient_order(sigma, sample, scale, _largest_correlation(rays), nodes)


def _largest_correlation(rays) -> float:
    """The largest |rho_ij|, i != j."""
    largest = 0.0
    for row in range(0, len(rays), ROWS):
        block = np.abs(rays[row : row + ROWS] @ rays[row:].T)
        np.fill_diagonal(block, 0)
        largest = max(largest, block.max())
    return largest


def _sufficient_nodes(sigma, sample, scale) -> int:
    """The least of 18, 27, 40, ... 303 quadrature nodes that the next number confirms to 1e-10 of the largest."""
    nodes, confirmed, previous = 18, 18, None
    while True:
        c, square = hermite_coefficients(sigma, sample, scale, 8, nodes)
        current = np.concatenate([c.ravel(), square.ravel()])
        if previous is not None and np.abs(current - previous).max() < 1e-10 * np.abs(current).max():
            return confirmed
        if nodes > 300:
            return nodes
        confirmed, previous, nodes = nodes, current, nodes + nodes // 2


def _sufficient_order(sigma, sample, scale, largest: float, nodes: int) -> int:
    """The order after which rho^{k+1} times the variance left is below TRUNCATION of the mean diagonal."""
    c, square = hermite_coefficients(sigma, sample, scale, LAST_ORDER, nodes)
    left = square - np.cumsum(c**2, axis=1).swapaxes(0, 1)
    bound = largest ** np.arange(1, len(left) + 1) * left.max(axis=(1, 2))
    enough = np.flatnonzero(bound[1:] < TRUNCATION * square.mean())
    return int(enough[0]) + 1 if enough.size else len(left) - 1

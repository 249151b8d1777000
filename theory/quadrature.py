"""Gaussian averages of functions that may have kinks and jumps, on panels where they are as good as polynomials.

The line is cut where the function says so. A panel is halved until the last Legendre coefficients of the function on it
have died out; a kink or a jump is a point around which panels would shrink for ever, and becomes an edge itself. On the
panels Gauss-Legendre quadrature converges exponentially, whatever happens at their edges.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

# Gauss-Legendre nodes by which a panel is judged, and the last coefficients that must have died out.
NODES, TAIL = 16, 2
# Widest panel in standard deviations; and panels as narrow as rounding allows.
WIDEST, NARROWEST = 1.5, 4e-15
# Values held at once in the double average.
_BLOCK = 2_000_000


def partition(f: Callable, edges: np.ndarray, tolerance: float, floor, most: int) -> np.ndarray | None:
    """Edges, `edges` among them, of panels on which f is a polynomial to `tolerance` of its size there, or to `floor`.

    f: from points (K,) to values (K,) or (K, q); floor: a number or (q,), compared with f times the square root of a
    panel's Gaussian weight. None if that takes more than `most` panels.
    """
    kept, narrow = _refine(f, edges, tolerance, floor, most)
    if kept is None or not narrow.size:
        return kept
    # A kink is an edge now, and nothing needs to crowd around it; a singularity that is none crowds again.
    apart = np.append(True, np.diff(narrow) > 1e3 * NARROWEST * np.maximum(1, np.abs(narrow[1:])))
    starts = np.flatnonzero(apart)
    kinks = np.add.reduceat(narrow, starts) / np.diff(np.append(starts, narrow.size))
    base = edges[np.abs(edges[:, None] - kinks).min(axis=1) > 1e3 * NARROWEST]
    return _refine(f, np.unique(np.concatenate([base, kinks])), tolerance, floor, most)[0]


def _refine(f: Callable, edges: np.ndarray, tolerance: float, floor, most: int) -> tuple[np.ndarray | None, np.ndarray]:
    """The edges after halving, and the middles of those panels that could not be halved any further."""
    x, _ = _legendre(NODES)
    transform = _to_coefficients(NODES)
    done, narrow = [edges], []
    left, right = edges[:-1], edges[1:]
    total = left.size
    while left.size:
        middle, half = (left + right) / 2, (right - left) / 2
        values = f((middle[:, None] + half[:, None] * x).ravel()).reshape(left.size, NODES, -1)
        coefficients = np.abs(np.einsum("ij,pjq->piq", transform, values))
        tail, size = coefficients[:, -TAIL:].max(axis=1), coefficients.max(axis=1)
        nearest = np.where(left * right < 0, 0.0, np.minimum(np.abs(left), np.abs(right)))
        share = np.minimum(1.0, np.sqrt(2 * half * np.exp(-(nearest**2) / 2)))[:, None]
        open_ = ~np.all((tail <= tolerance * size) | (tail * share <= floor), axis=1)
        stuck = open_ & (2 * half <= NARROWEST * np.maximum(1, np.abs(middle)))
        narrow.append(middle[stuck])
        open_ &= ~stuck
        done.append(middle[open_])
        total += open_.sum()
        if total > most:
            return None, np.zeros(0)
        left, right = (np.concatenate([left[open_], middle[open_]]), np.concatenate([middle[open_], right[open_]]))
    return np.unique(np.concatenate(done)), np.sort(np.concatenate(narrow))


def uniform_edges(reach: float) -> np.ndarray:
    """Edges from -reach to reach, zero among them, no further apart than WIDEST."""
    return np.linspace(-reach, reach, 2 * int(np.ceil(reach / WIDEST)) + 1)


def gaussian_rule(edges: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the average over a standard Gaussian; edges: (..., P + 1), both (..., P * nodes)."""
    x, weight = _legendre(nodes)
    middle, half = (edges[..., 1:] + edges[..., :-1]) / 2, np.diff(edges) / 2
    z = (middle[..., None] + half[..., None] * x).reshape(*edges.shape[:-1], -1)
    w = (half[..., None] * weight).reshape(z.shape)
    return z, w * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def inner_average(f: Callable, edges: np.ndarray, centre: np.ndarray, spread: float, reach: float, nodes: int):
    """Mean and variance of f(centre + spread w) over a standard Gaussian w, shape (K, 2), for centres (K,).

    edges: of f, from `partition`.
    """
    base = uniform_edges(reach)
    out = np.empty((centre.size, 2))
    rows = max(1, _BLOCK // ((base.size + edges.size) * nodes))
    for first in range(0, centre.size, rows):
        part = centre[first : first + rows, None]
        inner = np.clip((edges - part) / spread, -reach, reach)
        inner = np.sort(np.concatenate([np.broadcast_to(base, (len(part), base.size)), inner], axis=1), axis=1)
        w, weight = gaussian_rule(inner, nodes)
        value = f((part + spread * w).ravel()).reshape(w.shape)
        mean = np.einsum("ij,ij->i", weight, value)
        out[first : first + rows, 0] = mean
        out[first : first + rows, 1] = np.einsum("ij,ij->i", weight, (value - mean[:, None]) ** 2)
    return out


@lru_cache(maxsize=8)
def _legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(nodes)


@lru_cache(maxsize=8)
def _to_coefficients(nodes: int) -> np.ndarray:
    """From values at the Gauss-Legendre points to Legendre coefficients, (nodes, nodes)."""
    x, weight = _legendre(nodes)
    degree = np.arange(nodes)
    return (degree + 0.5)[:, None] * np.polynomial.legendre.legvander(x, nodes - 1).T * weight

"""Few atoms for many eigenvalues.

The learning curves see the spectrum only through integrals of 1/(lambda + zeta) and its powers, with zeta at every
scale. So the eigenvalues are cut into bins of equal width in log(lambda), and each bin is replaced by its q-point Gauss
rule, which keeps the bin's first 2q moments. Of the combinations tried, the first in order of size is taken that leaves
the curves of a few reference models, computed with every eigenvalue, within the stated error.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

from genmem.shared.errors import SolverError
from genmem.theory.activations import gaussian_constants
from genmem.theory.dynamics import march
from genmem.theory.nodes import nodes
from genmem.theory.resolvent import equations

# (psi_n, psi_p, t) of the reference models: narrow and wide, few and many data, high and low noise.
REFERENCES = ((2, 8, 0.1), (64, 64, 0.1), (16, 256, 0.01), (4, 2, 1.0), (16, 64, 0.001), (64, 256, 0.001))
# (bins, nodes per bin), smallest first.
RULES = sorted(((b, q) for b in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) for q in (2, 3, 4, 6)), key=lambda r: r[0] * r[1])


class Atoms(NamedTuple):
    """Eigenvalues and weights, each (k,). A class of its own: genmem.theory.spectra imports this module."""

    eigenvalues: np.ndarray
    weights: np.ndarray


def compress(eigenvalues: np.ndarray, weights: np.ndarray, error: float) -> Atoms:
    """Return fewer atoms whose reference score errors, and so test losses, differ by at most `error` (see `distance`).

    They keep the mean (Tr Sigma / d) exactly. If no number of bins is enough, the given ones.
    """
    atoms = Atoms(eigenvalues, weights)
    exact = [reference_losses(atoms, *parameters) for parameters in REFERENCES]
    for rule in RULES:
        few = binned(atoms, *rule)
        if few.weights.size >= weights.size:
            continue
        if max(distance(few, *parameters, losses) for parameters, losses in zip(REFERENCES, exact)) <= error:
            return few
    return atoms


def distance(atoms: Atoms, psi_n: float, psi_p: float, t: float, losses: np.ndarray) -> float:
    """How far the score error of these atoms is from that of reference losses, at most, relative to a loss above one.

    The score error is the test loss over Delta less a constant, and so moves by 1 / Delta more, 500 times at t = 0.001.
    """
    moved = np.abs(reference_losses(atoms, psi_n, psi_p, t) - losses) / np.maximum(1, losses)
    return float(np.max(moved)) / -math.expm1(-2 * t)


def reference_losses(atoms: Atoms, psi_n: float, psi_p: float, t: float) -> np.ndarray:
    """The test loss of a tanh network at 25 times c tau from 0.01 to 10 000, noise averaged (docs/theory.md, 5)."""
    c = gaussian_constants("tanh", t, float(atoms.weights @ atoms.eigenvalues))
    e = equations(c, atoms, psi_n, psi_p, np.inf)
    times = np.geomspace(1e-2, 1e4, 25)
    sums, worst = march(1 / times, False, nodes(), -0.0, e.norm_bound, e, -np.ones(atoms.weights.size), 1.0)
    if not np.isfinite(worst):
        raise SolverError("the spectrum could not be compressed: a reference network's equations were not solved")
    return 1 + 2 * sums[0] + sums[1]


def binned(spectrum: Atoms, bins: int, nodes: int) -> Atoms:
    """Gauss rules on `bins` bins of equal width in log(lambda); zero eigenvalues stay an atom of their own."""
    lam, w = spectrum
    zero = lam == 0
    log = np.log(lam[~zero])
    edges = np.linspace(log.min(), log.max(), bins + 1)[1:-1]
    place = np.digitize(log, edges)
    atoms = [gauss_rule(lam[~zero][place == b], w[~zero][place == b], nodes) for b in np.unique(place)]
    if zero.any():
        atoms.append((np.zeros(1), w[zero].sum(keepdims=True)))
    lam, w = (np.concatenate(part) for part in zip(*atoms, strict=True))
    return Atoms(lam, w / w.sum())


def gauss_rule(lam: np.ndarray, w: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """The Gauss rule of the discrete measure (lam, w) by the Lanczos method (Golub and Welsch 1969)."""
    mass = w.sum()
    basis = [np.sqrt(w / mass)]
    diagonal, off = [], []
    while True:
        image = lam * basis[-1]
        diagonal.append(basis[-1] @ image)
        for _ in range(2):  # full reorthogonalization, twice: a bin may hold thousands of close eigenvalues
            for vector in basis:
                image = image - (vector @ image) * vector
        norm = np.linalg.norm(image)
        if len(diagonal) == nodes or norm <= 1e-8 * lam.max():
            break
        off.append(norm)
        basis.append(image / norm)
    points, vectors = eigh_tridiagonal(np.array(diagonal), np.array(off))
    return np.clip(points, lam.min(), lam.max()), mass * vectors[0] ** 2

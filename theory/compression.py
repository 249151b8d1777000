"""Few atoms for many eigenvalues.

The learning curves see the spectrum only through integrals of 1/(lambda + zeta) and its powers, with zeta at every
scale. So the eigenvalues are cut into bins of equal width in log(lambda), and each bin is replaced by its q-point Gauss rule,
which keeps the bin's first 2q moments. Of the combinations tried, the first in order of size is taken that leaves the
curves of a few reference models, computed with every eigenvalue, within the stated error.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import eigh_tridiagonal

from genmem.theory.model import RandomFeatures
from genmem.theory.spectra import Spectrum

# (psi_n, psi_p, t) of the reference models: narrow and wide, few and many data, high and low noise.
REFERENCES = ((2, 8, 0.1), (64, 64, 0.1), (16, 256, 0.01), (4, 2, 1.0))
# (bins, nodes per bin), smallest first.
RULES = sorted(((b, q) for b in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) for q in (2, 3, 4, 6)), key=lambda r: r[0] * r[1])


def compress(spectrum: Spectrum, error: float) -> Spectrum:
    """Return a spectrum of fewer atoms whose reference test losses differ by at most `error` (relative above one).

    The compressed spectrum keeps the mean (Tr Sigma / d) exactly. If no number of bins is enough, `spectrum` itself.
    """
    models = [RandomFeatures(*parameters, spectrum=spectrum) for parameters in REFERENCES]
    tau = [np.geomspace(1e-2, 1e4, 25) / model.rate for model in models]
    exact = [model.learning_curves(times).test for model, times in zip(models, tau)]
    for rule in RULES:
        few = binned(spectrum, *rule)
        if few.weights.size >= spectrum.weights.size:
            continue
        tests = [replace(model, spectrum=few).learning_curves(times).test for model, times in zip(models, tau)]
        if max(np.max(np.abs(a - b) / np.maximum(1, b)) for a, b in zip(tests, exact)) <= error:
            return few
    return spectrum


def binned(spectrum: Spectrum, bins: int, nodes: int) -> Spectrum:
    """Gauss rules on `bins` bins of equal width in log(lambda); zero eigenvalues stay an atom of their own."""
    lam, w = spectrum.eigenvalues, spectrum.weights
    zero = lam == 0
    log = np.log(lam[~zero])
    edges = np.linspace(log.min(), log.max(), bins + 1)[1:-1]
    place = np.digitize(log, edges)
    atoms = [gauss_rule(lam[~zero][place == b], w[~zero][place == b], nodes) for b in np.unique(place)]
    if zero.any():
        atoms.append((np.zeros(1), w[zero].sum(keepdims=True)))
    return Spectrum(*(np.concatenate(part) for part in zip(*atoms)))


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

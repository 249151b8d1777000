"""How fast is the spectral density of U, against the published way to compute it?

Baseline: the saddle-point equations of Bonnaire et al. (arXiv 2505.17638) in (Re g, Im g, Re delta, Im delta), solved
by `scipy.optimize.root(method="lm")`, for each lambda along 110 imaginary parts from 10 down to 1e-13, each from the
last solution; the density is Im g / pi at the end. Both give the density at the same 400 lambda.
"""

import time

import numpy as np
from scipy.optimize import root

from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.density import feature_spectrum

POINTS, HEIGHTS = 400, np.geomspace(10, 1e-13, 110)
OPTIONS = {"xtol": 1e-13, "ftol": 1e-13}


def saddle_point(unknowns, z, psi_n, psi_p, constants, lam, w):
    """The residuals of the two equations at exact noise average (docs/theory.md, section 3), as four real numbers."""
    g, delta = complex(*unknowns[:2]), complex(*unknowns[2:])
    data = constants.signal * constants.a**2 * lam
    strength = data / (1 + delta) + constants.b2
    d = 1 + psi_p * g * strength
    gamma = constants.s2 + constants.v2 / (1 + delta) - z
    first = g * (gamma + w @ (strength / d)) - 1
    second = psi_n * delta - psi_p * g * (w @ (data / d) + constants.v2)
    return [first.real, first.imag, second.real, second.imag]


def published(model: RandomFeatures, lambdas: np.ndarray) -> np.ndarray:
    """The density by a chain of Levenberg-Marquardt solutions per lambda."""
    arguments = (model.psi_n, model.psi_p, model.constants, model.spectrum.eigenvalues, model.spectrum.weights)
    density = np.empty(lambdas.size)
    for i, lam in enumerate(lambdas):
        g = -1 / complex(lam, HEIGHTS[0])
        unknowns = np.array([g.real, g.imag, 0.0, 0.0])
        for height in HEIGHTS:
            unknowns = root(saddle_point, unknowns, (complex(lam, height), *arguments), method="lm", options=OPTIONS).x
        density[i] = unknowns[1] / np.pi
    return density


def best_of(repeats: int, call) -> tuple[float, object]:
    """The shortest of several wall times in seconds, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def main() -> None:
    problems = {
        "one atom": RandomFeatures(psi_n=4, psi_p=8, t=0.1),
        "two atoms": RandomFeatures(psi_n=4, psi_p=8, t=0.1, spectrum=Spectrum([0.5, 1.5])),
        "64 atoms": RandomFeatures(psi_n=4, psi_p=8, t=0.1, spectrum=Spectrum(2 * np.arange(1, 65) ** -0.5)),
    }
    start = time.perf_counter()
    feature_spectrum(problems["one atom"])
    print(f"first call (compiled, or loaded from the cache): {time.perf_counter() - start:.2f} s\n")
    print(f"density of U at {POINTS} lambda, with atoms, edges, masses and means of all bulks")
    heads = f"{'published way':>14} {'this package':>13} {'ratio':>8} {'largest difference / peak':>26}"
    print(f"{'covariance':<11} {heads}")
    for name, model in problems.items():
        bulks = feature_spectrum(model).bulks
        # Away from the edges, where the published way's own width shows.
        inner = [np.linspace(b.lower, b.upper, POINTS // len(bulks) + 2)[1:-1] for b in bulks]
        lambdas = np.concatenate(inner)[:POINTS]
        ours, result = best_of(5, lambda: feature_spectrum(model, lambdas))
        theirs, reference = best_of(1, lambda: published(model, lambdas))
        difference = np.max(np.abs(result.density - reference)) / result.density.max()
        print(f"{name:<11} {theirs:12.1f} s {1e3 * ours:10.2f} ms {theirs / ours:8.0f} {difference:26.1e}")


if __name__ == "__main__":
    main()

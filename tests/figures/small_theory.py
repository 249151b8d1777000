"""Figures of the theory on small grids, each computed once for all tests that look at how it is drawn."""

from functools import cache

import numpy as np

from genmem.empirics.analysis.generated import of_images
from genmem.empirics.data.datasets import load
from genmem.figures.pictures import best_samples, copies, copying, curves, landscape, modes, scaling, spectrum, windows
from genmem.theory import RandomFeatures
from genmem.theory.problem import Problem

PROBLEM = Problem()


@cache
def _data(name: str):
    if name == "windows":
        return windows.windows(PROBLEM, (4.0, 16.0, 64.0, 256.0), 64.0, points=60)
    if name == "scaling":
        along = {"psi_n": np.geomspace(1, 1000, 12), "psi_p": np.geomspace(1, 64, 12)}
        return scaling.scaling(PROBLEM, along, {"psi_n": (4.0, 16.0, 64.0), "psi_p": (16.0, 32.0, 64.0)})
    if name == "copies":
        return copies.double_descent(PROBLEM, np.geomspace(0.5, 64, 20), np.array([1.0, 8.0, 64.0]), [(1.0, 2)], 10, 2)
    if name == "spectrum":
        return spectrum.spectrum_of(RandomFeatures.of(PROBLEM, 4.0, 32.0), d=12, seed=0)
    if name == "curves":
        return curves.curves([RandomFeatures.of(PROBLEM, n, 4.0) for n in (2.0, 4.0)], {8: 2, 12: 2}, seed=0, points=61)
    if name == "best_samples":
        return best_samples.best_samples(PROBLEM, (0.5, 4.0), (0.5, 4.0, 30.0), points=21)
    if name == "copying":
        return of_images(load("digits"), (2, 8), 1.0, (10.0, 1e3, np.inf), samples=10)
    if name == "landscape":
        return landscape.landscape(PROBLEM, np.geomspace(0.5, 64, 12), np.geomspace(0.5, 64, 12), copies=4.0)
    covariances = {"isotropic": np.ones(1), "power law": np.array([19.0, 1, 0.2]), "digits": np.array([3.0, 0.5, 0.0])}
    return modes.modes_of(PROBLEM, covariances, 16.0, 16.0, points=60)


_MODULES = {
    "windows": windows,
    "spectrum": spectrum,
    "curves": curves,
    "landscape": landscape,
    "scaling": scaling,
    "copies": copies,
    "modes": modes,
    "best_samples": best_samples,
    "copying": copying,
}
BUILT = {
    name: lambda runs, width, name=name, build=module.build: build(_data(name), width)
    for name, module in _MODULES.items()
}

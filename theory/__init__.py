"""Predicts: the closed-form learning curves of a random-features score network, and its exact simulation.

Names are imported on first use, so that `genmem --help` stays fast.
"""

import importlib

_HOME = {
    "RandomFeatures": "model",
    "learning_curves_of": "batch",
    "Spectrum": "spectra",
    "phase_diagram": "phases",
    "cost": "simulation_cost",
    "LinearDenoiser": "linear_denoiser",
    "descend": "descent",
    "descent_curves": "discrete_descent",
    "generate": "generated_samples",
    "simulate": "finite_size",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'genmem.theory' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genmem.theory.{_HOME[name]}"), name)


def __dir__():
    return __all__

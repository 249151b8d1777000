"""When does a diffusion model generalize, when does it memorize, and when should one stop training it?

`genmem.theory` predicts, `genmem.empirics` measures, `genmem.figures` shows and compares. The names below are those of
the three jobs; each is imported on first use, so that `import genmem` takes no time.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_HOME = {
    "LinearDenoiser": "theory.linear_denoiser",
    "RandomFeatures": "theory.model",
    "Spectrum": "theory.spectra",
    "phase_diagram": "theory.phases",
    "simulate": "theory.finite_size",
    "descend": "theory.descent",
    "descent_curves": "theory.discrete_descent",
    "generate": "theory.generated_samples",
    "TrainConfig": "empirics.config",
    "Grammar": "empirics.data.grammar",
    "train": "empirics.training.loop",
    "sweep": "empirics.training.sweeps",
    "measure": "empirics.analysis.measure",
    "compare": "empirics.analysis.comparison",
    "advise": "empirics.analysis.advice",
    "StopBeforeMemorization": "empirics.training.stopping",
    "figure": "figures.catalogue",
    "plot": "figures.one_line",
}

if TYPE_CHECKING:
    from genmem.empirics.analysis.advice import advise
    from genmem.empirics.analysis.comparison import compare
    from genmem.empirics.analysis.measure import measure
    from genmem.empirics.config import TrainConfig
    from genmem.empirics.data.grammar import Grammar
    from genmem.empirics.training.loop import train
    from genmem.empirics.training.stopping import StopBeforeMemorization
    from genmem.empirics.training.sweeps import sweep
    from genmem.figures.catalogue import figure
    from genmem.figures.one_line import plot
    from genmem.theory.descent import descend
    from genmem.theory.discrete_descent import descent_curves
    from genmem.theory.finite_size import simulate
    from genmem.theory.generated_samples import generate
    from genmem.theory.linear_denoiser import LinearDenoiser
    from genmem.theory.model import RandomFeatures
    from genmem.theory.phases import phase_diagram
    from genmem.theory.spectra import Spectrum

__all__ = [
    "Grammar",
    "LinearDenoiser",
    "RandomFeatures",
    "Spectrum",
    "StopBeforeMemorization",
    "TrainConfig",
    "advise",
    "compare",
    "descend",
    "descent_curves",
    "figure",
    "generate",
    "measure",
    "phase_diagram",
    "plot",
    "simulate",
    "sweep",
    "train",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'genmem' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genmem.{_HOME[name]}"), name)


def __dir__():
    return [*__all__, "__version__"]

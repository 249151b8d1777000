"""The phase diagram at three training times."""

from typing import TYPE_CHECKING

import numpy as np

from genmem.figures.drawing.calculations import regimes
from genmem.figures.drawing.phase_diagram import build
from genmem.theory.model import RandomFeatures
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

__all__ = ["CAPTION", "build", "calculate"]

CAPTION = (
    "What a network of ψ_p hidden units per dimension does with ψ_n training points per dimension after training "
    "for a time τ, in steps × learning rate / d². Thin lines: contours of the memorization time τ_mem. Thick line: "
    "the threshold n*(p), beyond which the network is too small to memorize however long it is trained."
)


def calculate(problem: Problem) -> "xarray.Dataset":
    """The diagram at three training times: about tau_gen of a large network, and 30 and 1000 times later."""
    start = 10.0 ** np.round(np.log10(RandomFeatures.of(problem, 64.0, 256.0).timescales().gen))
    return regimes(problem, (start, 30 * start, 1000 * start))

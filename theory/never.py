"""Why tau_mem is infinite: the network is too small, or interpolates and does no harm, or a ridge holds it back."""

from dataclasses import replace

import numpy as np

from genmem.theory.model import RandomFeatures
from genmem.theory.phases import interpolates
from genmem.theory.timescales import Fractions

# What a cause means, said of "it", the network.
CAUSES = {
    "size": "it is too small to memorize, however long it is trained (architectural regularization)",
    "interpolation": (
        "it fits all its noised points, fewer than its hidden units, and still the test loss does not rise by 10 % of "
        "its fall (benign overfitting)"
    ),
    "ridge": "the ridge holds it back; without the ridge it would memorize",
    "ridge on interpolation": (
        "the ridge keeps the train loss above zero; without the ridge it would fit all its noised points, and still "
        "the test loss would not rise by 10 % of its fall"
    ),
}


def cause(model: RandomFeatures, fractions: Fractions = Fractions()) -> str:
    """The key in CAUSES of a network whose tau_mem is infinite, from n m / p, the ridge, and the network without it."""
    free = replace(model, ridge=0.0) if model.ridge else model
    if model.ridge and np.isfinite(free.timescales(fractions=fractions).mem):
        return "ridge"
    if interpolates(model.psi_n, model.psi_p, model.copies, 0.0, model.is_linear):
        return "ridge on interpolation" if model.ridge else "interpolation"
    return "size"

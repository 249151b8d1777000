"""Why tau_mem is infinite: too small a network, interpolation without harm, a ridge, or SGD too noisy to learn."""

from dataclasses import replace

import numpy as np

from genmem.theory.model import RandomFeatures
from genmem.theory.phases import interpolates
from genmem.theory.timescales import Fractions

# What a cause means, said of "it", the network.
CAUSES = {
    "size": "it is too small to memorize, however long it is trained (architectural regularization)",
    "interpolation": (
        "it fits all its noised points, fewer than its hidden units, and still the test loss does not rise by the "
        "fraction of its fall that would count (benign overfitting)"
    ),
    "ridge": "the ridge holds it back; without the ridge it would memorize",
    "noise": "the gradient noise keeps its test loss above that before training, so that there is nothing to lose",
    "ridge on interpolation": (
        "the ridge keeps the train loss above zero; without the ridge it would fit all its noised points, and still "
        "the test loss would not rise by the fraction of its fall that would count"
    ),
}


def cause(model: RandomFeatures, fractions: Fractions = Fractions(), gradient_noise: float = 0.0) -> str:
    """The key in CAUSES of a network whose tau_mem is infinite, from n m / p, the ridge, and the network without it.

    gradient_noise: of SGD, see RandomFeatures.learning_curves.
    """
    if gradient_noise and model.timescales(fractions=fractions, gradient_noise=gradient_noise).loss_min >= 1:
        return "noise"
    # At infinite width no ridge counts.
    ridge = model.ridge if np.isfinite(model.psi_p) else 0.0
    free = replace(model, ridge=0.0) if ridge else model
    if ridge and np.isfinite(free.timescales(fractions=fractions, gradient_noise=gradient_noise).mem):
        return "ridge"
    if interpolates(model.psi_n, model.psi_p, model.copies, 0.0, model.is_linear):
        return "ridge on interpolation" if ridge else "interpolation"
    return "size"

"""The learning curves of many networks in one call, on all cores: the compiled loops run side by side."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from genmem.shared.errors import InputError, times
from genmem.theory.model import LearningCurves, RandomFeatures


def learning_curves_of(
    models: Iterable[RandomFeatures], tau, gradient_noise: float = 0.0, modes_at=None
) -> list[LearningCurves]:
    """`model.learning_curves(tau, gradient_noise, modes_at)` of each model, in their order, one thread a core.

    tau: training times, the same for all. Raises InputError as `learning_curves` does, and for anything in `models`
    that is no RandomFeatures; SolverError of the first model whose equations could not be solved.

    >>> from genmem.theory import RandomFeatures
    >>> curves = learning_curves_of([RandomFeatures(n, p, 0.1) for n in (4, 16) for p in (8, 64)], [1.0, 100.0])
    >>> len(curves), curves[0].test.shape
    (4, (2,))
    """
    models, tau = list(models), times("tau", tau)
    for model in models:
        if not isinstance(model, RandomFeatures):
            raise InputError(f"models must hold genmem.RandomFeatures alone, but {model!r} was given")
    if not models:
        return []
    # The first one alone: what is compiled on first use is compiled once.
    first = models[0].learning_curves(tau, gradient_noise, modes_at)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [first, *pool.map(lambda each: each.learning_curves(tau, gradient_noise, modes_at), models[1:])]

"""The learning curves and the times of one network as one labelled table."""

import math
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError, times
from genmem.theory.model import RandomFeatures
from genmem.theory.never import cause
from genmem.theory.timescales import Fractions

if TYPE_CHECKING:
    import xarray

# The curves of LearningCurves that are predicted: losses, then the score error and its two parts.
LOSSES = ("train", "test", "score", "bias", "variance")
# Losses that differ from the train loss only with a ridge, and only with finitely many noise copies.
OTHERS = ("penalised", "empirical")


def prediction(
    model: RandomFeatures,
    tau: tuple[float, ...] = (),
    gradient_noise: float = 0.0,
    floor: float | str | None = None,
    fractions: Fractions = Fractions(),
) -> "xarray.Dataset":
    """Learning curves over dimension tau (default: `window` of 96 times), with the times and the inputs as attributes.

    Variables of LearningCurves: train, test, score, bias (of the mean score, squared), variance, penalised and
    empirical, shape (K,), and modes, shape (K, k), along the eigenvalues; attributes tau_gen, tau_mem, tau_gap, the
    cause (a key of genmem.theory.never.CAUSES) where tau_mem is infinite, the fractions and the floor that define the
    times, and the model's inputs. gradient_noise: kappa of SGD, see RandomFeatures.learning_curves; an attribute too.
    floor, fractions: see RandomFeatures.timescales. Raises InputError unless the times increase (from 0, to inf) and
    SGD converges, SolverError if the equations could not be solved.
    """
    import xarray

    at = model.timescales(floor, fractions, gradient_noise=gradient_noise)
    # A loss that never falls has no time of its own: take that in which the network's largest rates relax.
    start = at.gen if math.isfinite(at.gen) else 1 / (model.rate * model.equations.norm_bound)
    grid = training_times(tau) if np.size(tau) else window(start, at.mem)
    curves = model.learning_curves(grid, gradient_noise)
    never = {} if math.isfinite(at.mem) else {"tau_mem_infinite_because": cause(model, fractions, gradient_noise)}
    return xarray.Dataset(
        {name: ("tau", np.asarray(getattr(curves, name))) for name in (*LOSSES, *OTHERS)}
        | {"modes": (("tau", "eigenvalue"), curves.modes), "target_modes": ("eigenvalue", model.target_modes)},
        coords={"tau": grid, "eigenvalue": model.spectrum.eigenvalues},
        attrs={
            "tau_gen": at.gen,
            "tau_mem": at.mem,
            "tau_gap": at.gap,
            **never,
            "fractions": [fractions.gen, fractions.mem, fractions.gap],
            "floor": "none" if floor is None else floor,
            **model.sized_inputs(),
        }
        | ({"gradient_noise": float(gradient_noise)} if gradient_noise else {}),
    )


def training_times(tau: tuple[float, ...]) -> np.ndarray:
    """The user's training times as an array; InputError unless they increase from zero, or later, to inf at most."""
    grid = times("tau", tau)
    if np.any(np.diff(grid) <= 0) or np.isinf(grid[:-1]).any():
        raise InputError(f"tau must increase, but {', '.join(f'{value:g}' for value in grid)} was given")
    return grid


def window(gen: float, mem: float, points: int = 96) -> np.ndarray:
    """Log-spaced training times from well before tau_gen to well after tau_mem, or to 1000 tau_gen if that is inf."""
    return np.geomspace(gen / 100, 10 * (mem if math.isfinite(mem) else 100 * gen), points)

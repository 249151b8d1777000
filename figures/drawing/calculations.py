"""The data behind the theory's figures: the regimes over a grid, and one finite network beside its prediction."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genmem.shared.errors import InputError, count, positive, positive_or_infinite

if TYPE_CHECKING:
    import xarray

    from genmem.theory.model import RandomFeatures
    from genmem.theory.problem import Problem
    from genmem.theory.timescales import Fractions


# The plane of a phase diagram, if no other is asked for: both psi from and to, and points along each axis.
PSI = (0.25, 1024.0)
GRID_POINTS = 60


def axis(name: str, ends: tuple[float, float], points: int) -> np.ndarray:
    """Log-spaced points of the axis called `name`; InputError unless its ends are positive and increasing."""
    first, last = (positive(name, value) for value in ends)
    if not first < last:
        raise InputError(f"{name} must be a smallest and a larger value, but {first:g} and {last:g} were given")
    return np.geomspace(first, last, count("points", points, least=2))


def widths(ends: tuple[float, float], points: int) -> np.ndarray:
    """The axis psi_p; an upper end of inf is infinite width, one more row above PSI's upper end, or 1000 lower ends."""
    first, last = ends[0], positive_or_infinite("psi_p", ends[1])
    if np.isfinite(last):
        return axis("psi_p", ends, points)
    first = positive("psi_p", first)
    top = PSI[1] if first < PSI[1] else 1000 * first
    return np.append(axis("psi_p", (first, top), count("points", points, least=2)), np.inf)


def regimes(
    problem: "Problem",
    tau: float | tuple[float, ...],
    psi_n: tuple[float, float] = PSI,
    psi_p: tuple[float, float] = PSI,
    points: int = GRID_POINTS,
    floor: str | float = "minimum",
    resume: Path | None = None,
    gradient_noise: float = 0.0,
    fractions: "Fractions | None" = None,
) -> "xarray.Dataset":
    """The Dataset of theory.phase_diagram for this problem, with the phase at each training time tau.

    psi_n, psi_p: ends of the axes, log-spaced with `points` points; psi_p may end in inf, a row of its own. floor:
    what counts as generalization, the curve's own minimum, the Bayes loss or a loss. resume: where rows of an
    interrupted diagram are kept, and taken up again. gradient_noise: of SGD, as in theory.phase_diagram. fractions:
    that define the times.
    """
    from genmem import theory
    from genmem.theory.timescales import Fractions

    return theory.phase_diagram(
        axis("psi_n", psi_n, points),
        widths(psi_p, points),
        problem.t,
        activation=problem.activation,
        spectrum=problem.spectrum,
        copies=problem.copies,
        ridge=problem.ridge,
        center=problem.center,
        tau=tau,
        gradient_noise=gradient_noise,
        floor=None if floor == "minimum" else floor,
        fractions=fractions or Fractions(),
        progress=sys.stderr.isatty(),
        resume=resume,
    )


def finite_network(model: "RandomFeatures", d: int, seed: int, draws: int = 1) -> "xarray.Dataset":
    """The `prediction` with simulated_train, _test and _score added, and d, seed and draws as attributes.

    Of several draws, their means, and the means' standard errors as simulated_train_error and so on.
    """
    from genmem import theory
    from genmem.theory.prediction import prediction

    data = prediction(model)
    run = theory.simulate(model, d=d, seed=seed, tau=data.tau.values, draws=draws)
    simulated = {f"simulated_{name}": ("tau", getattr(run, name)) for name in ("train", "test", "score")}
    if draws > 1:
        simulated |= {f"{name}_error": ("tau", run.standard_error[name[10:]]) for name in list(simulated)}
    return data.assign(simulated).assign_attrs(d=d, seed=seed, draws=draws)

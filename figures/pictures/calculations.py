"""The data behind the theory's figures: the regimes over a grid, and one finite network beside its prediction."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genmem.shared.errors import InputError, count, positive

if TYPE_CHECKING:
    import numpy
    import xarray

    from genmem.theory.model import RandomFeatures
    from genmem.theory.problem import Problem

Floor = Literal["minimum", "bayes"]


@dataclass(frozen=True)
class GridFlags:
    """The grid of the phase diagram, log-spaced."""

    psi_n: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of training points per dimension, n / d."""
    psi_p: tuple[float, float] = (0.25, 1024.0)
    """Smallest and largest number of hidden units per dimension, p / d."""
    points: int = 60
    """Grid points along each axis."""

    def axis(self, name: str) -> "numpy.ndarray":
        """The points of the axis called psi_n or psi_p; InputError unless its ends are positive and increasing."""
        import numpy as np

        first, last = (positive(name, value) for value in getattr(self, name))
        if not first < last:
            raise InputError(f"{name} must be a smallest and a larger value, but {first:g} and {last:g} were given")
        return np.geomspace(first, last, count("points", self.points, least=2))


def regimes(
    problem: "Problem", grid: GridFlags, tau: float | tuple[float, ...], floor: Floor, resume: Path | None = None
) -> "xarray.Dataset":
    """The Dataset of theory.phase_diagram for this problem, with the phase at each training time tau.

    resume: where the rows of an interrupted diagram are kept, and taken up again.
    """
    from genmem import theory

    return theory.phase_diagram(
        grid.axis("psi_n"),
        grid.axis("psi_p"),
        problem.t,
        activation=problem.activation,
        spectrum=problem.spectrum,
        copies=problem.copies,
        ridge=problem.ridge,
        tau=tau,
        floor="bayes" if floor == "bayes" else None,
        progress=sys.stderr.isatty(),
        resume=resume,
    )


def finite_network(model: "RandomFeatures", d: int, seed: int) -> "xarray.Dataset":
    """The `prediction` with simulated_train, _test and _score added, and d and seed as attributes."""
    from genmem import theory
    from genmem.theory.prediction import prediction

    data = prediction(model)
    run = theory.simulate(model, d=d, seed=seed, tau=data.tau.values)
    simulated = {f"simulated_{name}": ("tau", getattr(run, name)) for name in ("train", "test", "score")}
    return data.assign(simulated).assign_attrs(d=d, seed=seed)

"""The commands of this package, mounted by genmem.py."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from theory.commands import ModelFlags, ProblemFlags, as_table, inputs, prediction
from theory.errors import InputError, count, positive
from theory.files import save_dataset, writable_file

if TYPE_CHECKING:
    import numpy
    import xarray


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
        import numpy as np

        first, last = (positive(name, value) for value in getattr(self, name))
        if not first < last:
            raise InputError(f"{name} must be a smallest and a larger value, but {first:g} and {last:g} were given")
        return np.geomspace(first, last, count("points", self.points, least=2))


def phase_diagram(
    problem: ProblemFlags,
    grid: GridFlags,
    tau: float = 1000.0,
    floor: Literal["minimum", "bayes"] = "minimum",
    out: Path = Path("out/phase_diagram.nc"),
) -> None:
    """Map where a network generalizes and where it memorizes, over its size and the number of training points.

    Saves tau_gen, tau_mem, tau_gap and the phase at training time tau as NetCDF, and a figure (PDF and PNG) beside it.

    Args:
        problem: What is learned.
        grid: Where.
        tau: Training time at which the phases are drawn.
        floor: The test loss that counts as generalization: within 5 % of the curve's own minimum, or of the Bayes loss,
            which few training points never reach (no generalization).
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")
    diagram = compute_phase_diagram(problem, grid, tau, floor)
    save_dataset(diagram, out)

    from figures import findings, style
    from figures.phase_diagram import build

    print(findings.phases(diagram))
    _report_files(out, *style.save(build(diagram), out))


def compute_phase_diagram(problem: ProblemFlags, grid: GridFlags, tau: float, floor: str) -> "xarray.Dataset":
    """The Dataset of theory.phase_diagram for these flags."""
    import theory

    return theory.phase_diagram(
        grid.axis("psi_n"),
        grid.axis("psi_p"),
        problem.t,
        activation=problem.activation,
        spectrum=problem.spectrum(),
        tau=tau,
        floor="bayes" if floor == "bayes" else None,
        progress=sys.stderr.isatty(),
    )


def simulate(model: ModelFlags, d: int = 60, seed: int = 0, out: Path = Path("out/simulation.nc")) -> None:
    """Simulate one finite network exactly and lay it over the prediction.

    Prints both side by side; saves them as NetCDF, and a figure (PDF and PNG) beside it.

    Args:
        model: The network and its data.
        d: Dimension of the data; the network has psi_p d hidden units and psi_n d training points.
        seed: Seed of the one draw of weights and data.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")
    data = compute_simulation(model, d, seed)
    save_dataset(data, out)

    from figures import findings, style
    from figures.simulation import build

    print(as_table(data))
    print(findings.simulated(data))
    _report_files(out, *style.save(build(data), out))


def compute_simulation(flags: ModelFlags, d: int, seed: int) -> "xarray.Dataset":
    """The prediction with the simulated losses as further variables, and d and seed as further attributes."""
    import theory

    data = prediction(flags)
    run = theory.simulate(flags.model(), d=count("d", d, least=2), seed=count("seed", seed, least=0), tau=data.tau.values)
    simulated = {f"simulated_{name}": ("tau", getattr(run, name)) for name in ("train", "test", "score")}
    return data.assign(simulated).assign_attrs(d=d, seed=seed)


def _report_files(*paths: Path) -> None:
    print("written: " + ", ".join(str(path) for path in paths))


COMMANDS = {"phase-diagram": phase_diagram, "simulate": simulate}

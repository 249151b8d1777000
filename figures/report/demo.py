"""The demonstration: predictions, a simulation and runs on real images, each kept once finished, and their report."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.figures.drawing.cached import cached
from genmem.figures.drawing.calculations import GRID_POINTS, finite_network, regimes
from genmem.figures.report.content import compose
from genmem.theory.model import RandomFeatures
from genmem.theory.prediction import prediction
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    from genmem.empirics.config import TrainConfig

PROBLEM = Problem()
POINTS = GRID_POINTS  # of the phase diagram, along each axis
SIMULATED_DIMENSION = 100
PHASES_AT = 1000.0  # training time of the phase diagram, in units of tau


def run(out: Path, configs: Sequence["TrainConfig"], workers: int) -> Path:
    """Make all data in `out` and the report of them; return the report's path. What `out` holds already is kept."""
    from genmem.empirics.training.sweeps import sweep

    model = RandomFeatures.of(PROBLEM)
    curves, simulation, phases = (out / f"{name}.nc" for name in ("learning_curves", "simulation", "phase_diagram"))
    print("five steps, at most ten minutes on two cores; if interrupted, the same command goes on where it stopped")
    with _step(1, "learning curves in closed form (the first time, half a minute to compile)"):
        cached(curves, PROBLEM.sized_inputs(), lambda: prediction(model))
    with _step(2, "exact simulation of a finite network (about ten seconds)"):
        recipe = PROBLEM.sized_inputs() | {"d": SIMULATED_DIMENSION, "seed": 0}
        cached(simulation, recipe, lambda: finite_network(model, SIMULATED_DIMENSION, 0))
    with _step(3, "phase diagram (about ten seconds)"):
        recipe = PROBLEM.inputs() | {"points": POINTS, "tau": PHASES_AT}
        cached(phases, recipe, lambda: regimes(PROBLEM, PHASES_AT, points=POINTS))
    with _step(4, f"training {len(configs)} U-Nets on real images (about six minutes on two cores)"):
        sweep(configs, out / "runs", workers)
    with _step(5, "measured times over predicted ones, figures and report"):
        return compose([out / "runs", curves, simulation, phases], PROBLEM, out)


@contextmanager
def _step(number: int, what: str) -> Iterator[None]:
    print(f"[{number}/5] {what}", flush=True)
    started = time.monotonic()
    yield
    print(f"      done in {time.monotonic() - started:.0f} s", flush=True)

"""The demonstration: theory, simulation, training on real images, overlay and report, each kept once it is finished."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.figures.pictures.calculations import GridFlags, finite_network, regimes
from genmem.figures.pictures.cached import cached
from genmem.figures.report import sentences
from genmem.figures.report import page as report
from genmem.figures.report.content import TITLE, drawn
from genmem.shared.files import save_dataset
from genmem.theory.model import RandomFeatures
from genmem.theory.prediction import prediction
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.config import TrainConfig
    from genmem.empirics.records.runs import RunRecord

PROBLEM, GRID = Problem(), GridFlags()
SIMULATED_DIMENSION = 100
PHASES_AT = 1000.0  # training time of the phase diagram, in units of tau


@dataclass(frozen=True)
class Results:
    """All data of the demonstration."""

    curves: "xarray.Dataset"
    simulation: "xarray.Dataset"
    phases: "xarray.Dataset"
    overlay: "xarray.Dataset"
    records: Sequence["RunRecord"]


def run(out: Path, configs: Sequence["TrainConfig"], workers: int) -> Path:
    """Make all data, figures and the report in `out`; return the report's path. What `out` holds already is kept."""
    from genmem.empirics.training.sweeps import sweep
    from genmem.figures.pictures.comparison import compare

    model = RandomFeatures.of(PROBLEM)
    print("six steps, at most ten minutes on two cores; if interrupted, the same command goes on where it stopped")
    with _step(1, "learning curves in closed form (the first time, half a minute to compile)"):
        curves = cached(out / "learning_curves.nc", PROBLEM.sized_inputs(), lambda: prediction(model))
    with _step(2, "exact simulation of a finite network (about ten seconds)"):
        recipe = PROBLEM.sized_inputs() | {"d": SIMULATED_DIMENSION, "seed": 0}
        simulation = cached(out / "simulation.nc", recipe, lambda: finite_network(model, SIMULATED_DIMENSION, 0))
    with _step(3, "phase diagram (about ten seconds)"):
        recipe = PROBLEM.inputs() | {"grid": asdict(GRID), "tau": PHASES_AT}
        phases = cached(out / "phase_diagram.nc", recipe, lambda: regimes(PROBLEM, GRID, PHASES_AT, "minimum"))
    with _step(4, f"training {len(configs)} U-Nets on real images (about six minutes on two cores)"):
        records = sweep(configs, out / "runs", workers)
    with _step(5, "measured times over predicted ones"):
        overlay = compare(records)
        save_dataset(overlay, out / "overlay.nc")
    with _step(6, "figures and report"):
        return write_report(out, Results(curves, simulation, phases, overlay, records))


def write_report(out: Path, results: Results) -> Path:
    """Draw all figures and write index.html."""
    pictures = draw(out, results)
    overlay = results.overlay
    sections = [
        report.Section("The times", sentences.DEFINITIONS),
        report.Section(
            "What the theory predicts",
            [sentences.predicted(results.curves), *sentences.phases(results.phases)],
            [pictures["learning_curves"], pictures["phase_diagram"]],
        ),
        report.Section("Is the theory right?", [sentences.simulated(results.simulation)], [pictures["simulation"]]),
        report.Section(
            "What real networks do",
            [sentences.order(overlay)],
            [pictures["training"]],
            [report.Table("Times in optimizer steps; > s: not yet at step s", sentences.measured_table(overlay))],
        ),
        report.Section(
            "How far apart they are",
            [*(sentences.exponent(event, overlay) for event in overlay.event.values), sentences.distance(overlay)],
            [pictures["overlay"]],
            [report.Table("Measured and predicted times in optimizer steps", sentences.ratio_table(overlay))],
        ),
        report.Section("What memorization looks like", [], [pictures["samples"]]),
    ]
    page = out / "index.html"
    report.write(page, report.render(TITLE, sentences.summary(overlay), sections, sentences.provenance(results.records)))
    return page


def draw(out: Path, results: Results) -> dict[str, report.Picture]:
    """Write every figure at both widths; return them as the report's pictures, by name."""
    from genmem.figures.pictures import samples, training
    from genmem.figures.report.predictions import KINDS

    data = {
        "simulation": results.simulation,
        "learning_curves": results.curves,
        "phase_diagram": results.phases,
        "overlay": results.overlay,
    }
    pictures = {name: drawn(name, KINDS[name].build, data[name], KINDS[name].caption, out) for name in data}
    for name, figure in (("training", training), ("samples", samples)):
        measured = figure.calculate(results.records)
        save_dataset(measured, out / f"{name}.nc")
        pictures[name] = drawn(name, figure.build, measured, figure.CAPTION, out)
    return pictures


@contextmanager
def _step(number: int, what: str) -> Iterator[None]:
    print(f"[{number}/6] {what}", flush=True)
    started = time.monotonic()
    yield
    print(f"      done in {time.monotonic() - started:.0f} s", flush=True)

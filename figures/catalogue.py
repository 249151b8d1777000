"""The figures by name: what each is computed from, how it is drawn, and its caption."""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.figures.drawing import style
from genmem.figures.drawing.cached import cached
from genmem.figures.pictures import NAMES
from genmem.shared.errors import InputError, known
from genmem.shared.files import writable_folder
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from genmem.empirics.records.runs import RunRecord


@dataclass(frozen=True)
class Theory:
    """A figure of predictions. calculate: from the problem. build: from the data and the width in inches."""

    caption: str
    calculate: Callable[[Problem], "xarray.Dataset"]
    build: Callable[["xarray.Dataset", float], "Figure"]


@dataclass(frozen=True)
class Measured:
    """A figure of recorded runs. calculate raises InputError if the runs do not show what it is about.

    together: it is about all sets of runs at once.
    """

    caption: str
    calculate: Callable[[Sequence["RunRecord"]], "xarray.Dataset"]
    build: Callable[["xarray.Dataset", float], "Figure"]
    together: bool = False


def _entry(name: str) -> Theory | Measured:
    """The figure in the file of its name: a prediction if `calculate` takes a `problem`, measured if `records`.

    A measured one whose file says TOGETHER is made of all sets of runs.
    """
    module = importlib.import_module(f"genmem.figures.pictures.{name.replace('-', '_')}")
    (source,) = list(inspect.signature(module.calculate).parameters)[:1]
    parts = module.CAPTION, module.calculate, module.build
    return Theory(*parts) if source == "problem" else Measured(*parts, getattr(module, "TOGETHER", False))


FIGURES: dict[str, Theory | Measured] = {name: _entry(name) for name in NAMES}


def make(
    names: Sequence[str], problem: Problem, sets: Sequence[Sequence["RunRecord"]], out: Path, skip: bool = False
) -> dict[str, list[Path]]:
    """Make the named figures in `out`; returns the files written, by name (see `made`).

    sets: of runs; a figure of measured times is made of the first that shows what it is about. skip: go on, with a line
    on stderr, where none does.
    """
    written = {}
    for name in names:
        try:
            written[name] = _made_of_first(name, problem, sets, out)
        except InputError as error:
            if not skip:
                raise
            print(f"{name}: left out: {error}", file=sys.stderr)
    return written


def _made_of_first(name: str, problem: Problem, sets: Sequence[Sequence["RunRecord"]], out: Path) -> list[Path]:
    if isinstance(FIGURES[name], Theory) or not sets:
        return made(name, problem, None, out)
    if FIGURES[name].together:
        return made(name, problem, list({record.key: record for each in sets for record in each}.values()), out)
    for records in sets[:-1]:
        with contextlib.suppress(InputError):
            return made(name, problem, records, out)
    return made(name, problem, sets[-1], out)


def made(name: str, problem: Problem, records: Sequence["RunRecord"] | None, out: Path) -> list[Path]:
    """Make NAME.nc, NAME.pdf and .png (one column), NAME-double.pdf and .png (two columns) in `out`; return their
    paths.

    Data that `out` holds already, from the same problem and runs, are not computed again. Raises InputError if the runs
    do not show what the figure is about.
    """
    entry = FIGURES[name]
    path = out / f"{name}.nc"
    if isinstance(entry, Theory):
        data = cached(path, {"figure": name, "problem": problem.inputs()}, lambda: entry.calculate(problem))
    elif records is None:
        raise _without_runs(name)
    else:
        data = cached(path, recipe_of(name, records), lambda: entry.calculate(records))
    return [path, *style.save_both(entry.build, data, out / name)]


def recipe_of(name: str, records: Sequence["RunRecord"]) -> dict:
    """What data of a figure of these runs are made from: they are computed again when it changes."""
    return {"figure": name, "runs": {record.key: int(record.steps[-1]) for record in records if record.steps.size}}


def figure(
    name: str,
    runs: "str | Path | Sequence[RunRecord] | None" = None,
    problem: Problem = Problem(),
    out: str | Path | None = None,
    width: float = style.DOUBLE,
) -> "Figure | list[Path]":
    """One of the figures of `genmem figures`, by its name there: "windows", "phases", "overlay", ...

    runs: for the figures of measured times, a folder of recorded runs or the runs (genmem.empirics.records.runs.find).
    problem: what is learned, in the figures of the theory. out: a folder for the files.
    Without `out`, returns the matplotlib Figure, `width` inches wide (one journal column is 3.4, two are 7.0), for a
    notebook or further work. With it, writes NAME.nc with the data and NAME.pdf, .png, NAME-double.pdf, .png for one
    column and for two, and returns their paths; data that the folder holds already are not computed again.
    Raises InputError for an unknown name, or if the runs do not show what the figure is about.

        from genmem import figure
        figure("phases").savefig("phases.pdf")
        figure("overlay", runs="out/runs", out="out/figures")
    """
    entry = FIGURES[known("name", name, FIGURES)]
    records = None
    if isinstance(entry, Measured) and runs is not None:
        from genmem.empirics.records.runs import find

        records = find(Path(runs)) if isinstance(runs, (str, Path)) else runs
    if out is not None:
        return made(name, problem, records, writable_folder("out", Path(out)))
    if isinstance(entry, Theory):
        return entry.build(entry.calculate(problem), width)
    if records is None:
        raise _without_runs(name)
    return entry.build(entry.calculate(records), width)


def _without_runs(name: str) -> InputError:
    return InputError(f"runs must be given for the figure {name}, which shows measured times, but are not")

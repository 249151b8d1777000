"""The figures by name: what each is computed from, how it is drawn, and its caption."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from figures import copies, phase_diagram, scaling, spectrum, style, windows
from figures.kept import kept
from theory.commands import ProblemFlags
from theory.errors import InputError

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from empirics.runs import RunRecord


@dataclass(frozen=True)
class Theory:
    """A figure of predictions. calculate: from the problem. build: from the data and the width in inches."""

    caption: str
    calculate: Callable[[ProblemFlags], "xarray.Dataset"]
    build: Callable[["xarray.Dataset", float], "Figure"]


@dataclass(frozen=True)
class Measured:
    """A figure of recorded runs. calculate raises InputError if the runs do not show what it is about."""

    caption: str
    calculate: Callable[[Sequence["RunRecord"]], "xarray.Dataset"]
    build: Callable[["xarray.Dataset", float], "Figure"]


FIGURES: dict[str, Theory | Measured] = {
    "windows": Theory(windows.CAPTION, windows.calculate, windows.build),
    "phases": Theory(phase_diagram.CAPTION, phase_diagram.calculate, phase_diagram.build),
    "spectrum": Theory(spectrum.CAPTION, spectrum.calculate, spectrum.build),
    "scaling": Theory(scaling.CAPTION, scaling.calculate, scaling.build),
    "copies": Theory(copies.CAPTION, copies.calculate, copies.build),
}


def make(
    names: Sequence[str], problem: ProblemFlags, runs: Path | None, out: Path, skip: bool = False
) -> dict[str, list[Path]]:
    """Make the named figures in `out`: NAME.nc, NAME.pdf and .png (one column), NAME-double.pdf and .png (two columns).

    Data that `out` holds already, from the same problem and runs, are not computed again. skip: go on, with a line on
    stderr, where the runs do not show what a figure is about. Returns the files written, by name.
    """
    records = _records(runs) if runs is not None else None
    written = {}
    for name in names:
        entry = FIGURES[name]
        recipe: dict = {"figure": name}
        try:
            if isinstance(entry, Theory):
                recipe["problem"] = asdict(problem)
                data = kept(out / f"{name}.nc", recipe, lambda: entry.calculate(problem))  # noqa: B023
            elif records is None:
                raise InputError(f"runs must be given for the figure {name}, which shows measured times, but are not")
            else:
                recipe["runs"] = {record.key: int(record.steps[-1]) for record in records if record.steps.size}
                data = kept(out / f"{name}.nc", recipe, lambda: entry.calculate(records))  # noqa: B023
        except InputError as error:
            if not skip:
                raise
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        written[name] = [out / f"{name}.nc", *style.save_both(entry.build, data, out / name)]
    return written


def _records(runs: Path) -> list["RunRecord"]:
    from empirics.runs import find

    return find(runs)

"""`genmem figures`: the figures of a publication."""

from pathlib import Path
from typing import Literal

from genmem.commands.flags import ProblemFlags, print_written
from genmem.figures.pictures import NAMES
from genmem.shared.files import apart, writable_folder


def figures(
    name: Literal["all", *NAMES] = "all",  # type: ignore[valid-type]
    /,
    problem: ProblemFlags = ProblemFlags(),
    runs: tuple[Path, ...] = (),
    out: Path = Path("out/figures"),
) -> None:
    """Make one publication figure, or all: PDF and PNG for one and for two columns, and the data behind it (NetCDF).

    Data that `out` holds already, from the same problem and the same runs, are drawn again but not computed again.

    Args:
        name: Which figure; "all" leaves out, with a line that says why, those that the runs do not show.
        problem: What is learned, in the figures of the theory.
        runs: Folders of recorded runs, for the figures of measured times; each shows the first that suits it.
        out: Folder for the files.
    """
    writable_folder("out", out)

    from genmem.empirics.records.runs import find
    from genmem.figures.catalogue import FIGURES, make

    sets = [find(folder) for folder in runs]
    apart("out", out, [record.directory for records in sets for record in records], "the run")
    names = list(FIGURES) if name == "all" else [name]
    for written in make(names, problem.problem(), sets, out, skip=name == "all").values():
        print_written(*written)

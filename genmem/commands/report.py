"""`genmem report`: one page of any runs and predictions."""

from pathlib import Path

from genmem.commands.flags import ProblemFlags
from genmem.shared.files import writable_folder


def report(
    sources: tuple[Path, ...] = (),
    /,
    problem: ProblemFlags = ProblemFlags(),
    out: Path = Path("out/report"),
) -> None:
    """Write one self-contained page from any runs and predictions: figures with data, tables, where they come from.

    Without sources it shows the theory alone. What is missing is said on the page. Leaves index.html and all figures
    (PDF, PNG, NetCDF) in `out`.

    Args:
        sources: Folders of recorded runs, and NetCDF files that other commands wrote.
        problem: What is learned, in the figures of the theory.
        out: Folder for the page and the figures.
    """
    writable_folder("out", out)

    from genmem.figures.report.content import write_report

    print(f"open {write_report(sources, problem.problem(), out)} in a browser")

"""`genmem overlay`: measured times over predicted ones."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT, print_written
from genmem.shared.files import apart, writable_file


def overlay(
    runs: Path = RUNS_ROOT,
    /,
    t: float | None = None,
    psi_p: float | None = None,
    out: Path = Path("out/overlay.nc"),
) -> None:
    """Lay the measured times and regimes of a set of runs over the predicted ones.

    The theory knows n/d and the covariance of the images. What stands for the network's size (psi_p) and the optimizer
    steps in one unit of the theory's time are fitted, and stated; exponents in n do not depend on the latter. Prints
    tables, saves all that is drawn as NetCDF, and the figure (PDF and PNG, for one column and for two) beside it.

    Args:
        runs: Folder of recorded runs of U-Nets that differ in n, width, batch size, learning rate and seed alone.
        t: Diffusion time of the losses that define the times; the runs' first by default.
        psi_p: Hidden units per dimension that stand for the network; fitted by default.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")

    from genmem.empirics.records.runs import find
    from genmem.figures.catalogue import recipe_of
    from genmem.figures.drawing import style
    from genmem.figures.drawing.cached import cached
    from genmem.figures.pictures.overlay import build, calculate
    from genmem.figures.report import sentences

    records = find(runs)
    apart("out", out, [record.directory for record in records], "the run")
    recipe = recipe_of("overlay", records)
    recipe |= {name: value for name, value in (("t", t), ("psi_p", psi_p)) if value is not None}
    data = cached(out, recipe, lambda: calculate(records, t, psi_p))
    for table in (sentences.measured_table(data), sentences.ratio_table(data)):
        print(sentences.text_table(table) + "\n")
    for sentence in sentences.overlaid(data):
        print(sentence)
    print_written(out, *style.save_both(build, data, out))

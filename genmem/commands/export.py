"""`genmem export`: records without weights."""

from pathlib import Path

from genmem.shared.errors import InputError, count
from genmem.shared.files import writable_folder


def export(runs_root: Path, out: Path, /, images: int = 8) -> None:
    """Copy the records of ended runs without weights: losses, distances, metrics, and a few images of some milestones.

    The copy is read like any folder of runs, and every table comes out as from the original, within its last digit.
    Metrics that were not computed yet are computed first. Export two runs on halves of the data together: their
    agreement is kept then, and a half alone keeps all its images.

    Args:
        runs_root: folder of runs.
        out: folder for the copies.
        images: generated images kept at step 0, at every fourth milestone counted from the last, and at the lowest
            test loss.
    """
    from genmem.empirics.analysis.export import export as export_runs
    from genmem.empirics.records.runs import find

    count("images", images)
    records = find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    size = export_runs(records, writable_folder("out", out), images)
    print(f"{len(records)} runs, {size / 1e6:.1f} MB, in {out}")

"""Records small enough to be kept and shared: metrics and a few images of each milestone, no weights."""

from collections.abc import Sequence
from pathlib import Path

from genmem.empirics.records import runs, store
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError
from genmem.shared.files import apart, visible

_PARTS = ("milestones", "metrics")


def export(records: Sequence[RunRecord], out: Path, images: int) -> int:
    """Write finished runs to `out/<key>`, to be read like any run; returns the size in bytes.

    Kept are the losses of each image, each sample's distances, and all metrics, which are computed first if they are
    not there yet; of each milestone's samples the first `images`. Runs on one half of the data keep all samples, as the
    agreement of two of them is computed from both. Raises InputError if a run has not ended, if `out` cannot be
    written, or if a copy would take the place of an original.
    """
    from genmem.empirics.analysis.fidelity import all_metrics

    for record in records:
        if record.status == "running":
            raise InputError(
                f"runs must have ended, but {record.key} has not; go on with it or remove its folder {record.directory}"
            )
    _refuse_originals(records, out)
    for record in records:
        if record.config.samples:
            all_metrics(record)
        target = out / record.key
        count = record.config.samples if record.config.half != "all" else images
        for part in _PARTS:
            for path in visible(record.directory / part, "**/*.safetensors"):
                arrays, facts = store.load(path)
                if "samples" in arrays:
                    arrays["samples"] = arrays["samples"][:count]
                copy = target / path.relative_to(record.directory)
                copy.parent.mkdir(parents=True, exist_ok=True)
                store.save(copy, arrays, facts)
        # Last: a folder with run.json is a whole record.
        runs.write_facts(target, record.facts)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _refuse_originals(records: Sequence[RunRecord], out: Path) -> None:
    """Neither what is copied nor another run with its weights is overwritten."""
    folders = [record.directory for record in records]
    apart("out", out, folders, "the run")
    for root in {folder.parent for folder in folders}:
        if root.resolve() == out.resolve():
            raise InputError(f"out must be another folder than that of the runs, but '{out}' was given")
    for record in records:
        target = out / record.key
        apart("out", target, folders, "the run")
        if (target / "checkpoints").exists():
            raise InputError(f"out must not hold a run with its weights in place of a copy, but '{target}' is one")

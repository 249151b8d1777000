"""Records small enough to be kept and shared: metrics and a few images of some milestones, no weights."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmem.empirics.analysis import fidelity, halves
from genmem.empirics.analysis.mapping import kept_covariance
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records import packed, runs
from genmem.empirics.records.runs import PACKED, RunRecord
from genmem.shared.errors import InputError
from genmem.shared.files import apart

# Pictures are kept at every so many milestones, counted from the last.
_PICTURED = 4
_AVERAGES = ("train_average", "test_average")


def export(records: Sequence[RunRecord], out: Path, images: int) -> int:
    """Write finished runs to `out/<key>`, to be read like any run; returns the size in bytes.

    Kept are the losses of each image, each sample's distances, and all metrics, which are computed first if they are
    not there yet, in the digits that decide anything (see genmem.empirics.records.packed); of the loss averaged over
    levels its mean; of the samples the first `images` at step 0, at every fourth milestone counted from the last, and
    at the lowest test loss. Of two runs on halves of the data that are exported together their agreement is kept, which
    is computed from all samples; a run whose other half is not among the records keeps all its samples, and so does one
    on strings. The covariance of the data is kept as few eigenvalues, so that the theory can be set beside the runs
    where the data are not; where they lay on this machine is not, only the hash of their files.
    Raises InputError if a run has not ended, if `out` cannot be written, or if a copy would take the place of an
    original.
    """
    for record in records:
        if record.status == "running":
            raise InputError(
                f"runs must have ended, but {record.key} has not; go on with it or remove its folder {record.directory}"
            )
    _refuse_originals(records, out)
    pairs = [halves.pair_of(*pair) for pair in halves.partners(records)]
    paired = {record.key for pair in pairs for record in (pair.first, pair.second)}
    for record in records:
        target = out / record.key
        _remove_copy(target)
        # Strings are short, and what they are worth is told by all of them together.
        whole = PROCESSES[record.config.process].copies_are_exact
        whole |= record.config.half != "all" and record.key not in paired
        _write_milestones(record, target, record.config.samples if whole else images, everywhere=whole)
        for space in fidelity.spaces_of(record):
            fidelity.pack(record, space, target)
        # Last: a folder with run.json is a whole record.
        runs.write_facts(target, _facts(record))
    for pair in pairs:
        halves.keep(pair, runs.load(out / pair.first.key))
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _facts(record: RunRecord) -> dict:
    """The facts without where the data lay on this machine, and with their covariance, which strings do not have."""
    facts = dict(record.facts)
    if "data_source" in facts:
        facts["data_source"] = {name: value for name, value in facts["data_source"].items() if name != "path"}
    return facts | ({"covariance": kept_covariance(record)} if record.config.process == "gaussian" else {})


def _write_milestones(record: RunRecord, target: Path, images: int, everywhere: bool) -> None:
    pictured = set(record.steps[::-1][::_PICTURED].tolist()) | {0}
    if len(record.steps):
        pictured.add(int(record.steps[np.argmin(record.test_loss)]))
    milestones = {}
    for step in runs.recorded_steps(record.directory):
        arrays = dict(record.milestone(step))
        for name in _AVERAGES:
            if name in arrays:
                arrays[name] = arrays[name].mean(keepdims=True)
        if arrays.pop("log_density", None) is not None and (divergence := fidelity.kl_to_truth(record, step)):
            # It takes all samples to know.
            arrays["kl"] = np.array(divergence)
        if "samples" in arrays:
            if everywhere or step in pictured:
                arrays["samples"] = arrays["samples"][:images]
            else:
                del arrays["samples"]
        milestones[step] = arrays
    target.mkdir(parents=True, exist_ok=True)
    packed.save(target / PACKED, milestones, {"key": record.key})


def _remove_copy(target: Path) -> None:
    """An older copy goes as a whole: of what it held, nothing may be taken for the new one's."""
    (target / "run.json").unlink(missing_ok=True)
    (target / PACKED).unlink(missing_ok=True)
    for part in ("milestones", "metrics", "pairs"):
        if (target / part).is_dir():
            shutil.rmtree(target / part)


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

"""How far each run of a folder has come."""

import dataclasses
import json
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.records import locks, runs
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError
from genmem.shared.files import visible


@dataclasses.dataclass(frozen=True)
class Progress:
    """A run and how far it has come.

    status: 'finished', 'stopped early' (by `stop` in its config) or 'diverged', which are results; 'running', a process
    works on it; 'stopped', none does.
    step: the last recorded or saved one. wall_time: seconds spent up to that step.
    """

    key: str
    status: str
    step: int
    wall_time: float
    config: TrainConfig


def progress_of(record: RunRecord) -> Progress:
    """What the files of a run tell; a checkpoint is written once a minute."""
    status = record.status
    if status == "running" and not locks.is_held(record.directory / "lock"):
        status = "stopped"
    saved = visible(record.directory / "checkpoints", "*.safetensors")
    recorded = [0, *record.steps.tolist()]
    step = max([*recorded, *(int(path.stem) for path in saved)])
    wall_time = record.wall_time
    if record.status == "running" and saved:
        wall_time = _elapsed(saved[-1], otherwise=wall_time)
    return Progress(record.key, status, step, wall_time, record.config)


def overview(root: Path) -> list[Progress]:
    """All runs below `root`; raises InputError if it is no directory or holds no run."""
    records = runs.find(root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(root)!r} holds none")
    return [progress_of(record) for record in records]


def _elapsed(checkpoint: Path, otherwise: float) -> float:
    """The training time told by a checkpoint's header; the tensors, which may be large, are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, framework="numpy") as file:
            return json.loads(file.metadata()["facts"])["elapsed"]
    except (SafetensorError, OSError, ValueError, TypeError, KeyError):
        # Just replaced by the next one, or damaged: training notices.
        return otherwise

"""A longer run goes on where a shorter one of the same config ended, without repeating a step.

Nothing that a step does depends on how many there will be, so that a run of fewer steps is the beginning of one of
more: the same weights at every step, to the last bit on the processor. What `steps` decides is the milestones, and with
them the steps at which `stop` is judged. A run that was continued has both: those that the shorter one had recorded by
then, and from there on those of its own plan.

The shorter run is looked for beside the longer, and stays as it is. Without its checkpoints (an export has none) there
is nothing to go on from, and the longer run starts at the beginning.
"""

import dataclasses
import logging
import shutil
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs, store
from genmem.shared.errors import InputError
from genmem.shared.files import visible

log = logging.getLogger(__name__)


def continue_shorter(config: TrainConfig, directory: Path, digest: str) -> dict:
    """Make of an empty `directory` the beginning of the run of `config`, if a neighbouring folder holds it.

    Of several, the one that has come farthest. digest: of the data, which must be the same. Returns what run.json is to
    say of it, {"continued": {"from": key, "at": step, "milestones": steps}}, or nothing.
    """
    for source in _shorter(config, directory, digest):
        if source.status != "running":
            continued = _copied(source, config, directory)
        else:
            # It was interrupted, or another process works on it.
            try:
                with runs.open_for_writing(source.directory, source.config):
                    continued = _copied(source, config, directory)
            except InputError:
                continue
        if continued:
            return continued
    return {}


def head_start(config: TrainConfig, directory: Path) -> int:
    """The step from which a run that has not begun would go on, if the data have not changed; 0: from the beginning."""
    shorter = _shorter(config, directory, None)
    return int(_checkpoints(shorter[0])[-1].stem) if shorter else 0


def _shorter(config: TrainConfig, directory: Path, digest: str | None) -> list[runs.RunRecord]:
    """The runs beside `directory` that are the beginning of this one, those with the latest checkpoints first.

    digest: of the data; None: of any.
    """
    found = []
    for path in visible(directory.parent, "*/run.json"):
        if path.parent == directory:
            continue
        try:
            record = runs.load(path.parent)
        except InputError:
            continue
        same = dataclasses.replace(record.config, steps=config.steps).key == config.key
        if (
            same
            and record.config.steps < config.steps
            and record.status != "diverged"
            and digest in (None, record.facts.get("data_digest", digest))
            and _checkpoints(record)
        ):
            found.append(record)
    return sorted(found, key=lambda record: int(_checkpoints(record)[-1].stem), reverse=True)


def _checkpoints(record: runs.RunRecord) -> list[Path]:
    return visible(record.directory / "checkpoints", "*.safetensors")


def _copied(source: runs.RunRecord, config: TrainConfig, directory: Path) -> dict:
    for path in reversed(_checkpoints(source)):
        try:
            arrays, facts = store.load(path)
        except store.DamagedFile as error:
            log.warning("%s; going on from the checkpoint before it", error)
            continue
        milestones = [step for step in runs.recorded_steps(source.directory) if step <= facts["step"]]
        for step in milestones:
            shutil.copy2(source.directory / "milestones" / f"{step:09d}.safetensors", directory / "milestones")
        # Last, as with a checkpoint the beginning is whole.
        store.save(directory / "checkpoints" / path.name, arrays, facts | {"key": config.key})
        return {"continued": {"from": source.key, "at": facts["step"], "milestones": milestones}}
    return {}

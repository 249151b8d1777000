"""What is refused before the first of many runs: values, data that are not there or too few, networks too small."""

import os
from collections.abc import Sequence
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs
from genmem.shared.errors import InputError

OF_DATA = ("process", "data", "classes", "pixels", "grey", "center", "range", "deduplicate", "flip")
"""The fields on which a run's data depend, apart from which of the images are trained on."""


def check_all(configs: Sequence[TrainConfig], root: Path | None = None) -> None:
    """Raise InputError for the first of the runs that cannot be trained: by its values, its data or its network.

    Data are loaded, and fetched if they have to be; each set of them once. Networks are built without memory. root: of
    the runs; those that began there say where their data were.
    """
    one_process()
    for config in configs:
        config.check()
    for group in _grouped(configs, OF_DATA):
        places = (runs.data_path(root / config.key) for config in group) if root else ()
        _check_group(group, next(filter(None, places), None))


def one_process() -> None:
    """Raise InputError in a process that a launcher as torchrun made one of several."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes not in ("", "1"):
        raise InputError(
            f"a run must have one process, but {processes} were started together (WORLD_SIZE, as torchrun "
            "sets it); genmem sweep trains many runs at a time, without a launcher"
        )


def _check_group(configs: Sequence[TrainConfig], recorded: Path | None) -> None:
    """Of configs with the same data."""
    import torch

    from genmem.empirics.data import datasets
    from genmem.empirics.training.networks import network_of

    data = datasets.of_config(configs[0], recorded)
    for config in configs:
        datasets.training_images(config, data)
    for config, *_ in _grouped(configs, ("network", "width", "levels", "blocks")):
        with torch.device("meta"):
            network_of(config, data.shape)


def _grouped(configs: Sequence[TrainConfig], names: tuple[str, ...]) -> list[list[TrainConfig]]:
    """The configs that agree in these fields, together."""
    groups: dict[tuple, list[TrainConfig]] = {}
    for config in configs:
        groups.setdefault(tuple(getattr(config, name) for name in names), []).append(config)
    return list(groups.values())

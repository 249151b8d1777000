"""The networks by the names that a config calls them: how each is built, and what it refuses.

To name and to check a network loads no torch; to build it loads the network's own file.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from genmem.shared.errors import InputError


@dataclasses.dataclass(frozen=True)
class Network:
    """One kind of network."""

    build: Callable[[Any, tuple[int, ...]], Any]
    """Makes the torch module from a TrainConfig and the shape of one datum, weights from torch's global generator."""
    check: Callable[[Any], None] = lambda config: None
    """Raises InputError for values of a TrainConfig that this network cannot have."""
    processes: tuple[str, ...] = ("gaussian",)
    """The processes whose noised data it takes and whose training target it gives."""
    theory: bool = False
    """Whether it is the theory's own network: a closed form knows its losses, and nothing is fitted."""


def _in_file(name: str) -> Callable:
    """The function `build` of a file of this folder, imported when it is called."""

    def build(config, shape: tuple[int, ...]):
        return importlib.import_module(f"genmem.empirics.networks.{name}").build(config, shape)

    return build


def _check_unet(config) -> None:
    if config.width % 4:
        raise InputError(f"width must be a multiple of 4, but {config.width!r} was given")
    if config.levels > 3:
        raise InputError(f"levels must be at most 3, but {config.levels!r} was given")
    if config.drop_channels and not config.dropout:
        raise InputError("dropout must be above 0 for drop_channels, but 0 was given")


def _check_mlp(config) -> None:
    if config.drop_channels:
        raise InputError(f"drop_channels must be off for the network {config.network}, which has none")
    if config.dropout:
        raise InputError(f"dropout must be 0 for the network {config.network}, but {config.dropout!r} was given")


def _check_random_features(config) -> None:
    _check_mlp(config)
    if not config.train_time:
        raise InputError(f"train_time must be given for the network {config.network}, which knows one time only")


def _check_tree_unet(config) -> None:
    _check_mlp(config)
    if config.blocks != type(config).blocks:
        raise InputError(f"blocks must be left out for the network {config.network}, but {config.blocks!r} was given")


def _check_transformer(config) -> None:
    heads = max(4, config.width // 64)
    if config.width % heads:
        raise InputError(
            f"width must be a multiple of {heads}, the heads of a transformer, but {config.width!r} was given"
        )


NETWORKS: dict[str, Network] = {
    "unet": Network(_in_file("unet"), _check_unet),
    "mlp": Network(_in_file("mlp"), _check_mlp),
    "layernorm-mlp": Network(_in_file("layernorm_mlp"), _check_mlp),
    "random-features": Network(_in_file("random_features"), _check_random_features, theory=True),
    "tree-unet": Network(_in_file("tree_unet"), _check_tree_unet, processes=("masked", "uniform")),
    "transformer": Network(_in_file("transformer"), _check_transformer, processes=("masked", "uniform")),
}

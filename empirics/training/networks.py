"""The network of a run, with its initial weights."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from genmem.empirics.config import TrainConfig
from genmem.empirics.networks.table import NETWORKS
from genmem.empirics.randomness import derived_seed

if TYPE_CHECKING:
    from torch import nn


def network_of(config: TrainConfig, shape: tuple[int, ...]) -> "nn.Module":
    """The config's network for one datum of this shape; its weights depend on the seed alone.

    Leaves torch's global generator as it was. Raises InputError for a shape that the network cannot have.
    """
    with _seeded(config.seed):
        return NETWORKS[config.network].build(config, shape)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights"))
        yield

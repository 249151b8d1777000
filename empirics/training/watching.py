"""What may follow a run while it is trained: a progress bar, lines in a log, TensorBoard.

Nothing of it is part of the config, or changes a number of the run.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Watcher:
    """Told how a run gets on; each method does nothing, unless a subclass has it do something."""

    def begin(self, step: int) -> None:
        """The run starts, or goes on, after `step` optimizer steps."""

    def after_step(self, step: int, loss: "torch.Tensor") -> None:
        """`step` steps are done. loss: tensor () of the batch before the last of them, on the run's device: its number
        waits for the device, so ask for it now and then only."""

    def measuring(self, step: int, calls: int) -> None:
        """The milestone at `step` is being measured, and has called the network `calls` times."""

    def milestone(self, step: int, record: dict[str, np.ndarray]) -> None:
        """The milestone at `step` is measured; record: its arrays (see Probe.measure)."""


@contextlib.contextmanager
def calls_told(network, watchers: Sequence[Watcher], step: int) -> Iterator[None]:
    """While this context lasts, the watchers hear of each call of the network, a torch module."""
    calls = 0

    def tell(*_) -> None:
        nonlocal calls
        calls += 1
        for watcher in watchers:
            watcher.measuring(step, calls)

    if not watchers:
        yield
        return
    hook = network.register_forward_hook(tell)
    try:
        yield
    finally:
        hook.remove()

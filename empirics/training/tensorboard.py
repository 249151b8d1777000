"""A run as TensorBoard shows it, while it is trained. The package `tensorboard` is needed for this alone."""

import time
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.samples.metrics import memorized_fraction
from genmem.empirics.training.watching import Watcher
from genmem.shared.errors import InputError

# Each loss that is written waits for the device.
_LOSS_SECONDS = 1.0


class TensorBoard(Watcher):
    """Writes the loss of a batch once a second; at milestones train and test loss at the config's times, and f_mem.

    Args:
        config: of the run.
        folder: of the event files of all runs; those of this one lie in a folder below it, named by the config's key.

    Raises InputError if the package is not installed or the folder cannot be written.
    """

    def __init__(self, config: TrainConfig, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "tensorboard must be left out where the package tensorboard is not installed (pip install "
                f"tensorboard), but '{folder}' was given"
            ) from None
        self._new, self._config, self._folder = SummaryWriter, config, Path(folder) / config.key
        self._writer = None
        self._written = -float("inf")

    def begin(self, step: int) -> None:
        # What was written after the checkpoint from which a stopped run goes on is hidden.
        try:
            self._writer = self._new(str(self._folder), purge_step=step + 1)
        except OSError as error:
            raise InputError(
                f"tensorboard must be a folder that can be written, but '{self._folder}' cannot be: {error.strerror}"
            ) from None

    def after_step(self, step: int, loss) -> None:
        if time.monotonic() - self._written > _LOSS_SECONDS:
            self._written = time.monotonic()
            self._writer.add_scalar("loss/batch", float(loss), step)

    def milestone(self, step: int, record) -> None:
        for split in ("train", "test"):
            for t, losses in zip(self._config.loss_times, record[f"{split}_loss"], strict=True):
                self._writer.add_scalar(f"loss at t = {t:g}/{split}", float(losses.mean()), step)
        if len(record["d1"]):
            self._writer.add_scalar("f_mem", memorized_fraction(record["d1"], record["d2"])[0], step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *error) -> None:
        self.close()

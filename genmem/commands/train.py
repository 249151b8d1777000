"""`genmem train`: one run."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT
from genmem.empirics.config import TrainConfig


def train(config: TrainConfig = TrainConfig(), out: Path = RUNS_ROOT, threads: int | None = None) -> None:
    """Train a U-Net by denoising score matching; record losses, samples and the memorized fraction at milestones.

    A run that is stopped, or killed, goes on where it was when the same command is given again, and ends with the same
    numbers. A finished run is not repeated.

    Args:
        config: the run.
        out: folder of all runs; the record is kept in a folder below it, named by a hash of the config.
        threads: of the arithmetic on the processor, on which the last bits depend; all cores by default.
    """
    from tqdm.auto import tqdm

    from genmem.empirics.tables.run_tables import curves_table
    from genmem.empirics.training import loop as training

    directory = out / config.key
    with tqdm(total=config.steps, desc=f"n = {config.n}", unit="step", disable=None) as bar:
        record = training.train(config, directory, lambda step: bar.update(step - bar.n), threads)
    print(curves_table(record))
    print(f"\n{record.status} after {record.wall_time:.0f} s; recorded in {directory}")

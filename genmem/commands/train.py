"""`genmem train`: one run."""

from pathlib import Path

from genmem.commands.config_file import ConfigFile, as_toml
from genmem.commands.flags import RUNS_ROOT
from genmem.commands.run_flags import RunFlags, config_of, flags_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.training.device import Device


def train(
    run: RunFlags = flags_of(TrainConfig()),
    file: ConfigFile = None,
    print_config: bool = False,
    out: Path = RUNS_ROOT,
    threads: int | None = None,
    device: Device = "auto",
) -> None:
    """Train a U-Net by denoising score matching; record losses, samples and the memorized fraction at milestones.

    A run that is stopped, or killed, goes on where it was when the same command is given again, and ends with the same
    numbers. A finished run is not repeated.

    Args:
        run: the values of the run.
        file: TOML file with values of flags, by name, in place of their defaults; the flags given here go before it.
        print_config: print all values as such a file, and stop.
        out: folder of all runs; the record is kept in a folder below it, named by a hash of the config.
        threads: of the arithmetic on the processor, on which the last bits depend; all cores by default.
        device: where to train; by default a CUDA GPU if there is one, else Apple's, else the processor.
    """
    config = config_of(run)
    if print_config:
        config.check()
        return print(as_toml(run))

    from tqdm.auto import tqdm

    from genmem.empirics.tables.run_tables import curves_table
    from genmem.empirics.training import loop as training

    directory = out / config.key
    with tqdm(total=config.steps, desc=f"n = {config.n}", unit="step", disable=None) as bar:
        record = training.train(config, directory, lambda step: bar.update(step - bar.n), threads, device)
    print(curves_table(record))
    print(f"\n{record.status} after {record.wall_time:.0f} s; recorded in {directory}")

"""`genmem train`: one run."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.commands.config_file import ConfigFile, as_toml
from genmem.commands.flags import RUNS_ROOT
from genmem.commands.run_flags import RunFlags, config_of, flags_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.training.device import Device
from genmem.shared.errors import count

if TYPE_CHECKING:
    from genmem.empirics.records.runs import RunRecord


def train(
    run: RunFlags = flags_of(TrainConfig()),
    file: ConfigFile = None,
    print_config: bool = False,
    out: Path = RUNS_ROOT,
    threads: int | None = None,
    device: Device = "auto",
    tensorboard: Path | None = None,
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
        tensorboard: folder for the losses and the memorized fraction as TensorBoard reads them; needs the package of
            that name. The run's lie in a folder below it.
    """
    config = config_of(run)
    if print_config:
        config.check()
        return print(as_toml(run))

    from genmem.empirics.tables.run_tables import curves_table
    from genmem.empirics.training import loop as training
    from genmem.empirics.training.progress import Progress
    from genmem.empirics.training.sweeps import ended
    from genmem.empirics.training.tensorboard import TensorBoard

    directory = out / config.key
    with contextlib.ExitStack() as stack:
        watchers = []
        if tensorboard is not None:
            watchers.append(stack.enter_context(TensorBoard(config, tensorboard)))
        if not ended(directory):
            print(_forecast(config, out, threads, device), file=sys.stderr, flush=True)
            watchers.append(stack.enter_context(Progress(f"n = {config.n}", config.steps)))
        record = training.train(config, directory, threads=threads, device=device, watchers=watchers)
    print(curves_table(record))
    if "stop_reason" in record.facts:
        print(f"\n{_stop_in_words(record)}")
    following = "a lower --learning-rate" if record.status == "diverged" else f"genmem measure {out}"
    print(f"\n{record.status} after {record.wall_time:.0f} s; recorded in {directory}; next: {following}")


def _forecast(config: TrainConfig, out: Path, threads: int | None, device: str) -> str:
    """How long the run will take; raises InputError if it cannot be trained."""
    import torch

    from genmem.empirics.records import runs
    from genmem.empirics.records.overview import progress_of
    from genmem.empirics.training import estimate, plan
    from genmem.empirics.training.checks import check_all
    from genmem.empirics.training.device import device_named
    from genmem.empirics.training.extension import head_start

    check_all([config], out)
    place = device_named(device)
    threads = torch.get_num_threads() if threads is None else count("threads", threads)
    directory = out / config.key
    begun = (directory / "run.json").exists()
    done = progress_of(runs.load(directory)).step if begun else head_start(config, directory)
    (cost,) = estimate.costs([config], device, threads)
    cost = cost.after(done, config)
    return (
        f"{config.steps - done} steps{f' after {done}' if done else ''} on {place.type}: about "
        f"{plan.duration(cost.seconds)} if the machine stays as busy as it is now, "
        f"{cost.milestone_share:.0%} of it at milestones"
    )


def _stop_in_words(record: "RunRecord") -> str:
    """Why a run with `--stop` ended where it did, and which weights it kept."""
    from genmem.empirics.training.stopping import REASONS

    stopped = record.status == "stopped early"
    why = f"stopped by --stop at step {record.steps[-1]}" if stopped else "not stopped by --stop"
    best = record.facts["best_step"]
    kept = (
        f"the weights of step {best}, with the lowest test loss before copies, are in "
        f"{record.directory / 'best.safetensors'}"
        if best is not None
        else "no weights were kept"
    )
    return f"{why}: {REASONS[record.facts['stop_reason']]}; {kept}"

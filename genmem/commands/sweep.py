"""`genmem sweep`: many runs."""

import dataclasses
import sys
from pathlib import Path

from genmem.commands.config_file import ConfigFile, as_toml
from genmem.commands.flags import RUNS_ROOT
from genmem.commands.run_flags import RunFlags, config_of, flags_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.training.device import Device
from genmem.empirics.training.grids import Grid
from genmem.empirics.training.presets import PRESETS, Preset
from genmem.shared.errors import InputError, count
from genmem.shared.files import writable_folder


def sweep(
    preset: Preset | None = None,
    grid: Grid = Grid(),
    run: RunFlags = flags_of(TrainConfig()),
    file: ConfigFile = None,
    print_config: bool = False,
    out: Path = RUNS_ROOT,
    workers: int | None = None,
    scheduler: str | None = None,
    device: Device = "auto",
    dry_run: bool = False,
) -> None:
    """Train a grid of runs, or a preset, after saying what will run, how long it takes and how much disk.

    Finished runs are not repeated; stopped ones, and those whose worker was killed, go on from their last checkpoint,
    now or when the same command is given again. `genmem runs` shows how far each is.

    Args:
        preset: a set of runs with a name; of the other values of a run only `data` may then be given.
        grid: the values that differ between the runs.
        run: the values of all runs, where they do not differ.
        file: TOML file with values of flags, by name, in place of their defaults; the flags given here go before it.
        print_config: print all values as such a file, and stop.
        out: folder of all runs.
        workers: processes on this machine, one run at a time and one thread each; by default two, or one for each GPU.
        scheduler: address of a Dask scheduler, as tcp://host:8786; the runs then go to its workers, which share the
            folder `out`.
        device: where each worker trains; by default a CUDA GPU if there is one, else Apple's, else the processor.
        dry_run: stop before training.
    """
    from genmem.empirics.training import plan
    from genmem.empirics.training.sweeps import ended, measured_costs
    from genmem.empirics.training.sweeps import sweep as train_all

    configs = _configs(preset, grid, config_of(run))
    if print_config:
        if preset is not None:
            raise InputError("print_config must be left out with a preset, which is many configs, but was given")
        return print(as_toml(run, grid))
    if workers is not None:
        count("workers", workers)
    writable_folder("out", out)
    waiting = [each for each in configs if not ended(out / each.key)]
    if waiting:
        where = "this machine, as busy as it is now" if scheduler is None else f"a worker of {scheduler}"
        print(f"timing a few steps on {where} ...", file=sys.stderr)
        costs, workers = measured_costs(waiting, workers, scheduler, device)
        print(f"{len(waiting)} runs to do, {len(configs) - len(waiting)} done in {out}")
        print(plan.plan_table(waiting, costs, workers), flush=True)
        plan.check_disk(out, costs)
    if dry_run:
        return
    records = train_all(configs, out, workers, scheduler=scheduler, device=device)
    print(f"{len(records)} runs recorded in {out}; next: genmem measure {out}")


def _changed(given, default) -> list[str]:
    """The fields of a dataclass that do not have their default."""
    return [name for name, value in vars(given).items() if value != getattr(default, name)]


def _configs(preset: str | None, grid: Grid, config: TrainConfig) -> list[TrainConfig]:
    if preset is None:
        return grid.configs(config)
    given = [*_changed(grid, Grid()), *_changed(config, TrainConfig(data=config.data))]
    if given:
        raise InputError(
            f"preset {preset} fixes all values of its runs but data, so {', '.join(given)} must be left out, "
            "or the preset"
        )
    configs = PRESETS[preset]
    if config.data == TrainConfig.data:
        return configs
    return [dataclasses.replace(each, data=config.data) for each in configs]

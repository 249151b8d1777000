"""The commands of this package, mounted by genmem.py."""

import collections
import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from empirics.config import TrainConfig
from empirics.grids import Grid
from empirics.presets import PRESETS, Preset
from theory.errors import InputError, count
from theory.files import writable_file, writable_folder, written_whole

if TYPE_CHECKING:
    from empirics.measure import Measurement, Time
    from empirics.overview import Progress
    from empirics.runs import RunRecord

RUNS_ROOT = Path("out/runs")


def train(config: TrainConfig = TrainConfig(), out: Path = RUNS_ROOT) -> None:
    """Train a U-Net by denoising score matching; record losses, samples and the memorized fraction at milestones.

    A run that is stopped, or killed, goes on where it was when the same command is given again, and ends with the same
    numbers. A finished run is not repeated.

    Args:
        config: the run.
        out: folder of all runs; the record is kept in a folder below it, named by a hash of the config.
    """
    from tqdm.auto import tqdm

    from empirics import training

    directory = out / config.key
    with tqdm(total=config.steps, desc=f"n = {config.n}", unit="step", disable=None) as bar:
        record = training.train(config, directory, on_step=lambda step: bar.update(step - bar.n))
    print(curves_table(record))
    print(f"\n{record.status} after {record.wall_time:.0f} s; recorded in {directory}")


def sweep(
    preset: Preset | None = None,
    grid: Grid = Grid(),
    config: TrainConfig = TrainConfig(),
    out: Path = RUNS_ROOT,
    workers: int = 2,
    scheduler: str | None = None,
    dry_run: bool = False,
) -> None:
    """Train a grid of runs, or a preset, after saying what will run, how long it takes and how much disk.

    Finished runs are not repeated; stopped ones, and those whose worker was killed, go on from their last checkpoint,
    now or when the same command is given again. `genmem runs` shows how far each is.

    Args:
        preset: a set of runs with a name; of the other values of a run only `data` may then be given.
        grid: the values that differ between the runs.
        config: the values that all runs share.
        out: folder of all runs.
        workers: processes on this machine, one run at a time and one thread each.
        scheduler: address of a Dask scheduler, as tcp://host:8786; the runs then go to its workers, which share the
            folder `out`.
        dry_run: stop before training.
    """
    from empirics import plan
    from empirics.sweeps import ended, measured_costs, run_all

    configs = _configs(preset, grid, config)
    count("workers", workers)
    writable_folder("out", out)
    waiting = [each for each in configs if not ended(out / each.key)]
    if waiting:
        where = "this machine, as busy as it is now" if scheduler is None else f"a worker of {scheduler}"
        print(f"timing a few steps on {where} ...", file=sys.stderr)
        costs, workers = measured_costs(waiting, workers, scheduler)
        print(f"{len(waiting)} runs to do, {len(configs) - len(waiting)} done in {out}")
        print(plan.plan_table(waiting, costs, workers), flush=True)
        plan.check_disk(out, costs)
    if dry_run:
        return
    records = run_all(configs, out, workers, scheduler=scheduler)
    print(f"{len(records)} runs recorded in {out}; next: genmem measure {out}")


def _configs(preset: str | None, grid: Grid, config: TrainConfig) -> list[TrainConfig]:
    if preset is None:
        return grid.configs(config)
    if grid != Grid() or config != TrainConfig(data=config.data):
        raise InputError(f"preset {preset} fixes all values of its runs but data, and others were given")
    configs = PRESETS[preset]
    if config.data == TrainConfig.data:
        return configs
    return [dataclasses.replace(each, data=config.data) for each in configs]


def runs(runs_root: Path = RUNS_ROOT, /, json: bool = False) -> None:
    """List runs: finished, diverged (a result too), running, or stopped and ready to go on.

    Args:
        runs_root: folder of runs.
        json: print JSON.
    """
    from empirics.overview import overview

    progress = overview(runs_root)
    print(_runs_json(progress) if json else _runs_table(progress))


def export(runs_root: Path, out: Path, /, images: int = 8) -> None:
    """Copy the records of ended runs without weights: losses, distances, metrics, and a few images of each milestone.

    The copy is read like any folder of runs. Metrics that were not computed yet are computed first.

    Args:
        runs_root: folder of runs.
        out: folder for the copies.
        images: generated images kept of each milestone.
    """
    from empirics.export import export as export_runs
    from empirics.runs import find

    count("images", images)
    records = find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    size = export_runs(records, writable_folder("out", out), images)
    print(f"{len(records)} runs, {size / 1e6:.1f} MB, in {out}")


def measure(runs_root: Path = RUNS_ROOT, /, json: bool = False, out: Path | None = None) -> None:
    """Print tau_gen, tau_gap, tau_mem and tau_copy of a set of runs, and how each grows with n.

    Args:
        runs_root: folder of runs, as `genmem train --out` makes it.
        json: print JSON.
        out: also write the JSON to this file.
    """
    from empirics import runs
    from empirics.measure import measure as measure_runs

    if out is not None:
        writable_file("out", out, ".json")
    records = runs.find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    measurement = measure_runs(records)
    text = as_json(measurement)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out) as part:
            part.write_text(text + "\n")
    print(text if json else times_table(measurement))


def curves_table(record: "RunRecord") -> str:
    """What a run recorded, one line for each milestone."""
    t = record.config.loss_times[0]
    lines = [f"{'step':>8} {'train loss':>11} {'test loss':>11} {'f_mem':>7}   95 % interval   (losses at t = {t:g})"]
    columns = (record.steps, *record.loss(t), record.f_mem, record.f_mem_low, record.f_mem_high)
    lines += [
        f"{step:>8} {train:>11.4f} {test:>11.4f} {f:>7.3f}   {low:.3f} to {high:.3f}"
        for step, train, test, f, low, high in zip(*columns, strict=True)
    ]
    return "\n".join(lines)


def times_table(measurement: "Measurement") -> str:
    """Times in optimizer steps, one line for each run, and the exponents."""
    lines = [f"{'run':<12} {'n':>6} {'seed':>4} {'tau_gen':>10} {'tau_gap':>10} {'tau_mem':>10} {'tau_copy':>10}  status"]
    for run in measurement.runs:
        config = run.record.config
        times = " ".join(f"{_text(time):>10}" for time in (run.gen, run.gap, run.mem, run.copy))
        lines.append(f"{run.record.key:<12} {config.n:>6} {config.seed:>4} {times}  {run.record.status}")
    lines.append("times in optimizer steps; > : not yet at this step, and kept as such in the fits")
    lines.append("")
    for event in ("gen", "gap", "mem", "copy"):
        fit = measurement.exponents[event]
        if math.isnan(fit.value):
            lines.append(f"tau_{event}: too few times were observed for an exponent in n")
        else:
            lines.append(f"tau_{event} ~ n^{fit.value:.2f}   (95 % interval {fit.low:.2f} to {fit.high:.2f}; {fit.runs} runs, "
                         f"{fit.censored} censored)")
    return "\n".join(lines)


def _runs_table(progress: "list[Progress]") -> str:
    """One line for each run, and how many there are of each status."""
    from empirics.plan import duration

    lines = [f"{'run':<12} {'data':<10} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} {'seed':>4} {'step':>9} {'of':>9} {'time':>8}  status"]
    for run in progress:
        c = run.config
        lines.append(f"{run.key:<12} {c.data:<10.10} {c.n:>6} {c.width:>4} {c.batch_size:>5} {c.learning_rate:>8.2g} {c.seed:>4} "
                     f"{run.step:>9} {c.steps:>9} {duration(run.wall_time):>8}  {run.status}")
    numbers = collections.Counter(run.status for run in progress)
    lines.append(", ".join(f"{number} {status}" for status, number in numbers.items()))
    return "\n".join(lines)


def _runs_json(progress: "list[Progress]") -> str:
    return json.dumps([dataclasses.asdict(run) for run in progress], indent=1)


def as_json(measurement: "Measurement") -> str:
    """The measurement for programs; an unbounded or unknown number is null."""
    from empirics.measure import EVENTS

    def plain(fit) -> dict:
        values = dataclasses.asdict(fit)
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    return json.dumps({
        "unit": "optimizer steps",
        "runs": [
            {"key": run.record.key, "status": run.record.status, "config": dataclasses.asdict(run.record.config)}
            | {event: dataclasses.asdict(getattr(run, event)) for event in EVENTS}
            for run in measurement.runs
        ],
        "exponents_in_n": {event: plain(fit) for event, fit in measurement.exponents.items()},
    }, indent=1)


def _text(time: "Time") -> str:
    return f"{'> ' if time.censored else ''}{time.value:.0f}"


COMMANDS = {"train": train, "sweep": sweep, "runs": runs, "measure": measure, "export": export}

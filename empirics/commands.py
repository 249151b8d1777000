"""The commands of this package, mounted by genmem.py."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from empirics.config import TrainConfig
from theory.errors import InputError
from theory.files import writable_file, written_whole

if TYPE_CHECKING:
    from empirics.measure import Measurement, Time
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


def as_json(measurement: "Measurement") -> str:
    """The measurement for programs; an unbounded or unknown number is null."""
    import dataclasses

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


COMMANDS = {"train": train, "measure": measure}

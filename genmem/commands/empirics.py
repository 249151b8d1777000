"""The commands of this package, mounted by genmem.py."""

import collections
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.empirics.config import TrainConfig
from genmem.empirics.training.grids import Grid
from genmem.empirics.training.presets import PRESETS, Preset
from genmem.shared.errors import InputError, count, positive
from genmem.shared.files import writable_file, writable_folder, written_whole

if TYPE_CHECKING:
    from genmem.empirics.records.overview import Progress
    from genmem.empirics.records.runs import RunRecord

RUNS_ROOT = Path("out/runs")


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

    from genmem.empirics.training import loop as training

    directory = out / config.key
    with tqdm(total=config.steps, desc=f"n = {config.n}", unit="step", disable=None) as bar:
        record = training.train(config, directory, lambda step: bar.update(step - bar.n), threads)
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
    from genmem.empirics.training import plan
    from genmem.empirics.training.sweeps import ended, measured_costs, run_all

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
    """List runs: finished, stopped early or diverged (results too), running, or stopped and ready to go on.

    Args:
        runs_root: folder of runs.
        json: print JSON.
    """
    from genmem.empirics.records.overview import overview

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
    from genmem.empirics.analysis.export import export as export_runs
    from genmem.empirics.records.runs import find

    count("images", images)
    records = find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    size = export_runs(records, writable_folder("out", out), images)
    print(f"{len(records)} runs, {size / 1e6:.1f} MB, in {out}")


def measure(
    runs_root: Path = RUNS_ROOT,
    /,
    quality: bool = False,
    claims: bool = False,
    features: str = "random-conv",
    t: float | None = None,
    floor: bool = False,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Print tau_gen, tau_gap, tau_mem and tau_copy of a set of runs, and how they grow with n, W, B and eta.

    Args:
        runs_root: folder of runs, as `genmem train --out` makes it.
        quality: also print when samples are good, how good they get before copies appear, and how fast copies come.
            What this needs of each milestone is computed once and kept with the run.
        claims: also print the table of published claims: claimed, measured, agrees or not.
        features: feature space of the samples' distances: pixels, random-conv, resnet18:FILE or resnet50:FILE.
        t: diffusion time of the losses that define the times; by default each run's first.
        floor: let tau_gen be the time at which the best test loss of all runs on the same data is approached.
        json: print JSON.
        out: also write the JSON to this file.
    """
    from tqdm.auto import tqdm

    from genmem.empirics.analysis.claims import find_all
    from genmem.empirics.analysis.measure import measure as measure_runs
    from genmem.empirics.analysis.measure import memorization_rate
    from genmem.empirics.analysis.quality import quality_of
    from genmem.empirics.records import runs
    from genmem.empirics.samples.features import feature_space
    from genmem.empirics.tables import tables

    if out is not None:
        writable_file("out", out, ".json")
    space = feature_space(features)
    records = runs.find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    measurement = measure_runs(records, t, floor)
    intervals = tables.intervals_of(measurement)
    with_samples = [run.record for run in measurement.runs if run.record.config.samples]
    qualities, rates, ends, findings = [], [], [], None
    if quality:
        for record in tqdm(with_samples, desc="samples", unit="run", disable=None):
            for distance in ("swd", "fid"):
                qualities.append(quality_of(record, distance, space))
                rates.append(memorization_rate(record))
        ends = tables.endings(with_samples, space)
    if claims:
        with tqdm(total=len(records), desc="claims", unit="run", disable=None) as bar:
            findings = find_all(records, space, t, bar.update)
    text = tables.as_json(measurement, intervals, qualities, rates, ends, findings, space.name)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out) as part:
            part.write_text(text + "\n")
    if json:
        return print(text)
    print(tables.times_table(measurement, intervals))
    if qualities:
        print(f"\n{tables.quality_table(qualities, rates, space.name)}")
        print(f"\n{tables.endings_table(with_samples, ends, space.name)}")
    if findings is not None:
        print(f"\n{tables.claims_table(findings, space.name)}")


def compare(runs_root: Path = RUNS_ROOT, /, t: float | None = None, json: bool = False) -> None:
    """Set the theory beside a set of runs: exponents, the map between the two, residuals, published claims, verdicts.

    U-Nets may differ in n, width, batch size, learning rate and seed; for random-features networks nothing is fitted.

    Args:
        runs_root: folder of runs.
        t: diffusion time of the losses that define the times; the runs' first by default.
        json: print JSON.
    """
    from genmem.empirics.analysis.comparison import compare as compare_runs
    from genmem.empirics.records.runs import find
    from genmem.empirics.tables.comparison_text import comparison_json, comparison_text

    comparison = compare_runs(find(runs_root), t)
    print(comparison_json(comparison) if json else comparison_text(comparison))


def advise(
    pilots: Path | None = None,
    /,
    n: int | None = None,
    width: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    risk: float = 0.05,
    t: float | None = None,
    data: str | None = None,
    psi_p: float | None = None,
    steps_per_tau: float | None = None,
    cross_validate: bool = False,
    json: bool = False,
) -> None:
    """Say when to stop a run that was not made yet: its window [tau_gen, tau_mem], from pilots on fewer images.

    Without pilots, the theory alone says it for images of the covariance of `data`, in units of tau or, with
    --steps-per-tau, in steps.

    Args:
        pilots: folder of runs that differ in n, width, batch size, learning rate and seed alone.
        n: number of training images of the new run.
        width: its base width; by default, as the next two, that of most pilots.
        batch_size: its batch size.
        learning_rate: its learning rate.
        risk: accepted probability that copies appear before the step to stop at.
        t: diffusion time of the losses; by default the pilots' first, without pilots 0.01.
        data: without pilots: the data set.
        psi_p: without pilots: hidden units per dimension.
        steps_per_tau: without pilots: optimizer steps in one unit of tau.
        cross_validate: instead, foresee the pilots on many images from those on fewer; print errors and coverage.
        json: print JSON.
    """
    from genmem.empirics.analysis import advice
    from genmem.empirics.tables import advice_text

    if n is None and not cross_validate:
        raise InputError("n must be given, the number of training images of the new run, but is not")
    alone = {"data": data, "psi_p": psi_p, "steps_per_tau": steps_per_tau}
    asked = {"width": width, "batch_size": batch_size, "learning_rate": learning_rate}
    wrong = [name for name, value in (alone if pilots is not None else asked).items() if value is not None]
    if wrong:
        raise InputError(f"{wrong[0]} must be left out {'with' if pilots is not None else 'without'} pilots, but was given")
    if pilots is None:
        if cross_validate or data is None or psi_p is None:
            raise InputError("pilots must be given, or data and psi_p for the theory alone, but are not")
        if steps_per_tau is not None:
            positive("steps_per_tau", steps_per_tau)
        times = advice.from_theory(n, data, psi_p, 0.01 if t is None else positive("t", t))
        show = advice_text.theory_json if json else advice_text.theory_text
        return print(show(n, data, times, steps_per_tau))

    from genmem.empirics.analysis.mapping import FACTORS
    from genmem.empirics.analysis.measure import measure as measure_runs
    from genmem.empirics.records.runs import find

    runs = measure_runs(find(pilots), t).lawful
    t = runs[0].record.config.loss_times[0] if t is None else t
    if cross_validate:
        trials = advice.cross_validate(runs, t)
        return print(advice_text.trials_json(trials) if json else advice_text.trials_table(trials))
    settings = {name: asked[field] for name, field in FACTORS.items() if asked[field] is not None}
    given = advice.advise(runs, n, t, settings, risk)
    print(advice_text.advice_json(given) if json else advice_text.advice_text(given, runs))


def stopping(runs_root: Path, /, risk: float = 0.01, spacing: float | None = None) -> None:
    """Say where `--stop` would have ended recorded runs, and how that compares with their tau_gen and tau_mem.

    Args:
        runs_root: folder of runs.
        risk: largest fraction of memorized samples that is allowed, as given to --stop.
        spacing: factor in steps between checks, with the curves interpolated between milestones; by default the
            milestones are the checks.
    """
    from genmem.empirics.analysis.replay import replay, replay_table
    from genmem.empirics.records.runs import find

    records = [record for record in find(runs_root) if record.config.samples and len(record.steps) > 1]
    if not records:
        raise InputError(f"runs_root must hold at least one run with samples, but {str(runs_root)!r} holds none")
    print(replay_table([replay(record, spacing, risk) for record in records]))


def closed_form(run: Path, /) -> None:
    """Set a trained random-features network beside its prediction, with nothing fitted, and say what parts them.

    Args:
        run: folder of one run with network random-features, optimizer sgd and center.
    """
    from genmem.empirics.analysis.closed_form import compare, comparison_table
    from genmem.empirics.records import runs

    print(comparison_table(compare(runs.load(run))))


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


def _runs_table(progress: "list[Progress]") -> str:
    """One line for each run, and how many there are of each status."""
    from genmem.empirics.training.plan import duration

    lines = [f"{'run':<12} {'data':<10} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} {'seed':>4} {'step':>9} {'of':>9} "
             f"{'time':>8}  status"]
    for run in progress:
        c = run.config
        lines.append(f"{run.key:<12} {c.data:<10.10} {c.n:>6} {c.width:>4} {c.batch_size:>5} {c.learning_rate:>8.2g} "
                     f"{c.seed:>4} {run.step:>9} {c.steps:>9} {duration(run.wall_time):>8}  {run.status}")
    numbers = collections.Counter(run.status for run in progress)
    lines.append(", ".join(f"{number} {status}" for status, number in numbers.items()))
    return "\n".join(lines)


def _runs_json(progress: "list[Progress]") -> str:
    return json.dumps([dataclasses.asdict(run) for run in progress], indent=1)


COMMANDS = {
    "train": train, "sweep": sweep, "runs": runs, "measure": measure, "compare": compare, "advise": advise, "stopping": stopping,
    "closed-form": closed_form, "export": export,
}

"""`genmem measure`: the times of recorded runs."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT
from genmem.shared.errors import InputError
from genmem.shared.files import apart, writable_file, written_whole


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
            What this needs of each milestone is computed once and kept with the run. Of runs on a grammar, print when
            each level is learned and which stopping early reaches.
        claims: also print the table of published claims: claimed, measured, agrees or not.
        features: feature space of the samples' distances: pixels, random-conv, resnet18:FILE,
            resnet50:FILE, sscd:FILE or dino:FILE.
        t: diffusion time of the losses that define the times; by default each run's first.
        floor: let tau_gen be the time at which the best test loss of all runs on the same data is approached.
        json: print JSON.
        out: also write the JSON to this file.
    """
    from tqdm.auto import tqdm

    from genmem.empirics.analysis.claims import find_all
    from genmem.empirics.analysis.divergence import divergence_times
    from genmem.empirics.analysis.levels import is_grammar, levels_of
    from genmem.empirics.analysis.measure import measure as measure_runs
    from genmem.empirics.analysis.measure import memorization_rate
    from genmem.empirics.analysis.quality import qualities_of
    from genmem.empirics.processes.table import PROCESSES
    from genmem.empirics.records import runs
    from genmem.empirics.samples.features import feature_space
    from genmem.empirics.samples.metrics import LEAST_SAMPLES
    from genmem.empirics.tables import tables
    from genmem.empirics.tables.levels_table import levels_table

    if out is not None:
        writable_file("out", out, ".json")
    space = feature_space(features)
    records = runs.find(runs_root)
    if not records:
        raise InputError(f"runs_root must hold at least one run, but {str(runs_root)!r} holds none")
    if out is not None:
        apart("out", out, [record.directory for record in records], "the run")
    measurement = measure_runs(records, t, floor)
    intervals = tables.intervals_of(measurement)
    divergences = [times for run in measurement.runs if (times := divergence_times(run.record))]
    # Distances between distributions are those of images.
    with_samples = [
        run.record
        for run in measurement.runs
        if run.record.config.samples >= LEAST_SAMPLES and not PROCESSES[run.record.config.process].copies_are_exact
    ]
    grammars = [run.record for run in measurement.runs if is_grammar(run.record) and run.record.config.samples]
    qualities, rates, ends, findings, found = [], [], [], None, []
    if quality:
        for record in tqdm(with_samples, desc="samples", unit="run", disable=None):
            by_distance = qualities_of(record, space)
            qualities += by_distance
            rates += [memorization_rate(record)] * len(by_distance)
        ends = tables.endings(with_samples, space)
        found = [levels_of(record) for record in tqdm(grammars, desc="levels", unit="run", disable=None)]
    if claims:
        with tqdm(total=len(records), desc="claims", unit="run", disable=None) as bar:
            findings = find_all(records, space, t, bar.update)
    text = tables.as_json(measurement, intervals, qualities, rates, ends, findings, space.name, divergences)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out) as part:
            part.write_text(text + "\n", encoding="utf-8")
    if json:
        return print(text)
    print(tables.times_table(measurement, intervals))
    if divergences:
        print(f"\n{tables.divergence_table(divergences)}")
    if qualities:
        print(f"\n{tables.quality_table(qualities, rates, space.name)}")
        print(f"\n{tables.endings_table(with_samples, ends, space.name)}")
    if found:
        print(f"\n{levels_table(found)}")
    if findings is not None:
        print(f"\n{tables.claims_table(findings, space.name)}")

"""What the report says of a set of runs and of predictions, and of what they lack."""

import json
import math
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genmem.figures.catalogue import FIGURES, Measured, Theory, made
from genmem.figures.drawing import style
from genmem.figures.drawing.cached import provenance
from genmem.figures.drawing.histories import usable
from genmem.figures.report import page as report
from genmem.figures.report import sentences, tables
from genmem.figures.report.page import Picture, Section, Table
from genmem.figures.report.predictions import load
from genmem.shared.errors import InputError, SolverError
from genmem.shared.files import apart
from genmem.shared.vocabulary import EVENT_NAMES, EVENT_SYMBOLS
from genmem.theory.model import RandomFeatures
from genmem.theory.prediction import prediction
from genmem.theory.problem import Problem

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from genmem.empirics.records.runs import RunRecord

TITLE = "When does a diffusion model generalize, and when does it memorize?"
_VARIED = {"n": "n", "width": "W", "batch_size": "B", "learning_rate": "η", "half": "half", "seed": "seed"}


def write_report(sources: Sequence[Path], problem: Problem, out: Path) -> Path:
    """Make the figures and index.html in `out` from folders of runs and data files; from the theory alone without any.

    problem: what is learned, in the theory's figures. Figures whose data `out` holds already are drawn again but not
    computed again. Returns the page's path. Raises InputError for a source that is neither, or that `out` would
    overwrite.
    """
    for path in sources:
        # The page's own data files lie in `out` and below it, under names that a source may have.
        if path.suffix == ".nc" and out.resolve() in path.resolve().parents:
            raise InputError(f"out must not be a folder that holds a source, but '{out}' holds '{path}'")
    return compose(sources, problem, out)


def compose(sources: Sequence[Path], problem: Problem, out: Path) -> Path:
    """`write_report` for sources of which the caller knows that the page's own files have other names."""
    from genmem.empirics.records.runs import find

    files = [path for path in sources if path.suffix == ".nc"]
    folders = [path for path in sources if path.suffix != ".nc"]
    records = list({record.key: record for folder in folders for record in find(folder)}.values())
    apart("out", out, [record.directory for record in records], "the run")
    out.mkdir(parents=True, exist_ok=True)
    verdict, sections = [], [Section("The times", sentences.DEFINITIONS)]
    if folders and not records:
        sections.append(Section("Measured", [f"No run was found in {_and(map(str, folders))}."]))
    for label, runs in by_data(records).items():
        found, parts = measured(label, runs, out / re.sub(r"\W+", "-", label))
        verdict, sections = verdict + found, sections + parts
    loaded = [(path, *load(path)) for path in files]
    if loaded:
        sections.append(predictions(loaded, out))
    if not sources:
        verdict.append(sentences.predicted(prediction(RandomFeatures.of(problem))))
        sections.append(theory(problem, out))
    # Without a comparison on this page, the files' own sentences are all that it says.
    verdict = verdict or [sentence for _, data, kind in loaded for sentence in kind.sentences(data)]
    sections.append(origin(records, sources, problem, out))
    page = out / "index.html"
    made_by = [f"Made by genmem: {provenance()}."]
    report.write(page, report.render(TITLE, lead(records, files), sections, made_by, verdict))
    return page


def drawn(
    name: str, build: Callable[["xarray.Dataset", float], "Figure"], data: "xarray.Dataset", caption: str, out: Path
) -> Picture:
    """Draw a figure at both widths in `out`; its data lie there already, or the page goes without."""
    _, single, _, double = style.save_both(build, data, out / name)
    path = out / f"{name}.nc"
    return Picture(single, caption, double, path if path.exists() else None)


def catalogued(
    names: Sequence[str], problem: Problem, records: Sequence["RunRecord"] | None, out: Path
) -> tuple[list[Picture], list[str]]:
    """The figures of the catalogue that can be made, and a sentence for each that cannot."""
    pictures, left_out = [], []
    for name in names:
        try:
            data, _, single, _, double = made(name, problem, records, out)
            pictures.append(Picture(single, FIGURES[name].caption, double, data))
        except (InputError, SolverError) as error:
            left_out.append(f"No figure “{name}”: {error}.")
    return pictures, left_out


def by_data(records: Sequence["RunRecord"]) -> dict[str, list["RunRecord"]]:
    """The runs on each data set; other networks than U-Nets apart."""
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        network = record.config.network
        groups[record.config.data + ("" if network == "unet" else f", {network}")].append(record)
    return dict(groups)


def measured(label: str, records: Sequence["RunRecord"], out: Path) -> tuple[list[str], list[Section]]:
    """The runs on one data set: the verdict in a few sentences, and runs, times, figures, laws, theory and claims."""
    from genmem.empirics.analysis.measure import measure

    try:
        shown = usable(records)
    except InputError:
        sentence = "None of them has two milestones without having diverged, so there are no times to show."
        table = Table(f"Runs on {label}", tables.run_rows(records, None))
        return [], [Section(f"Measured on {label}", [_counted(records), sentence], tables=[table])]
    measurement = measure(shown)
    times = Table(
        f"Runs on {label}: times in optimizer steps; > s: not yet at step s", tables.run_rows(records, measurement)
    )
    names = [name for name, entry in FIGURES.items() if isinstance(entry, Measured) and name != "overlay"]
    pictures, left_out = catalogued(names, Problem(), shown, out)
    verdict, against = _against_theory(label, measurement, out)
    return verdict, [
        Section(f"Measured on {label}", [_counted(records), _observed(measurement)], pictures, [times]),
        _laws(label, measurement),
        against,
        _claims(label, shown),
        *([Section(f"What the runs on {label} do not show", left_out)] if left_out else []),
    ]


def predictions(loaded, out: Path) -> Section:
    """The data files as figures with what they say. loaded: path, data and kind of each."""
    said, pictures, names = [], [], Counter()
    for path, data, kind in loaded:
        said += kind.sentences(data)
        names[path.stem] += 1
        name = path.stem if names[path.stem] == 1 else f"{path.stem}-{names[path.stem]}"
        picture = drawn(name, kind.build, data, f"{path.name}: {kind.caption}", out)
        pictures.append(Picture(picture.path, picture.caption, picture.double, path))
    return Section("Predicted", said, pictures)


def theory(problem: Problem, out: Path) -> Section:
    """All figures of the theory."""
    pictures, left_out = catalogued([name for name, e in FIGURES.items() if isinstance(e, Theory)], problem, None, out)
    sentence = (
        "A random-features network that learns the score of Gaussian data by gradient flow, in closed form; at "
        "diffusion "
        f"time t = {problem.t:g} with activation {problem.activation}, where a figure does not say otherwise."
    )
    return Section("Predicted", [sentence, *left_out], pictures)


def origin(records: Sequence["RunRecord"], sources: Sequence[Path], problem: Problem, out: Path) -> Section:
    """Where everything comes from, and the commands that make it again."""
    flags = [f"--{name} {getattr(problem, name)}" for name in ("t", "activation")
             if getattr(problem, name) != getattr(Problem(), name)]  # fmt: skip
    command = shlex.join(["genmem", "report", *map(str, sources), "--out", str(out)])
    lines = [f"This page: `{' '.join([command, *flags])}`"]
    if not records:
        return Section("Where this comes from", lines)
    for words, values in (
        (
            "Versions",
            Counter(", ".join(f"{k} {v}" for k, v in record.facts.get("versions", {}).items()) for record in records),
        ),
        ("Commit", Counter(str(record.facts.get("git_commit") or "unknown") for record in records)),
        (
            "Device",
            Counter(f"{record.facts.get('device', 'unknown')}, {record.config.precision}" for record in records),
        ),
    ):
        lines.append(f"{words}: " + "; ".join(f"{value} (runs: {count})" for value, count in values.items()) + ".")
    hours = sum(record.wall_time for record in records) / 3600
    lines.append(f"Training and measuring took {hours:.1f} hours in all.")
    lines += [f"The preset {name} is among these runs: `genmem sweep --preset {name}`" for name in _presets(records)]
    configs = [Table("The command of each run", tables.command_rows(records), folded=True)]
    texts = [{"run": r.key, "config": json.dumps(r.facts["config"])} for r in records]
    return Section(
        "Where this comes from", lines, tables=[*configs, Table("The config of each run", texts, folded=True)]
    )


def lead(records: Sequence["RunRecord"], files: Sequence[Path]) -> list[str]:
    """What this page is, in a sentence or two."""
    runs = f"{len(records)} recorded runs on {_and(by_data(records))}" if records else ""
    predicted = f"{len(files)} data files of predictions and comparisons" if files else ""
    what = " and ".join(filter(None, (runs, predicted))) or "predictions in closed form"
    return [
        "A diffusion model first learns to make new images (it generalizes) and, trained on, to reproduce its training "
        f"images (it memorizes). This page shows {what}."
    ]


def _counted(records: Sequence["RunRecord"]) -> str:
    """How many runs of each status, and what they differ in."""
    from genmem.empirics.records.overview import progress_of

    statuses = Counter(progress_of(record).status for record in records)
    counts = ", ".join(f"{count} {status}" for status, count in statuses.items())
    varied = []
    for name, symbol in _VARIED.items():
        values = sorted({getattr(record.config, name) for record in records})
        if len(values) > 1:
            varied.append(f"{symbol} = {', '.join(map(str, values))}")
    differ = f" They differ in {'; '.join(varied)}." if varied else ""
    return f"{len(records)} {'runs' if len(records) > 1 else 'run'}: {counts}.{differ}"


def _observed(measurement) -> str:
    """How many of the times were seen."""
    parts = []
    for event, symbol in EVENT_SYMBOLS.items():
        seen = sum(not getattr(run, event).censored for run in measurement.runs)
        parts.append(f"{symbol} in {seen}")
    return (
        f"Observed times: {', '.join(parts)} of the {len(measurement.runs)} with curves. Runs that ended before "
        "an event give a lower bound, and are used as such in every fit."
    )


def _laws(label: str, measurement) -> Section:
    rows = tables.law_rows(measurement)
    if not rows:
        return Section(f"Laws on {label}", ["These runs vary too little, or show too few times, for an exponent."])
    caption = "Exponents of the times, fitted jointly, with 95 % intervals"
    sentence = "Censored maximum likelihood; other settings have constants of their own. –: these runs do not tell."
    return Section(f"Laws on {label}", [*_in_n(measurement), sentence], tables=[Table(caption, rows)])


def _in_n(measurement) -> list[str]:
    """How each time grows with the number of images."""
    return [
        f"The {EVENT_NAMES[event]} {symbol} was measured to go as n^b with b = {fit.value:.2f} (95 % interval "
        f"{fit.low:.2f} to {fit.high:.2f}; {fit.runs} runs, {fit.censored} of them lower bounds)."
        for event, symbol in EVENT_SYMBOLS.items()
        if math.isfinite((fit := measurement.exponents[event]).value)
    ]


def _against_theory(label: str, measurement, out: Path) -> tuple[list[str], Section]:
    """The verdict, and the section of the overlay; for random features, times without a free parameter."""
    import xarray

    from genmem.empirics.analysis.comparison import without_parameters

    heading, runs = f"Theory against runs on {label}", measurement.lawful
    try:
        if runs[0].record.config.is_theory:
            rows = tables.free_rows([row for run in runs for row in without_parameters(run.record)])
            sentence = "The closed form has no free parameter here. Finite networks: simulated, of the run's size."
            return [], Section(heading, [sentence], tables=[Table("Times in units of τ", rows)])
    except (InputError, SolverError) as error:
        return [], Section(heading, [f"They were not compared: {error}."])
    pictures, left_out = catalogued(["overlay"], Problem(), [run.record for run in runs], out)
    if left_out:
        return [], Section(heading, [f"They were not compared. {left_out[0]}"])
    overlay = xarray.load_dataset(pictures[0].data, engine="h5netcdf")
    caption = "Exponents with 95 % intervals; of the theory, the range over the ψ_p that the runs allow"
    shown = [
        Table(
            "Measured and predicted times in optimizer steps, geometric means over runs", sentences.ratio_table(overlay)
        ),
        Table(caption, tables.exponent_rows(overlay)),
        Table("Each measured time beside the prediction", tables.residual_rows(overlay), folded=True),
    ]
    return sentences.summary(overlay), Section(heading, sentences.overlaid(overlay), pictures, shown)


def _claims(label: str, records: Sequence["RunRecord"]) -> Section:
    from genmem.empirics.analysis.claims import find_all

    heading = f"Published claims on {label}"
    try:
        found = find_all(records)
    except InputError as error:
        return Section(heading, [f"They were not tested: {error}."])
    sentence = (
        "[B] Bonnaire et al., arXiv 2505.17638; [F] Favero et al., 2505.16959; [W] Marion and Wu, 2605.06077. "
        "Undecided: the interval holds the claim and much else."
    )
    rows = [row for rows in found.values() for row in tables.claim_rows(rows)]
    return Section(heading, [sentence], tables=[Table("Claimed and measured", rows)])


def _presets(records: Sequence["RunRecord"]) -> list[str]:
    from genmem.empirics.training.presets import PRESETS

    keys = {record.key for record in records}
    return [name for name, configs in PRESETS.items() if {config.key for config in configs} <= keys]


def _and(parts) -> str:
    *first, last = list(parts)
    return f"{', '.join(first)} and {last}" if first else last

"""The report's tables: runs and their times, laws, claims, configs; each a list of rows of text."""

import dataclasses
import math
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genmem.empirics.analysis.measure import Measurement, RunTimes, Time
from genmem.empirics.analysis.verdicts import verdict_on
from genmem.empirics.config import TrainConfig
from genmem.empirics.records.overview import progress_of
from genmem.empirics.tables.tables import joint_laws
from genmem.empirics.training.plan import duration
from genmem.figures.report.sentences import percent, steps
from genmem.shared.vocabulary import EVENT_SYMBOLS, FACTOR_SYMBOLS, PREDICTED

if TYPE_CHECKING:
    import xarray

    from genmem.empirics.analysis.comparison import Free
    from genmem.empirics.analysis.findings import Finding
    from genmem.empirics.analysis.laws import Exponent
    from genmem.empirics.records.runs import RunRecord

Rows = list[dict[str, str]]


def run_rows(records: Sequence["RunRecord"], measurement: Measurement | None) -> Rows:
    """One row for each run: its config, times in optimizer steps ("> s": not yet at step s), copies at its end."""
    times = {run.record.key: run for run in measurement.runs} if measurement is not None else {}
    rows = []
    for record in records:
        c, progress = record.config, progress_of(record)
        row = {
            "run": record.key,
            "n": f"{c.n:,}",
            "W": str(c.width),
            "B": str(c.batch_size),
            "η": f"{c.learning_rate:g}",
        }
        row |= {"half": c.half} if any(each.config.half != "all" for each in records) else {}
        row |= {"seed": str(c.seed), **_times(times.get(record.key))}
        copies = record.f_mem[-1] if len(record.steps) else math.nan
        row |= {"copies at the end": "–" if math.isnan(copies) else percent(copies)}
        rows.append(
            row | {"step": steps(progress.step), "time": duration(progress.wall_time), "status": progress.status}
        )
    return rows


def law_rows(measurement: Measurement) -> Rows:
    """One row for each time: its exponents in whatever varies, with 95 % intervals, and the factor of spread left."""
    laws = joint_laws(measurement)
    known = [
        name
        for name in FACTOR_SYMBOLS
        if any(not math.isnan(laws[event].exponents[name].value) for event in EVENT_SYMBOLS)
    ]
    rows = []
    for event, symbol in EVENT_SYMBOLS.items():
        law = laws[event]
        row = {"time": symbol} | {
            f"exponent in {FACTOR_SYMBOLS[name]}": _exponent(law.exponents[name]) for name in known
        }
        fit = next(iter(law.exponents.values()))
        spread = "–" if math.isnan(law.spread) else f"{math.exp(law.spread):.2f}"
        rows.append(
            row | {"spread left, factor": spread, "runs": str(fit.runs), "of these censored": str(fit.censored)}
        )
    return rows if known else []


def claim_rows(findings: Sequence["Finding"]) -> Rows:
    """One row for each published claim: claimed, measured with its 95 % interval, verdict."""
    return [
        {
            "claimed": row.claimed,
            "verdict": row.verdict,
            "measured": row.quantity,
            "value": "–" if math.isnan(row.value) else f"{row.value:.2f}",
            "95 % interval": "–" if math.isnan(row.value) else f"{row.low:.2f} to {row.high:.2f}",
            "runs": str(row.runs),
            "note": row.note,
        }
        for row in findings
    ]


def exponent_rows(overlay: "xarray.Dataset") -> Rows:
    """Exponents of the measured times beside those of the predicted ones and those of the asymptotic law."""
    rows = []
    for k, name in enumerate(overlay.law.values):
        event, factor = name.split()
        here = {key: float(overlay[key][k]) for key in overlay if str(key).startswith("exponent")}
        low, high, predicted, law = (here[f"exponent{end}"] for end in ("_low", "_high", "_predicted", "_law"))
        rows.append(
            {
                "exponent": f"{EVENT_SYMBOLS[event]} in {factor}",
                "measured": _with_ends(here["exponent"], low, high),
                "theory for these runs": _with_ends(
                    predicted, here["exponent_predicted_low"], here["exponent_predicted_high"]
                ),
                "verdict": verdict_on(low, high, predicted),
                "law": f"{law:g}" if math.isfinite(law) else "–",
                "verdict on the law": verdict_on(low, high, law),
                "runs": f"{here['exponent_runs']:.0f}",
                "of these censored": f"{here['exponent_censored']:.0f}",
            }
        )
    return rows


def residual_rows(overlay: "xarray.Dataset") -> Rows:
    """Each measured time beside the mapped prediction, in optimizer steps."""
    rows = []
    for k in range(overlay.sizes["run"]):
        run = overlay.isel(run=k)
        for event in PREDICTED:
            here = run.sel(event=event)
            measured, predicted, late = float(here.measured), float(here.predicted), bool(here.censored)
            known = math.isfinite(predicted)
            rows.append(
                {
                    "run": str(here.key.values),
                    "n": f"{int(here.n):,}",
                    "W": f"{float(here.W):g}",
                    "time": EVENT_SYMBOLS[event],
                    "measured": _time(Time(measured, late)),
                    "predicted": steps(predicted) if known else "never",
                    "ratio": "> " * late + f"{measured / predicted:.2f}" if known else "–",
                }
            )
    return rows


def free_rows(rows: Sequence["Free"]) -> Rows:
    """Times of random-features runs beside the closed form, in units of tau."""
    return [
        {
            "run": row.run.key,
            "time": EVENT_SYMBOLS[row.event],
            "measured": f"{row.measured:.4g}" if math.isfinite(row.measured) else "not within the run",
            "95 % interval": " to ".join(f"{end:.4g}" if math.isfinite(end) else "later" for end in row.interval),
            "finite networks": f"{row.finite:.4g}",
            "closed form": f"{row.predicted:.4g}",
            "verdict": row.verdict,
        }
        for row in rows
    ]


def command_rows(records: Sequence["RunRecord"]) -> Rows:
    """The command that makes each run."""
    return [{"run": record.key, "command": train_command(record.config)} for record in records]


def train_command(config: TrainConfig) -> str:
    """`genmem train` with the flags that differ from the defaults."""
    words = ["genmem", "train"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)


def _times(run: RunTimes | None) -> dict[str, str]:
    return {symbol: "–" if run is None else _time(getattr(run, event)) for event, symbol in EVENT_SYMBOLS.items()}


def _time(time: Time) -> str:
    return ("> " if time.censored else "") + steps(time.value)


def _exponent(fit: "Exponent") -> str:
    return _with_ends(fit.value, fit.low, fit.high)


def _with_ends(value: float, low: float, high: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"

"""Advice and its cross-validation, as text for people and as JSON for programs."""

import dataclasses
import json
import math
from collections.abc import Sequence

import numpy as np

from genmem.empirics.analysis.advice import PREDICTORS, Advice, Trial
from genmem.empirics.analysis.mapping import FITTED
from genmem.empirics.analysis.measure import RunTimes
from genmem.empirics.tables.tables import finite_only


def advice_text(advice: Advice, pilots: Sequence[RunTimes]) -> str:
    """The window, the step to stop at and what it rests on."""
    sizes = sorted({run.record.config.n for run in pilots})
    where = ", ".join(f"{name} = {value:g}" for name, value in advice.setting.items())
    # Before everything else: whoever reads on must know that the numbers below cannot all hold.
    lines = [f"CONTRADICTION: {sentence}" for sentence in advice.contradictions]
    lines += [
        f"pilots: {len(pilots)} runs on {pilots[0].record.config.data}, n = {', '.join(map(str, sizes))}",
        f"new run: n = {advice.n:g}, {where}",
        "",
        f"{'optimizer steps':<20} {'median':>8}   95 % of new runs",
    ]
    for event in FITTED:
        for predictor, time in advice.forecasts[event].items():
            mark = "*" if predictor == advice.chosen[event] else " "
            lines.append(f"tau_{event} {mark}{predictor:<12} {_steps(time.median):>9}   {_range(time.low, time.high)}")
    lines += ["* predicted the recorded runs better (docs/advice.md), and counts", ""]
    stop = _steps(math.floor(advice.stop))
    lines.append(f"stop at step {stop}: with probability {advice.risk:g} the run memorizes before.")
    after, shown = advice.copying
    if shown:
        lines.append(
            f"Copies come later: of {shown} pilots whose samples hold copies by the end, {after} memorized first."
        )
    else:
        lines.append("No pilot ran until its samples were copies, so how much later copies come was not seen.")
    beyond = ", ".join(f"{name} by a factor {factor:.3g}" for name, factor in advice.beyond.items() if factor > 1)
    lines.append(f"extrapolated: {beyond}" if beyond else "extrapolated: nothing, the pilots enclose it")
    warnings = [f"warning: {warning}" for warning in advice.warnings[len(advice.contradictions) :]]
    return "\n".join(lines + warnings)


def advice_json(advice: Advice) -> str:
    """All fields of the advice; what never comes or has no bound is null."""
    values = {field.name: getattr(advice, field.name) for field in dataclasses.fields(advice) if field.name != "fitted"}
    values["forecasts"] = {
        event: {name: dataclasses.asdict(time) for name, time in found.items()}
        for event, found in advice.forecasts.items()
    }
    values["contradictions"] = advice.contradictions
    values["copying"] = dict(zip(("memorized_first", "copied"), advice.copying, strict=True))
    return json.dumps(finite_only(values | {"unit": "optimizer steps", "warnings": advice.warnings}), indent=1)


def theory_text(n: float, data: str, times: dict[str, float], steps_per_tau: float | None) -> str:
    """The window that the theory alone predicts, in units of tau or, if their length is known, in steps."""
    scale, unit = (1.0, "in units of tau") if steps_per_tau is None else (steps_per_tau, "optimizer steps")
    gen, mem = (f"{scale * times[event]:,.4g}" for event in FITTED)
    lines = [f"no pilots: the closed form for n = {n:g} images with the covariance of {data}"]
    lines.append(f"tau_gen = {gen} {unit}")
    if math.isinf(times["mem"]):
        lines.append("tau_mem = infinity: a network this small never memorizes that many images")
    else:
        lines.append(f"tau_mem = {mem} {unit}, {times['mem'] / times['gen']:.3g} times later")
    lines.append("Nothing was measured, so there is neither an interval nor a step for a chosen risk.")
    if steps_per_tau is None:
        lines.append("Steps in one unit of tau (--steps-per-tau) turn this into optimizer steps.")
    return "\n".join(lines)


def theory_json(n: float, data: str, times: dict[str, float], steps_per_tau: float | None) -> str:
    """The same; an event that never comes is null."""
    scale, unit = (1.0, "tau") if steps_per_tau is None else (steps_per_tau, "optimizer steps")
    values = {f"tau_{event}": scale * time for event, time in times.items()}
    return json.dumps(finite_only({"n": n, "data": data, **values, "unit": unit}), indent=1)


def summaries(trials: Sequence[Trial]) -> list[dict]:
    """Error and coverage by predictor, time, width and most images predicted from; last, by predictor and time alone.

    error: typical factor between predicted median and measured time, exp of the root mean square of its log, and bias,
    of its mean, over the times that were measured. covered: how many of these lie in their 95 % interval. contradicted:
    how many of the others ended later than it.
    """
    rows = []
    for event in FITTED:
        for predictor in PREDICTORS:
            mine = [trial for trial in trials if (trial.event, trial.predictor) == (event, predictor)]
            groups = dict.fromkeys((trial.width, trial.largest) for trial in mine)
            for key in groups:
                rows.append(
                    _summary([trial for trial in mine if (trial.width, trial.largest) == key])
                    | {"width": key[0] or "all", "from_n_up_to": key[1]}
                )
            if len(groups) > 1:
                rows.append(_summary(mine) | {"width": "every line", "from_n_up_to": ""})
    return rows


def _summary(trials: Sequence[Trial]) -> dict:
    seen = [trial for trial in trials if not trial.censored]
    log = np.log([trial.value / trial.median for trial in seen])
    widths = np.log([trial.high / trial.low if trial.low > 0 else math.inf for trial in trials]) / 2
    return {
        "time": f"tau_{trials[0].event}",
        "predictor": trials[0].predictor,
        "measured": len(seen),
        "error": math.exp(math.sqrt(np.mean(log**2))) if seen else math.nan,
        "bias": math.exp(log.mean()) if seen else math.nan,
        "interval": float(np.exp(np.median(widths))),
        "covered": sum(not trial.contradicted for trial in seen),
        "censored": len(trials) - len(seen),
        "contradicted": sum(trial.contradicted for trial in trials if trial.censored),
    }


def trials_table(trials: Sequence[Trial]) -> str:
    """The summaries as a Markdown table."""
    lines = [
        "| time | predictor | W | predicted from n ≤ | measured | error | bias | 95 % interval | covered | censored, "
        "contradicted |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in summaries(trials):
        error, bias, interval = (_factor(row[name]) for name in ("error", "bias", "interval"))
        covered = f"{row['covered']} of {row['measured']}" if row["measured"] else "–"
        lines.append(
            f"| {row['time']} | {row['predictor']} | {row['width']} | {row['from_n_up_to']} | "
            f"{row['measured']} | {error} | {bias} | ×÷ {interval} | {covered} | "
            f"{row['censored']}, {row['contradicted']} |"
        )
    lines += [
        "",
        "error: typical factor between predicted and measured; bias: measured / predicted; interval: half its width,",
        "median; covered: measured times inside it; censored: ended before the event, contradicted: after it.",
    ]
    return "\n".join(lines)


def trials_json(trials: Sequence[Trial]) -> str:
    """Every trial, and the summaries."""
    each = [
        {field.name: getattr(trial, field.name) for field in dataclasses.fields(trial) if field.name != "run"}
        | {"run": trial.run.record.key, "n": trial.run.record.config.n}
        for trial in trials
    ]
    return json.dumps(finite_only({"trials": each, "summaries": summaries(trials)}), indent=1)


def _factor(value: float) -> str:
    return "–" if math.isnan(value) else ("> 100" if value > 100 else f"{value:.2f}")


def _steps(value: float) -> str:
    return f"{value:,.0f}"


def _range(low: float, high: float) -> str:
    return f"{_steps(low)} to {_steps(high)}" if math.isfinite(high) else f"{_steps(low)} or more"

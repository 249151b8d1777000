"""The comparison of theory and runs, as tables for people and as JSON for programs."""

import dataclasses
import json
import math

import numpy as np

from genmem.empirics.analysis.comparison import Comparison
from genmem.empirics.analysis.laws import Estimate
from genmem.empirics.analysis.mapping import Map, setting
from genmem.empirics.tables.tables import claims_table, finite_only
from genmem.shared.vocabulary import PREDICTED


def comparison_text(comparison: Comparison) -> str:
    """All tables, each with a line that says what it shows."""
    parts = []
    if comparison.exponents:
        parts += [_exponents(comparison), _map(comparison.fitted), _residuals(comparison)]
    if comparison.free:
        parts.append(_free(comparison))
    if comparison.claims:
        parts.append("Published claims\n" + claims_table(comparison.claims, "random-conv"))
    return "\n\n".join(parts)


def _exponents(comparison: Comparison) -> str:
    lines = [
        f"How the times grow: exponents (losses at t = {comparison.t:g})",
        f"{'':<18} {'measured':<26} {'theory for these runs':<32} {'law for 1 << n/d << p/d':<24} runs",
    ]
    for row in comparison.exponents:
        predicted = "-"
        if math.isfinite(row.predicted.value):
            theory = row.predicted
            predicted = f"{theory.value:.2f} ({theory.low:.2f} to {theory.high:.2f}): {row.verdict}"
        law = f"{row.law:g}: {row.verdict_on_law}" if math.isfinite(row.law) else "-"
        measured = f"{row.measured.value:.2f} ({row.measured.low:.2f} to {row.measured.high:.2f})"
        measured = measured if math.isfinite(row.measured.value) else "too few times"
        lines.append(
            f"{f'tau_{row.event} in {row.factor}':<18} {measured:<26} {predicted:<32} {law:<24} {row.runs}"
            + (f" ({row.censored} censored)" if row.censored else "")
        )
    lines.append("measured: 95 % interval; theory: range over the psi_p that the runs allow; undecided: an interval")
    lines.append("that holds the expected value and much else. Exponents in W are fitted, so none is foretold.")
    return "\n".join(lines)


def _map(fitted: Map) -> str:
    where = ", ".join(f"{name} = {value:g}" for name, value in fitted.reference.items())
    lines = [
        f"The map, fitted to {fitted.points} times tau_gen and tau_mem ({fitted.censored} lower bounds), at {where}",
        f"  psi_n = n/{fitted.d}, covariance of the images: not fitted",
        f"  psi_p = {interval(fitted.psi_p)}",
    ]
    if fitted.psi_p_power is not None:
        taken = "is used" if fitted.psi_p_varies else "0 lies in the interval, so one psi_p is taken for all widths"
        lines.append(f"  psi_p ~ W^g, g = {interval(fitted.psi_p_power)}: {taken}")
    lines.append(f"  steps in one unit of tau = {interval(fitted.steps_per_tau)}")
    lines += [f"  steps per tau ~ {name}^a, a = {interval(power)}" for name, power in fitted.powers.items()]
    left = f"{fitted.residual_factor:.2f}"
    lines.append(f"  left: a factor {left} between measured and predicted (one standard deviation)")
    return "\n".join(lines)


def interval(estimate: Estimate) -> str:
    """A value with its 95 % interval; an end at the edge of the values tried is called open."""
    low = f"{estimate.low:.3g}" if math.isfinite(estimate.low) and estimate.low != 0 else "open"
    high = f"{estimate.high:.3g}" if math.isfinite(estimate.high) else "open"
    return f"{estimate.value:.3g} (95 % interval: {low} to {high})"


def _residuals(comparison: Comparison) -> str:
    lines = [
        "Measured over predicted, for each run (>: the run ended before; predicted on the map)",
        f"{'run':<12} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} {'seed':>4} "
        + " ".join(f"{f'tau_{event}: steps, factor':>24}" for event in PREDICTED),
    ]
    for k in range(0, len(comparison.residuals), len(PREDICTED)):
        rows = comparison.residuals[k : k + len(PREDICTED)]
        config, at = rows[0].run.record.config, setting(rows[0].run)
        cells = []
        for row in rows:
            bound = ">" if row.censored else ""
            factor = f"{bound}{row.factor:.2f}" if math.isfinite(row.predicted) else "never"
            cells.append(f"{f'{bound}{row.measured:,.0f}':>17} {factor:>6}")
        lines.append(
            f"{rows[0].run.record.key:<12} {config.n:>6} {at['W']:>4g} {at['B']:>5g} {at['eta']:>8.2g} "
            f"{config.seed:>4} " + " ".join(cells)
        )
    for event in PREDICTED:
        logs = _logs(comparison, event)
        if len(logs):
            lines.append(
                f"tau_{event}: typically {math.exp(np.median(logs)):.2f} times the prediction ({len(logs)} measured)"
            )
    return "\n".join(lines)


def _logs(comparison: Comparison, event: str) -> np.ndarray:
    """log(measured / predicted) of the times that were measured and predicted."""
    rows = [row for row in comparison.residuals if row.event == event]
    return np.log([row.factor for row in rows if not row.censored and math.isfinite(row.predicted)])


def _free(comparison: Comparison) -> str:
    lines = [
        "Random-features networks on real images: no free parameter (times in units of tau)",
        f"{'run':<12} {'':<8} {'measured':<30} {'finite networks':>16} {'closed form':>12}  verdict",
    ]
    for row in comparison.free:
        low, high = (f"{end:.4g}" if math.isfinite(end) else "later" for end in row.interval)
        measured = f"{row.measured:.4g} ({low} to {high})" if math.isfinite(row.measured) else "not within the run"
        lines.append(
            f"{row.run.key:<12} {f'tau_{row.event}':<8} {measured:<30} {row.finite:>16.4g} "
            f"{row.predicted:>12.4g}  {row.verdict}"
        )
    lines.append("finite networks: simulated, of the run's size, on its images; genmem closed-form RUN shows losses")
    return "\n".join(lines)


def comparison_json(comparison: Comparison) -> str:
    """Everything compared; what never comes, is unknown or has no bound is null."""
    fitted = comparison.fitted
    values = {
        "unit": "optimizer steps",
        "t": comparison.t,
        "exponents": [dataclasses.asdict(row) for row in comparison.exponents],
        "map": fitted
        and {
            "psi_n": f"n/{fitted.d}",
            "reference": fitted.reference,
            "psi_p": dataclasses.asdict(fitted.psi_p),
            "psi_p_power": fitted.psi_p_power and dataclasses.asdict(fitted.psi_p_power),
            "psi_p_varies": fitted.psi_p_varies,
            "steps_per_tau": dataclasses.asdict(fitted.steps_per_tau),
            "powers": {name: dataclasses.asdict(power) for name, power in fitted.powers.items()},
            "residual_factor": fitted.residual_factor,
            "points": fitted.points,
            "censored": fitted.censored,
        },
        "residuals": [
            {
                "run": row.run.record.key,
                "n": row.run.record.config.n,
                **setting(row.run),
                "seed": row.run.record.config.seed,
                "event": row.event,
                "measured": row.measured,
                "censored": row.censored,
                "predicted": row.predicted,
                "factor": row.factor if math.isfinite(row.predicted) else math.nan,
            }
            for row in comparison.residuals
        ],
        "random_features": [
            {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
            | {"run": row.run.key, "unit": "tau"}
            for row in comparison.free
        ],
        "claims": {data: [dataclasses.asdict(row) for row in rows] for data, rows in comparison.claims.items()},
    }
    return json.dumps(finite_only(values), indent=1, ensure_ascii=False)

"""What was measured, as text for people and as JSON for programs."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genmem.empirics.analysis.fidelity import COPY_SIMILARITY, kl_to_truth, metrics_of
from genmem.empirics.analysis.laws import Exponent, Law, Local, fit_law, local_exponents, locally, typical_times
from genmem.empirics.analysis.measure import SETTING, Measurement, RunTimes, Time, setting_of, time_intervals
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.samples.features import FeatureSpace
from genmem.empirics.samples.metrics import OTHER_THRESHOLDS, THRESHOLD
from genmem.shared.vocabulary import EVENTS, FACTORS, RECORDED

if TYPE_CHECKING:
    from genmem.empirics.analysis.divergence import DivergenceTimes
    from genmem.empirics.analysis.findings import Finding
    from genmem.empirics.analysis.quality import Quality

# Exponents and ratios beyond it mean nothing.
_NO_BOUND = 1e4

Intervals = dict[str, tuple[float, float]]


def joint_laws(measurement: Measurement) -> dict[str, Law]:
    """The exponents of each time in n, W, B and eta at once; other settings have constants of their own."""
    configs = [run.record.config for run in measurement.lawful]
    factors = {name: [getattr(config, field) for config in configs] for name, field in FACTORS.items()}
    rest = [name for name in SETTING if name not in FACTORS.values()]
    groups = [str([getattr(config, name) for name in rest]) for config in configs]
    laws = {}
    for event in EVENTS:
        times = [getattr(run, event) for run in measurement.lawful]
        laws[event] = fit_law(factors, [t.value for t in times], [t.censored for t in times], groups)
    return laws


def local_laws(measurement: Measurement) -> dict[str, list[Local]]:
    """The exponents of each time in n between neighbouring n, where they are not one (see laws.local_exponents)."""
    n = [run.record.config.n for run in measurement.lawful]
    groups = [setting_of(run.record) for run in measurement.lawful]
    found = {}
    for event in EVENTS:
        times = [getattr(run, event) for run in measurement.lawful]
        found[event] = local_exponents({"n": n}, "n", [t.value for t in times], [t.censored for t in times], groups)
    return found


def intervals_of(measurement: Measurement) -> list[Intervals]:
    """The bootstrap intervals of each run's times."""
    return [time_intervals(run.record, run.t, run.floor) for run in measurement.runs]


def times_table(measurement: Measurement, intervals: Sequence[Intervals]) -> str:
    """Times in optimizer steps, one line for each run; typical times over seeds; exponents."""
    heads = " ".join(f"{'tau_' + event:>22}" for event in RECORDED)
    lines = [f"{'run':<12} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} {'seed':>4} {heads}  status"]
    for run, ends in zip(measurement.runs, intervals, strict=True):
        times = " ".join(f"{_with_interval(getattr(run, event), ends[event]):>22}" for event in RECORDED)
        lines.append(f"{_start(run)} {times}  {run.record.status}")
    losses = ", ".join(f"{t:g}" for t in sorted({run.t for run in measurement.runs}))
    lines.append(
        f"times in optimizer steps with 95 % intervals from smooth curves, images and samples, losses at t = {losses};"
    )
    lines.append("> : not yet at this step, and kept as such in the fits")
    lines += _typical_lines(measurement)
    lines.append("")
    local = local_laws(measurement)
    for event in RECORDED:
        lines.append(law_line(event, measurement.exponents[event]))
        if local[event] and not math.isnan(measurement.exponents[event].value):
            lines.append(f"{'':<8} no power: {locally(local[event])}")
    laws = joint_laws(measurement)
    for event in RECORDED:
        known = {name: fit for name, fit in laws[event].exponents.items() if not math.isnan(fit.value)}
        if len(known) > 1:
            powers = "  ".join(f"{name}^{_exponent(fit)}" for name, fit in known.items())
            spread = math.exp(laws[event].spread)
            lines.append(f"tau_{event} ~ {powers}, jointly; a factor {spread:.2f} of spread is left")
    return "\n".join(lines)


def quality_table(qualities: Sequence["Quality"], rates: Sequence[tuple[float, float, float]], space: str) -> str:
    """The time of good samples, the best samples before copies and the memorization rate, one line for each run."""
    lines = [
        f"{'run':<12} {'n':>6} {'W':>4} {'seed':>4}  {'by':<4}{'tau_gen':>22} {'best before copies':>22} "
        f"{'real images':>22} {'at step':>8} {'memorization rate':>24}"
    ]
    for quality, (rate, low, high) in zip(qualities, rates, strict=True):
        config = quality.record.config
        time = _with_interval(quality.gen, (quality.low, quality.high))
        shown = "no copies" if math.isnan(rate) else f"{rate:.3f} ({low:.3f} to {high:.3f})"
        lines.append(
            f"{quality.record.key:<12} {config.n:>6} {config.width:>4} {config.seed:>4}  {quality.distance:<4}"
            f"{time:>22} {_less(quality)}{_with_error(quality.peak, quality.peak_error):>20} "
            f"{_with_error(quality.floor, quality.floor_error):>22} {quality.peak_step:>8} {shown:>24}"
        )
    lines.append(f"distances to all held-out images in the feature space {space}; tau_gen in optimizer steps;")
    lines.append("real images: of as many images that no run has trained on, the floor;")
    lines.append("< : the distance still fell when the run ended; = : not to be told from real images;")
    lines.append("memorization rate: growth of f_mem while training time grows by a factor e")
    return "\n".join(lines)


def divergence_table(times: Sequence["DivergenceTimes"]) -> str:
    """Times by the KL divergence to the truth, one line for each run, and their exponents in n."""
    from genmem.empirics.analysis.divergence import FACTOR, divergence_exponents

    lines = [
        f"{'run':<12} {'n':>6} {'rate':>8} {'seed':>4} {'tau_gen (KL)':>24} {'tau_mem (KL)':>24} {'lowest KL':>18}"
    ]
    for each in times:
        config = each.record.config
        lines.append(
            f"{each.record.key:<12} {config.n:>6} {config.learning_rate:>8.2g} {config.seed:>4} "
            f"{_with_interval(each.gen, each.gen_interval):>24} {_with_interval(each.mem, each.mem_interval):>24} "
            f"{_with_error(each.lowest, each.lowest_error):>18}"
        )
    lines.append(
        f"first step with a KL divergence to the truth within a factor {FACTOR:g} of its lowest value, and the"
    )
    lines.append("first one after that minimum beyond it; nats")
    for event, fit in divergence_exponents(times).items():
        if math.isfinite(fit.value):
            lines.append(f"tau_{event} (KL) ~ n^{_exponent(fit)}; {fit.runs} runs, {fit.censored} censored")
    return "\n".join(lines)


def _less(quality: "Quality") -> str:
    return "< " if quality.open else "= " if quality.at_floor else "  "


def _with_error(value: float, error: float) -> str:
    return "not recorded" if math.isnan(value) else f"{value:.4g} +- {error:.2g}"


def endings(records: Sequence[RunRecord], space: FeatureSpace) -> list[dict]:
    """What the samples of each run's last milestone are: fractions with 95 % intervals, distances with errors."""
    found = []
    for record in records:
        metrics = metrics_of(record, int(record.steps[-1]), space)
        found.append(
            {
                "key": record.key,
                "step": int(record.steps[-1]),
                "f_mem": {
                    f"1/{1 / threshold:.0f}": record.memorized(threshold)[-1].tolist()
                    for threshold in sorted((THRESHOLD, *OTHER_THRESHOLDS), reverse=True)
                },
                "copy_threshold": metrics.threshold,
                "copy_score": metrics.copy_score(),
                "copy_score_held_out": metrics.copy_score_held_out(),
            }
            | ({"copy_score_at_0.6": metrics.copy_score(COPY_SIMILARITY)} if space.self_supervised else {})
            | {
                "distances": metrics.distances,
                "real": metrics.real,
                "kl": kl_to_truth(record, int(record.steps[-1])),
            }
        )
    return found


def endings_table(records: Sequence[RunRecord], ends: Sequence[dict], space: str) -> str:
    """One line for each run: memorized fractions, copy scores, distances to train and test at its last milestone."""
    fractions = " ".join(f"{'f_mem ' + name:>21}" for name in ends[0]["f_mem"])
    names = list(dict.fromkeys(name for end in ends for name in end["distances"]))
    distances = " ".join(f"{name:>18}" for name in names)
    lines = [
        f"at the end   {'n':>6} {'W':>4} {'seed':>4} {fractions} {'copies above':>12} {'copy score':>10} "
        f"{'held out':>8} {distances}"
    ]
    for record, end in zip(records, ends, strict=True):
        c = record.config
        fractions = " ".join(
            f"{f'{value:.3f} ({low:.3f} to {high:.3f})':>21}" for value, low, high in end["f_mem"].values()
        )
        pairs = (end["distances"].get(name) for name in names)
        distances = " ".join(f"{'-' if pair is None else f'{pair[0]:.4f} +- {pair[1]:.4f}':>18}" for pair in pairs)
        scores = (end["copy_score"][0], end["copy_score_held_out"][0])
        copies = f"{_number(end['copy_threshold']):>12} {_number(scores[0]):>10} {_number(scores[1]):>8}"
        kl = "" if end["kl"] is None else f"  KL to the truth {end['kl'][0]:.3f} +- {end['kl'][1]:.3f}"
        lines.append(f"{record.key:<12} {c.n:>6} {c.width:>4} {c.seed:>4} {fractions} {copies} {distances}{kl}")
    lines.append(f"copy score: cosine similarity to a training image, in the feature space {space}, above what one in")
    lines.append("a hundred held-out images has (so that real images score 0.01); held out: to equally many held-out")
    lines.append("images, which no model can copy. swd, fid, kid: distances in that space, _test to all held-out")
    lines.append("images, _train and _equal to equally many training and held-out ones (kid_train: to all training")
    lines.append("images).")
    if "copy_score_at_0.6" in ends[0]:
        shown = ", ".join(f"{end['copy_score_at_0.6'][0]:.3f}" for end in ends)
        lines.append(f"copy scores at a similarity of {COPY_SIMILARITY:g}, as in arXiv 2605.06077: {shown}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def claims_table(findings: dict[str, list["Finding"]], space: str) -> str:
    """Claimed, measured with its 95 % interval, agrees or not; one table for each data set."""
    lines = []
    for data, rows in findings.items():
        width = max(len(row.claimed) for row in rows)
        second = max(len(row.quantity) for row in rows)
        # Strings have no distances between distributions, and no claims on them.
        distances = any("SWD" in row.claimed + row.quantity for row in rows)
        lines.append(f"data: {data}" + (f"; distances in the feature space {space}" if distances else ""))
        lines.append(
            f"   {'claimed':<{width}}  {'measured':<{second}}  {'value':>6}  {'95 % interval':<18} runs  verdict"
        )
        for row in rows:
            known = not math.isnan(row.value)
            value = f"{row.value:6.2f}" if known else f"{'-':>6}"
            interval = _ends(row.low, row.high) if known else "-"
            censored = f" ({row.censored} censored)" if row.censored else ""
            note = f": {row.note}" if row.note else ""
            lines.append(
                f"{row.claim}  {row.claimed:<{width}}  {row.quantity:<{second}}  {value}  {interval:<18} "
                f"{row.runs:>4}  {row.verdict}{censored}{note}"
            )
        lines.append("")
    lines.append("[B] arXiv 2505.17638, [F] 2505.16959, [W] 2605.06077.")
    lines.append("undecided: the interval holds the claim and much else.")
    return "\n".join(lines)


def as_json(
    measurement: Measurement,
    intervals: Sequence[Intervals],
    qualities: Sequence["Quality"] = (),
    rates: Sequence[tuple[float, float, float]] = (),
    ends: Sequence[dict] = (),
    findings: dict[str, list["Finding"]] | None = None,
    space: str | None = None,
    divergences: Sequence["DivergenceTimes"] = (),
) -> str:
    """The measurement for programs; an unbounded or unknown number is null."""
    result = {
        "unit": "optimizer steps",
        "runs": [
            {"key": run.record.key, "status": run.record.status, "config": dataclasses.asdict(run.record.config)}
            | {event: dataclasses.asdict(getattr(run, event)) | {"interval": ends[event]} for event in EVENTS}
            for run, ends in zip(measurement.runs, intervals, strict=True)
        ],
        "exponents_in_n": {event: dataclasses.asdict(fit) for event, fit in measurement.exponents.items()},
        "local_exponents_in_n": {
            event: [dataclasses.asdict(each) for each in pieces] for event, pieces in local_laws(measurement).items()
        },
        "joint_exponents": {event: dataclasses.asdict(law) for event, law in joint_laws(measurement).items()},
    }
    if qualities:
        names = [field.name for field in dataclasses.fields(qualities[0]) if field.name != "record"]
        result["quality"] = [
            {"key": quality.record.key, "space": space, "memorization_rate": rate}
            | {name: _plain(getattr(quality, name)) for name in names}
            for quality, rate in zip(qualities, rates, strict=True)
        ]
    if divergences:
        result["by_divergence"] = [
            {
                "key": each.record.key,
                "gen": dataclasses.asdict(each.gen) | {"interval": each.gen_interval},
                "mem": dataclasses.asdict(each.mem) | {"interval": each.mem_interval},
                "lowest": (each.lowest, each.lowest_error),
            }
            for each in divergences
        ]
    if ends:
        result["at_end"] = list(ends)
    if findings is not None:
        result["claims"] = {data: [dataclasses.asdict(row) for row in rows] for data, rows in findings.items()}
        result["feature_space"] = space
    return json.dumps(finite_only(result), indent=1, ensure_ascii=False)


def _typical_lines(measurement: Measurement) -> list[str]:
    """Geometric means over seeds, for each setting and n of which there are several."""
    cells: dict[str, list[RunTimes]] = {}
    for run in measurement.lawful:
        cells.setdefault(f"{setting_of(run.record)} {run.record.config.n}", []).append(run)
    if all(len(runs) == 1 for runs in cells.values()):
        return []
    labels = [f"{setting_of(run.record)} {run.record.config.n}" for run in measurement.lawful]
    typical = {}
    for event in RECORDED:
        times = [getattr(run, event) for run in measurement.lawful]
        typical[event] = typical_times([t.value for t in times], [t.censored for t in times], labels)
    lines = ["", "over seeds: geometric mean with its 95 % interval, from the spread of all seeds together"]
    for label, runs in cells.items():
        if len(runs) > 1:
            shown = " ".join(f"{_interval_text(*typical[event][label]):>22}" for event in RECORDED)
            lines.append(f"{'':<12} {_start(runs[0])[13:-4]}{len(runs):>2} x {shown}")
    return lines


def _start(run: RunTimes) -> str:
    c = run.record.config
    return f"{run.record.key:<12} {c.n:>6} {c.width:>4} {c.batch_size:>5} {c.learning_rate:>8.2g} {c.seed:>4}"


def _with_interval(time: Time, ends: tuple[float, float]) -> str:
    if time.censored:
        return f"> {time.value:.0f}"
    return _interval_text(time.value, *ends)


def _interval_text(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return "not observed"
    return f"{value:.0f} ({low:.0f} to {high:.0f})" if math.isfinite(high) else f"{value:.0f} ({low:.0f} or more)"


def law_line(event: str, fit: Exponent) -> str:
    """How the time of an event grows with n, in one line."""
    if math.isnan(fit.value):
        return f"tau_{event}: too few times were observed for an exponent in n"
    return f"tau_{event} ~ n^{_exponent(fit)}; {fit.runs} runs, {fit.censored} censored"


def _exponent(fit: Exponent) -> str:
    return f"{fit.value:.2f} (95 % interval {_ends(fit.low, fit.high)})"


def _ends(low: float, high: float) -> str:
    """An interval; an end so far off that the data do not set it is not a number."""
    if high > _NO_BOUND and low < -_NO_BOUND:
        return "none"
    if high > _NO_BOUND:
        return f"{low:.2f} or more"
    return f"{low:.2f} to {high:.2f}" if low > -_NO_BOUND else f"{high:.2f} or less"


def _plain(value):
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value


def finite_only(value):
    """`value` with null for every number that is not finite."""
    if isinstance(value, dict):
        return {name: finite_only(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite_only(entry) for entry in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None

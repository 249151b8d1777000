"""Claims 1, 8 and 9 on strings: the two times again, what stopping early saves and costs, and levels in order.

Claims of Favero et al. (arXiv:2505.16959; [F]): tau_mem is proportional to the number P of training strings there, too;
copies are rare before; the levels of a grammar are learned in order, level l from about m^(l+1) strings on, and a
training that memorization ends before all are learned generalizes in part.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from genmem.empirics.analysis.findings import Finding, share_interval
from genmem.empirics.analysis.laws import fit_law
from genmem.empirics.analysis.levels import LEARNED, Levels, grammar_of, is_grammar, levels_of, threshold
from genmem.empirics.analysis.measure import COPY_LEVEL, RunTimes, exponent_of, setting_of, times_of
from genmem.empirics.analysis.verdicts import AGREES, DISAGREES, NOT_TESTED, UNDECIDED, verdict_on
from genmem.empirics.records.runs import RunRecord

TOGETHER = "all strings"


def find(
    records: Sequence[RunRecord], t: float | None = None, on_run: Callable[[], None] = lambda: None
) -> dict[str, list[Finding]]:
    """The findings of each data set, and under TOGETHER those of all, of runs on strings with samples."""
    measured = []
    for record in records:
        measured.append((times_of(record, t), levels_of(record) if is_grammar(record) else None))
        on_run()
    result = {}
    for data in sorted({times.record.config.data for times, _ in measured}):
        here = [(times, levels) for times, levels in measured if times.record.config.data == data]
        result[data] = [*_times([times for times, _ in here]), _rare(here), *_in_order([v for _, v in here if v])]
    grammars = [levels for _, levels in measured if levels]
    if grammars:
        result[TOGETHER] = [*_times([times for times, _ in measured]), _sizes(grammars)]
    return result


def _times(runs: Sequence[RunTimes]) -> list[Finding]:
    found = []
    for event, expected in (("gen", math.nan), ("gap", 1.0), ("mem", 1.0), ("copy", 1.0)):
        fit = exponent_of([run.record for run in runs], [getattr(run, event) for run in runs])
        claimed = f"τ_{event} ∝ P [F]" if expected == 1 else f"τ_{event} against P: while levels are added, it grows"
        quantity = f"exponent of τ_{event} in P"
        if math.isnan(fit.value):
            found.append(_untested(1, claimed, quantity, len(runs), "too few were observed"))
            continue
        verdict = NOT_TESTED if math.isnan(expected) else verdict_on(fit.low, fit.high, expected)
        found.append(Finding(1, claimed, quantity, fit.value, fit.low, fit.high, fit.runs, fit.censored, verdict))
    return found


def _rare(runs: Sequence[tuple[RunTimes, Levels | None]]) -> Finding:
    """Copies less chance where the held-out loss is lowest: the mean over runs, its interval from their samples."""
    claimed = f"copies are rare where the held-out loss is lowest: at most {COPY_LEVEL:.0%} [F]"
    shares, errors = [], []
    for times, _ in runs:
        record = times.record
        at = int(np.argmin(record.test_loss))
        share = float(record.memorized_samples()[at].mean())
        shares.append(share - record.chance[at])
        errors.append(math.sqrt(max(share * (1 - share), 1 / record.config.samples) / record.config.samples))
    value, error = float(np.mean(shares)), 1.96 * float(np.sqrt(np.sum(np.square(errors)))) / len(shares)
    low, high = value - error, value + error
    verdict = AGREES if high <= COPY_LEVEL else DISAGREES if low > COPY_LEVEL else UNDECIDED
    return Finding(8, claimed, "copies less chance, mean", value, low, high, len(shares), 0, verdict)


def _in_order(runs: Sequence[Levels]) -> list[Finding]:
    if not runs:
        return []
    ordered = sum(
        all(a.value <= b.value for a, b in zip(run.times, run.times[1:], strict=False)) for run in runs
    )  # a time beyond the end of its run is as late as can be
    low, high = share_interval(ordered, len(runs))
    verdict = AGREES if ordered == len(runs) else DISAGREES if high < 1 else UNDECIDED
    first = Finding(
        9, "levels are learned in order [F]", "share of runs with τ_1 ≤ τ_2 ≤ ...", ordered / len(runs), low, high,
        len(runs), 0, verdict,
    )  # fmt: skip
    smallest = min(run.record.config.n for run in runs)
    few = [run for run in runs if run.record.config.n == smallest]
    gaps = np.mean([run.reached[0] - run.reached[-1] for run in few], axis=0)
    spread = np.mean([np.ptp(run.reached[0, 1:]) + np.ptp(run.reached[-1, 1:]) for run in few]) / 2
    value = float(gaps[0])
    second = Finding(
        9, "few strings are learned in part: low levels, not the highest [F]",
        f"level 1 less level {len(few[0].chance)}, stopped early, P = {smallest}",
        value, value - spread, value + spread, len(few), 0,
        AGREES if value - spread > 0 else DISAGREES if value + spread < 0 else UNDECIDED,
        "reached by P: " + "; ".join(f"{size}: {_reached(runs, size)}" for size in _sizes_of(runs)),
    )  # fmt: skip
    return [first, second]


def _sizes(runs: Sequence[Levels]) -> Finding:
    """The P at which each level is reached against m^(l+1), over all grammars and levels."""
    claimed = "level ℓ is reached from about m^(ℓ+1) strings on [F]"
    quantity = "exponent of that P in m^(ℓ+1)"
    found, notes = [], []
    for setting in sorted({setting_of(run.record) for run in runs}):
        here = [run for run in runs if setting_of(run.record) == setting]
        if len(_sizes_of(here)) < 2:
            continue
        m, depth = grammar_of(here[0].record).m, len(here[0].chance)
        for level in range(1, depth + 1):
            value, low, high, beyond = threshold(here, level)
            if not math.isnan(value):
                found.append((m ** (level + 1), value, beyond))
                notes.append(f"m={m}, L={depth}, ℓ={level}: {'> ' if beyond else ''}{value:.0f}")
    if not found:
        return _untested(9, claimed, quantity, len(runs), "no grammar at two P")
    sizes, values, beyond = zip(*found, strict=True)
    law = fit_law({"m^(l+1)": sizes}, values, beyond).exponents["m^(l+1)"]
    note = f"excess {LEARNED:g} at P: " + "; ".join(notes)
    if math.isnan(law.value):
        return _untested(9, claimed, quantity, len(runs), note)
    verdict = verdict_on(law.low, law.high, 1.0)
    return Finding(9, claimed, quantity, law.value, law.low, law.high, law.runs, law.censored, verdict, note)


def _sizes_of(runs: Sequence[Levels]) -> list[int]:
    return sorted({run.record.config.n for run in runs})


def _reached(runs: Sequence[Levels], size: int) -> str:
    means = np.mean([run.reached[:, 0] for run in runs if run.record.config.n == size], axis=0)
    return " ".join(f"{value:.2f}" for value in means)


def _untested(claim: int, claimed: str, quantity: str, runs: int, why: str) -> Finding:
    return Finding(claim, claimed, quantity, math.nan, -math.inf, math.inf, runs, 0, NOT_TESTED, why)

"""When the losses of images tell which of them were trained on, as text and as JSON."""

import json

import numpy as np

from genmem.empirics.analysis.measure import Time
from genmem.empirics.analysis.membership import FALSE_POSITIVES, Membership, MembershipTimes
from genmem.empirics.tables.tables import finite_only, law_line


def membership_table(found: MembershipTimes, level: float) -> str:
    """One line for each run: tau_privacy beside its other times, and what the loss gives away where one would stop."""
    lines = [
        f"{'run':<12} {'n':>6} {'W':>4} {'seed':>4} {'tau_privacy':>12} {'tau_gen':>8} {'tau_gap':>8} {'tau_mem':>8} "
        f"{'tau_copy':>8}   lowest test loss: step, AUC, TPR       at tau_mem: AUC"
    ]
    for member, run in found.runs:
        c, stop = run.record.config, stop_of(member)
        times = [_time(member.time), *(_time(getattr(run, event)) for event in ("gen", "gap", "mem", "copy"))]
        at_mem = "-" if run.mem.censored else f"{member.auc_at(run.mem.value):.2f}"
        lines.append(
            f"{run.record.key:<12} {c.n:>6} {c.width:>4} {c.seed:>4} {times[0]:>12} "
            + " ".join(f"{time:>8}" for time in times[1:])
            + f" {member.steps[stop]:>9}  {_interval(member.auc[stop])}  {member.rate[stop, 0]:>4.0%} {at_mem:>18}"
        )
    return "\n".join(
        [
            *lines,
            "AUC: the probability that a training image has a lower loss than a held-out one, with its 95 % interval;",
            f"0.5 tells nothing (losses at t = {found.runs[0][0].t:g}). TPR: share of the training images",
            f"recognized at {FALSE_POSITIVES:.0%} false positives. tau_privacy: the AUC's interval is above {level:g}.",
            f"> : not yet. {law_line('privacy', found.exponent)}",
        ]
    )


def membership_json(found: MembershipTimes, level: float) -> str:
    """The same with every milestone, for programs."""
    runs = [
        {
            "key": run.record.key,
            "n": run.record.config.n,
            "width": run.record.config.width,
            "seed": run.record.config.seed,
            "t": member.t,
            "tau_privacy": {"value": member.time.value, "censored": member.time.censored},
            "steps": member.steps.tolist(),
            "auc": member.auc.tolist(),
            "true_positive_rate": member.rate.tolist(),
        }
        for member, run in found.runs
    ]
    fit = found.exponent
    exponent = {"value": fit.value, "low": fit.low, "high": fit.high}
    return json.dumps(finite_only({"level": level, "runs": runs, "exponent": exponent}), indent=1)


def stop_of(member: Membership) -> int:
    """The place among the steps of the lowest test loss, where a rule that watches it would stop at best."""
    return 1 + int(np.argmin(member.record.loss(member.t)[1]))


def _time(time: Time) -> str:
    return f"{'> ' * time.censored}{time.value:,.0f}"


def _interval(values: np.ndarray) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)

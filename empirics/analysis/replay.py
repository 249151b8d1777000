"""Where the rule of stopping.py would have stopped recorded runs, beside their times."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from genmem.empirics.analysis.measure import RunTimes, times_of
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records.runs import RunRecord
from genmem.empirics.training.stopping import Check, Reason, by_chance, check_of, verdict
from genmem.shared.errors import InputError, finite


@dataclasses.dataclass(frozen=True)
class Replay:
    """A recorded run, where the rule stops on its curves, why, and the step with the lowest test loss until then.

    step, reason: of the first check that stops, None and 'end' if none does. Steps are optimizer steps; between
    milestones they are not whole.
    """

    times: RunTimes
    step: float | None
    reason: Reason
    best_step: float

    @property
    def place(self) -> str:
        """Where the stop lies in the window [tau_gen, tau_mem], as far as the record tells."""
        if self.step is None:
            return "not stopped, nor does the record reach tau_mem" if self.times.mem.censored else "missed"
        return self._place(self.step)

    @property
    def best_place(self) -> str:
        """Where the kept network lies."""
        return self._place(self.best_step)

    def _place(self, step: float) -> str:
        gen, mem = self.times.gen, self.times.mem
        if gen.censored:
            return "not decided, as tau_gen is not known"
        if step < gen.value:
            return "too early"
        return "too late" if step > mem.value and not mem.censored else "in the window"


def replay(record: RunRecord, spacing: float | None = None, risk: float = 0.01) -> Replay:
    """Apply the rule to what a run recorded.

    spacing: factor between the steps of the checks; losses and f_mem are then interpolated in log(step) between the
    milestones, as the times are. None: a check at each milestone, as `genmem train --stop` has it.
    """
    checks = _checks(record)
    if spacing is not None:
        checks = _interpolated(checks, spacing)
    seen = len(checks)
    for k in range(1, len(checks) + 1):
        if verdict(checks[:k], risk):
            seen = k
            break
    reason = verdict(checks[:seen], risk)
    allowed = [check for check in checks[:seen] if check.f_mem_low <= risk]
    best = min(allowed, key=lambda check: check.test)
    return Replay(times_of(record), checks[seen - 1].step if reason else None, reason or "end", best.step)


def replay_table(replays: Sequence[Replay]) -> str:
    """One line for each run, and how many stops lie where."""
    lines = [
        f"{'n':>5} {'W':>3} {'B':>4} {'rate':>7} {'seed':>4} {'tau_gen':>9} {'stop':>7} {'kept':>6} "
        f"{'tau_mem':>9}  reason  place"
    ]
    for each in replays:
        config = each.times.record.config
        gen, mem = (f"{'>' if time.censored else ''}{time.value:.0f}" for time in (each.times.gen, each.times.mem))
        stop = "-" if each.step is None else f"{each.step:.0f}"
        lines.append(
            f"{config.n:>5} {config.width:>3} {config.batch_size:>4} {config.learning_rate:>7.2g} {config.seed:>4} "
            f"{gen:>9} {stop:>7} {each.best_step:>6.0f} {mem:>9}  {each.reason:<6}  {each.place}"
        )
    places = collections.Counter(each.place for each in replays)
    lines.append(f"{len(replays)} runs: " + "; ".join(f"{number} {place}" for place, number in places.most_common()))
    ended = [each for each in replays if each.step is not None]
    if ended:
        kept = sum(each.best_place == "in the window" for each in ended)
        lines.append(f"the kept network lies in the window in {kept} of the {len(ended)} runs that are stopped")
    return "\n".join(lines)


def _checks(record: RunRecord) -> list[Check]:
    t = record.config.loss_times[0]
    initial = record.initial(t)
    checks = [Check(0, *initial, 0.0, 0.0, 0.0)]
    process = PROCESSES[record.config.process]
    held_out = len(record.held_out_images()) if process.copies_are_exact else 0
    for step, train, test in zip(record.steps.tolist(), *record.image_losses(t), strict=True):
        chance = by_chance(process, record.held_out_distances(step), record.config.n, held_out)
        checks.append(check_of(step, train, test, *record.distances(step)[:2], chance))
    return checks


def _interpolated(checks: Sequence[Check], spacing: float) -> list[Check]:
    if not finite("spacing", spacing) > 1:
        raise InputError(f"spacing must be above 1, but {spacing!r} was given")
    rows = np.array([dataclasses.astuple(check) for check in checks[1:]])
    log_steps = np.log(rows[:, 0])
    at = np.arange(log_steps[0], log_steps[-1] + 1e-9, np.log(spacing))
    columns = [np.interp(at, log_steps, column).tolist() for column in rows.T[1:]]
    return [checks[0], *(Check(*values) for values in zip(np.exp(at).tolist(), *columns, strict=True))]

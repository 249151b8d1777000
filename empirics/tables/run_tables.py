"""What one run recorded, and how far each of many runs is, as text and as JSON."""

import collections
import dataclasses
import json
from typing import TYPE_CHECKING

from genmem.empirics.training.plan import duration

if TYPE_CHECKING:
    from genmem.empirics.records.overview import Progress
    from genmem.empirics.records.runs import RunRecord


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


def runs_table(progress: "list[Progress]") -> str:
    """One line for each run, and how many there are of each status."""
    lines = [
        f"{'run':<12} {'data':<10} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} {'seed':>4} {'step':>9} {'of':>9} "
        f"{'time':>8}  status"
    ]
    for run in progress:
        c = run.config
        lines.append(
            f"{run.key:<12} {c.data:<10.10} {c.n:>6} {c.width:>4} {c.batch_size:>5} {c.learning_rate:>8.2g} "
            f"{c.seed:>4} {run.step:>9} {c.steps:>9} {duration(run.wall_time):>8}  {run.status}"
        )
    numbers = collections.Counter(run.status for run in progress)
    lines.append(", ".join(f"{number} {status}" for status, number in numbers.items()))
    return "\n".join(lines)


def runs_json(progress: "list[Progress]") -> str:
    return json.dumps([dataclasses.asdict(run) for run in progress], indent=1)

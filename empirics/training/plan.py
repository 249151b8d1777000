"""What a sweep will run, how long and how much disk, in words, before it starts."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from genmem.empirics.config import TrainConfig
from genmem.empirics.training.estimate import Cost
from genmem.shared.errors import InputError


def plan_table(configs: Sequence[TrainConfig], costs: Sequence[Cost], workers: int) -> str:
    """One line for each setting, with its seeds and halves together, and the sum."""
    groups = {}
    for config, cost in zip(configs, costs, strict=True):
        groups.setdefault(dataclasses.replace(config, seed=0, half="all"), []).append(cost)
    lines = [
        f"{'runs':>4} {'data':<10} {'network':<8} {'parameters':>10} {'n':>6} {'W':>4} {'B':>5} {'rate':>8} "
        f"{'steps':>9} {'time each':>10} {'milestones':>10} {'disk each':>10}"
    ]
    for config, members in groups.items():
        cost = members[0]
        lines.append(
            f"{len(members):>4} {config.data:<10.10} {config.network:<8.8} {_count(cost.parameters):>10} {config.n:>6} "
            f"{config.width:>4} {config.batch_size:>5} {config.learning_rate:>8.2g} {config.steps:>9} "
            f"{duration(cost.seconds):>10} {cost.milestone_share:>10.0%} {_size(cost.bytes):>10}"
        )
    total = sum(cost.seconds for cost in costs)
    share = sum(cost.milestone_seconds for cost in costs) / total if total else 0.0
    lines.append(
        f"{len(configs)} runs: about {duration(makespan(costs, workers))} with {workers} at a time, "
        f"{share:.0%} of it at milestones, "
        f"at most {_size(sum(cost.bytes for cost in costs))} of disk"
    )
    return "\n".join(lines)


def makespan(costs: Sequence[Cost], workers: int) -> float:
    """Seconds until the last run ends, when the longest start first."""
    busy = [0.0] * workers
    for seconds in sorted((cost.seconds for cost in costs), reverse=True):
        busy.sort()
        busy[0] += seconds
    return max(busy)


def check_disk(root: Path, costs: Sequence[Cost]) -> None:
    """Raise InputError if the runs need more space than the disk of `root` has left."""
    while not root.exists():
        root = root.parent
    needed, free = sum(cost.bytes for cost in costs), shutil.disk_usage(root).free
    if needed > free:
        raise InputError(f"out must be on a disk with {_size(needed)} to spare, but {_size(free)} are free at '{root}'")


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, two digits."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * length:
            value = seconds / length
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):  # noqa: B007 - the one at which the loop ends
        if number < 1000:
            break
        number /= 1000
    else:
        unit = "TB"
    return f"{number:.0f} {unit}" if number >= 10 or unit == "bytes" else f"{number:.1f} {unit}"


def _count(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number / 1e3:.1f} k"

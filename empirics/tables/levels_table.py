"""What runs on grammars learned, level by level, as text."""

from collections.abc import Sequence

from genmem.empirics.analysis.levels import LEARNED, Levels, floor_of


def levels_table(runs: Sequence[Levels]) -> str:
    """One line for each run: tau_l of each level, the levels where the held-out loss is lowest, and that loss."""
    depth = max(len(run.chance) for run in runs)
    times = " ".join(f"{f'tau_{level}':>20}" for level in range(1, depth + 1))
    heads = " ".join(f"{f'level {level}':>7}" for level in range(1, depth + 1))
    lines = [
        f"{'run':<12} {'data':<26} {'P':>5} {'seed':>4} {times}   at the lowest held-out loss: step {heads} "
        f"{'novel':>6} {'loss':>7} {'floor':>7}"
    ]
    for run in runs:
        c, record = run.record.config, run.record
        shown = [_time(time.value, time.censored, *ends) for time, ends in zip(run.times, run.intervals, strict=True)]
        levels = [f"{value:>7.2f}" for value in run.reached[:, 0]]
        missing = depth - len(levels)
        lines.append(
            f"{record.key:<12} {c.data:<26} {c.n:>5} {c.seed:>4} {' '.join(f'{s:>20}' for s in shown)}"
            f"{' ' * 21 * missing} {run.best:>34} {' '.join(levels)}{' ' * 8 * missing} {run.novel[0]:>6.2f} "
            f"{record.test_loss.min():>7.3f} {floor_of(record, c.loss_times[0]):>7.3f}"
        )
    lines.append(
        f"tau_l: level l is learned, its excess over chance is {LEARNED:g}; with 95 % intervals over the samples;"
    )
    lines.append(
        "level l: that excess, 0 for uniform noise and 1 for the grammar; novel: share of samples that are valid"
    )
    lines.append(
        "and in no training string; floor: the loss of the Bayes-optimal denoiser on the same strings and noise"
    )
    return "\n".join(lines)


def _time(value: float, censored: bool, low: float, high: float) -> str:
    if censored:
        return f"> {value:.0f}"
    end = f"{high:.0f}" if high < float("inf") else "..."
    return f"{value:.0f} ({low:.0f} to {end})"

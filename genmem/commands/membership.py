"""`genmem membership`: from when on a network's losses tell which images it was trained on."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT


def membership(
    runs_root: Path = RUNS_ROOT,
    /,
    t: float | None = None,
    level: float = 0.55,
    json: bool = False,
) -> None:
    """Say how well the loss of an image tells whether it was trained on, at each milestone of recorded runs.

    An attacker who holds the network guesses that images of low loss were trained on. That succeeds before the test
    loss rises and before copies appear; prints when, beside those times, and how it grows with n.

    Args:
        runs_root: folder of runs, as `genmem train --out` makes it.
        t: diffusion time of the loss; by default each run's first.
        level: tau_privacy is when the AUC's lower 95 % bound exceeds this.
        json: print JSON, with every milestone.
    """
    from genmem.empirics.analysis.membership import membership as membership_of_runs
    from genmem.empirics.tables.membership_table import membership_json, membership_table

    found = membership_of_runs(runs_root, t, level)
    print((membership_json if json else membership_table)(found, level))

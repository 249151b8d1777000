"""`genmem stopping`: where `--stop` would have ended recorded runs."""

from pathlib import Path

from genmem.shared.errors import InputError


def stopping(runs_root: Path, /, risk: float = 0.01, spacing: float | None = None) -> None:
    """Say where `--stop` would have ended recorded runs, and how that compares with their tau_gen and tau_mem.

    Args:
        runs_root: folder of runs.
        risk: largest fraction of memorized samples that is allowed, as given to --stop.
        spacing: factor in steps between checks, with the curves interpolated between milestones; by default the
            milestones are the checks.
    """
    from genmem.empirics.analysis.replay import replay, replay_table
    from genmem.empirics.records.runs import find

    records = [record for record in find(runs_root) if record.config.samples and len(record.steps) > 1]
    if not records:
        raise InputError(f"runs_root must hold at least one run with samples, but {str(runs_root)!r} holds none")
    print(replay_table([replay(record, spacing, risk) for record in records]))

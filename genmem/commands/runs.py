"""`genmem runs`: how far each run is."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT


def runs(runs_root: Path = RUNS_ROOT, /, json: bool = False) -> None:
    """List runs: finished, stopped early or diverged (results too), running, or stopped and ready to go on.

    Args:
        runs_root: folder of runs.
        json: print JSON.
    """
    from genmem.empirics.records.overview import overview
    from genmem.empirics.tables.run_tables import runs_json, runs_table

    progress = overview(runs_root)
    print(runs_json(progress) if json else runs_table(progress))

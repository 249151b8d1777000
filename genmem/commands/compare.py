"""`genmem compare`: the theory beside recorded runs."""

from pathlib import Path

from genmem.commands.flags import RUNS_ROOT


def compare(runs_root: Path = RUNS_ROOT, /, t: float | None = None, json: bool = False) -> None:
    """Set the theory beside a set of runs: exponents, the map between the two, residuals, published claims, verdicts.

    U-Nets may differ in n, width, batch size, learning rate and seed; for random-features networks nothing is fitted.

    Args:
        runs_root: folder of runs.
        t: diffusion time of the losses that define the times; the runs' first by default.
        json: print JSON.
    """
    from genmem.empirics.analysis.comparison import compare as compare_runs
    from genmem.empirics.records.runs import find
    from genmem.empirics.tables.comparison_text import comparison_json, comparison_text

    comparison = compare_runs(find(runs_root), t)
    print(comparison_json(comparison) if json else comparison_text(comparison))

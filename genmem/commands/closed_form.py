"""`genmem closed-form`: a trained random-features network beside its prediction."""

from pathlib import Path


def closed_form(run: Path, /) -> None:
    """Set a trained random-features network beside its prediction, with nothing fitted, and say where the two differ
    and why.

    Args:
        run: folder of one run with network random-features, optimizer sgd and center.
    """
    from genmem.empirics.analysis.closed_form import beside_prediction, comparison_table
    from genmem.empirics.records import runs

    print(comparison_table(beside_prediction(runs.load(run))))

"""`genmem demo`: everything, small."""

from pathlib import Path

from genmem.shared.errors import count
from genmem.shared.files import writable_folder


def demo(out: Path = Path("out/demo"), workers: int = 2) -> None:
    """From the theory to measured times on real images: everything at a size for two cores and ten minutes.

    Leaves data, figures, runs and index.html in `out`. Called again, it keeps what is finished and goes on from there.

    Args:
        out: Folder for everything that is made.
        workers: U-Nets trained at the same time, one processor core each.
    """
    writable_folder("out", out)
    count("workers", workers)

    from genmem.empirics.training.presets import DIGITS_DEMO
    from genmem.figures.report.demo import run

    page = run(out, DIGITS_DEMO, workers)
    print(f"open {page} in a browser")

"""How well times are read off noisy losses: bias, spread and coverage, on curves whose times are known.

The curves are the theory's; `tests/empirics/test_smoothing.py` holds the study and a small version of it. Usage:

    python benchmarks/study_estimators.py [repetitions]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.empirics.test_smoothing import EVENTS, study


def main(repetitions: int) -> None:
    print(f"{repetitions} repetitions; log(read / true): mean, deviation; share of intervals with the true time")
    print(f"{'milestones':>10} {'noise/F':>8} {'event':>6} {'smoothed':>16} {'covered':>8} {'read directly':>16}")
    for milestones, noise in ((12, 0.015), (20, 0.015), (32, 0.005), (32, 0.015), (40, 0.015), (80, 0.015), (40, 0.03)):
        found = study(milestones, noise, repetitions)
        for column, event in enumerate(EVENTS):
            smoothed, raw = (found[name][:, column] for name in ("smoothed", "raw"))
            print(
                f"{milestones:>10} {noise:>8g} {event:>6} {smoothed.mean():>+8.3f} {smoothed.std():>7.3f} "
                f"{found['covered'][:, column].mean():>8.2f} {raw.mean():>+8.3f} {raw.std():>7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

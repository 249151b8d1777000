"""How long the explorer computes from a slider's event to the last of the new data (curves, spectrum, first diagram).

Baseline: the phase diagram on 60 x 60 points, as `genmem phase-diagram` computes it: what every slider but psi_n, psi_p
and tau would wait for if the page did not begin with a coarse one. Processor time is given beside the wait, which is
longer on a machine with other work to do. Transport and drawing come on top: tests/figures/test_browser_explorer.py
prints the wait seen in a browser.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from genmem.figures.explorer.calculation import Calculation, Settings
from genmem.figures.explorer.server import compile_closed_form
from genmem.theory import phase_diagram

# Neighbouring positions of each slider, in the settings' own values.
MOVES = {
    "psi_n": 2.0 ** np.arange(2, 5, 0.25),
    "psi_p": 2.0 ** np.arange(3, 6, 0.25),
    "tau": 10 ** np.arange(2, 4, 0.2),
    "t": 10 ** np.arange(-1.5, -0.5, 0.1),
    "copies": 2.0 ** np.arange(8),
    "activation": ["erf", "arctan", "sin", "tanh"] * 2,
}
COVARIANCES = {
    "isotropic": Settings(),
    "two atoms": Settings(kind="two atoms"),
    "power law": Settings(kind="power law"),
    "digits": Settings(kind="of a data set"),
}


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock and of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - processor)


def main() -> None:
    axis = np.geomspace(0.25, 1024, 60)
    phase_diagram(axis[:2], axis[:2], 0.1, tau=1e3)
    baseline = spent(lambda: phase_diagram(axis, axis, 0.1, tau=1e3))
    code = "from genmem.figures.explorer.server import compile_closed_form as c; c()"
    warm = spent(lambda: subprocess.run([sys.executable, "-c", code], check=True))[0]
    compile_closed_form()
    print(f"before the page opens, loops compiled by an earlier use: {warm / 1e3:.1f} s")
    print(f"{'medians, in ms':34} {'wait':>8} {'processor':>10} {'baseline / this':>16}")
    print(f"{'baseline: diagram of 60 x 60':34} {baseline[0]:8.0f} {baseline[1]:10.0f} {1:16}")
    for name, settings in COVARIANCES.items():
        for slider, positions in MOVES.items():
            calculation = Calculation()
            list(calculation.answer(replace(settings, **{slider: positions[0]})))
            times = [
                spent(lambda: list(calculation.answer(replace(settings, **{slider: after}))))
                for _, after in pairwise(positions)
            ]
            wait, processor = (statistics.median(column) for column in zip(*times, strict=True))
            ratio = baseline[1] / processor
            print(f"{f'{name}: {slider}':34} {wait:8.1f} {processor:10.1f} {ratio:16.0f}")
        finer = 0.0
        while calculation.unfinished:
            finer += spent(calculation.refine)[1]
        print(f"{f'{name}: to the finest diagram':34} {'':8} {finer:10.0f}")


if __name__ == "__main__":
    main()

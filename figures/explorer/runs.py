"""Recorded runs in the units of the theory, as the explorer lays them over it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genmem.figures.explorer.calculation import Settings
from genmem.shared.vocabulary import KNOBS
from genmem.theory.phases import classify

if TYPE_CHECKING:
    from genmem.empirics.records.runs import RunRecord


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A recorded run, read as the network that `settings` describe.

    setting: what it shares with runs that differ from it in n, seed or which images only
    (genmem.empirics.analysis.measure). tau, train, test: (K,), its losses. gen, mem: its times in the unit of tau; inf
    where it ended before.
    """

    key: str
    label: str
    setting: str
    settings: Settings
    tau: np.ndarray
    train: np.ndarray
    test: np.ndarray
    gen: float
    mem: float

    def phase(self, tau: float) -> int:
        """The regime it was in at this training time, a code into genmem.theory.phases.PHASES; -1: it ended before."""
        if tau > self.tau[-1] and math.isinf(self.mem):
            return -1
        # What a run has not reached it may still reach: unlike the theory, it never tells that it will not.
        later = np.finfo(float).max
        return int(classify(tau, min(self.gen, later), min(self.mem, later)))


def measured(records: Sequence["RunRecord"]) -> list[MeasuredRun]:
    """The runs on the fitted map of genmem.empirics.analysis.mapping, which reads (n, W, B, eta, steps) as (psi_n,
    psi_p, tau).

    Losses and times are those at the runs' first diffusion time. Raises InputError for runs that cannot be put on one
    map: other data, or too few times to fit it.
    """
    from genmem.empirics.analysis.mapping import map_of, setting
    from genmem.empirics.analysis.measure import measure, setting_of

    runs = measure(records).lawful
    config = runs[0].record.config
    t = config.loss_times[0]
    fitted = map_of(runs, t)
    varied = [name for name in KNOBS if len({setting(run)[name] for run in runs}) > 1]
    found = []
    for run in runs:
        here = run.record.config
        unit = fitted.steps_per_tau_at(setting(run))
        gen, mem = (math.inf if time.censored else time.value / unit for time in (run.gen, run.mem))
        train, test = run.record.loss(t)
        values = [f"n={here.n}", *(f"{name}={setting(run)[name]:g}" for name in varied), f"seed {here.seed}"]
        values += [] if here.half == "all" else [f"{here.half} half"]
        label = ", ".join(values).replace("eta", "η")
        settings = Settings(
            psi_n=here.n / fitted.d,
            psi_p=fitted.psi_p_at(setting(run)["W"]),
            tau=mem if mem < math.inf else float(run.record.steps[-1] / unit),
            t=t,
            kind="of a data set",
            data=here.data,
        )
        found.append(
            MeasuredRun(
                run.record.key, label, setting_of(run.record), settings, run.record.steps / unit, train, test, gen, mem
            )
        )  # fmt: skip
    return found

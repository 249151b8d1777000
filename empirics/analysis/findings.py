"""A claim of the literature beside what was measured: the line of a table, whatever the data are."""

import dataclasses

from genmem.empirics.samples.metrics import binomial_ends


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the table. value, low, high: what was measured and its 95 % interval; nan where nothing was."""

    claim: int
    claimed: str
    quantity: str
    value: float
    low: float
    high: float
    runs: int
    censored: int
    verdict: str
    """agrees, disagrees, undecided (the interval holds the claim and much else) or not tested (see note)."""
    note: str = ""


def share_interval(hits: int, runs: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    low, high = binomial_ends(runs)
    return float(low[hits]), float(high[hits])

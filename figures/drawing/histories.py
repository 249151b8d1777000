"""What a set of runs recorded, as one Dataset: curves against optimizer steps, and the times read off them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genmem.empirics.analysis.fidelity import DISTANCES, distance_curve
from genmem.empirics.analysis.measure import setting_of, times_of
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError
from genmem.shared.vocabulary import RECORDED

if TYPE_CHECKING:
    import xarray

_CONFIG = {"n": "n", "width": "W", "batch_size": "B", "learning_rate": "eta", "seed": "seed"}
_LONG_NAMES = {
    "step": "optimizer steps",
    "train": "train loss, mean over the training images",
    "test": "test loss, mean over held-out images",
    "f_mem": "fraction of samples that are copies (nearest training image closer than 1/3 of the second nearest)",
    "f_mem_low": "lower end of the 95 % interval of f_mem",
    "f_mem_high": "upper end of the 95 % interval of f_mem",
    "kid": "kernel distance of the samples to held-out images (KID), zero in the mean for real images",
    "kid_error": "standard error of kid",
    "swd": "sliced Wasserstein distance of the samples to held-out images",
    "fid": "Frechet distance of the samples to held-out images",
    "swd_error": "standard error of swd",
    "fid_error": "standard error of fid",
}


def usable(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs with curves: at least two milestones, not diverged. Raises InputError if there is none."""
    found = [record for record in records if len(record.steps) > 1 and record.status != "diverged"]
    if not found:
        raise InputError("runs must hold at least one with two milestones that did not diverge, but none was found")
    return found


def one_setting(records: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs with the most different n among those that agree in all but n and seed; then the most runs, the widest.

    Raises InputError if no run has two milestones.
    """
    groups: dict[tuple, list[RunRecord]] = defaultdict(list)
    for record in usable(records):
        groups[setting_of(record), record.config.half, record.config.loss_times[0]].append(record)
    return max(groups.values(), key=lambda group: (len({r.config.n for r in group}), len(group), group[0].config.width))


def with_samples(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those of the runs that generated samples; raises InputError if there is none."""
    found = [record for record in usable(records) if record.config.samples]
    if not found:
        raise InputError("runs must hold at least one that generated samples, but none did")
    return found


def histories(records: Sequence[RunRecord], distances: bool = False) -> "xarray.Dataset":
    """Curves (run, milestone), NaN after a run's last milestone, and times and configs (run), of runs on the same data.

    Variables step, train, test (at the first loss time, attribute t), f_mem, f_mem_low, f_mem_high; with `distances`
    swd, fid and kid to held-out images, each with its _error; initial, the test loss before training; tau and censored
    (run, event), where a censored time is the run's last step. Raises InputError if distances are wanted but neither
    stored nor to be computed.
    """
    import xarray

    curves: dict[str, Callable[[RunRecord], np.ndarray]] = {
        "step": lambda r: r.steps,
        "train": lambda r: r.train_loss,
        "test": lambda r: r.test_loss,
        "f_mem": lambda r: r.f_mem,
        "f_mem_low": lambda r: r.f_mem_low,
        "f_mem_high": lambda r: r.f_mem_high,
    }
    for name in DISTANCES if distances else ():
        curves[name] = lambda r, name=name: distance_curve(r, f"{name}_test")[:, 0]
        curves[f"{name}_error"] = lambda r, name=name: distance_curve(r, f"{name}_test")[:, 1]
    times = [[getattr(times_of(record), event) for event in RECORDED] for record in records]
    most = max(len(record.steps) for record in records)
    return xarray.Dataset(
        {
            name: (
                ("run", "milestone"),
                np.array([_padded(curve(record), most) for record in records]),
                {"long_name": _LONG_NAMES[name], "units": "1"},
            )
            for name, curve in curves.items()
        }
        | {
            "initial": ("run", [record.initial(record.config.loss_times[0])[1] for record in records]),
            "tau": (("run", "event"), [[time.value for time in row] for row in times], {"units": "optimizer steps"}),
            "censored": (
                ("run", "event"),
                [[time.censored for time in row] for row in times],
                {"long_name": "the event lies beyond the measured time"},
            ),
        },
        coords={"event": list(RECORDED), "key": ("run", [record.key for record in records])}
        | {
            name: ("run", [getattr(record.config, name) for record in records], {"long_name": symbol})
            for name, symbol in _CONFIG.items()
        },
        attrs={"data": records[0].config.data, "t": records[0].config.loss_times[0]},
    )


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([np.asarray(values, float), np.full(length - len(values), np.nan)])


def by_n(data: "xarray.Dataset") -> list[tuple[int, "xarray.Dataset"]]:
    """The runs of each n, in increasing order."""
    return [(int(n), data.isel(run=np.flatnonzero(data.n.values == n))) for n in np.unique(data.n)]


def typical(data: "xarray.Dataset", event: str) -> tuple[float, bool]:
    """Geometric mean of a time over the runs, and whether one of them ended before it: then it is a lower bound."""
    return float(np.exp(np.log(data.tau.sel(event=event)).mean())), bool(data.censored.sel(event=event).any())

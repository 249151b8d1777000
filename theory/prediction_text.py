"""A prediction as text: JSON for programs, a table and the three times for readers."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np

from genmem.theory.never import CAUSES
from genmem.theory.prediction import LOSSES, OTHERS
from genmem.theory.timescales import Fractions

if TYPE_CHECKING:
    import xarray


def as_json(curves: "xarray.Dataset") -> str:
    """The curves and their attributes as one JSON object; what is infinite is null."""
    values = {name: curves[name].values.tolist() for name in ("tau", *LOSSES, *OTHERS, "modes", "target_modes")}
    attributes = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in curves.attrs.items()}
    return json.dumps(_finite({**attributes, **values}), allow_nan=False)


def _finite(value):
    """The same with None for numbers that JSON does not know, in lists and dicts too."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_table(curves: "xarray.Dataset", rows: int = 14) -> str:
    """A table of at most `rows` evenly chosen training times, and the three times below it."""
    headings = ("train loss", "test loss", "score error", "bias^2", "variance")
    # Only where they are not the train loss once more.
    others = [name for name in OTHERS if name in curves and not np.array_equal(curves[name], curves.train)]
    lines = [f"{'tau':>11} " + " ".join(f"{heading:>11}" for heading in (*headings, *others))]
    shown = np.unique(np.linspace(0, curves.tau.size - 1, min(rows, curves.tau.size)).round().astype(int))
    for k in shown:
        tau, train, test, *parts = (float(curves[name][k]) for name in ("tau", *LOSSES))
        shares = [f"{part:11.4g}" for part in parts] + [f"{float(curves[name][k]):11.5f}" for name in others]
        lines.append(f"{tau:11.4g} {train:11.5f} {test:11.5f} " + " ".join(shares))
    return "\n".join(lines + ["", *times_lines(curves.attrs)])


def times_lines(times: dict) -> list[str]:
    """The three times of `times`, the attributes of a prediction, with what each means, and why one never comes."""
    usual = Fractions()
    gen, mem, gap = (f"{100 * share:.3g} %" for share in times.get("fractions", (usual.gen, usual.mem, usual.gap)))
    floor = times.get("floor", "none")
    best = {"none": "its best", "bayes": "the Bayes loss"}.get(floor, f"the floor {floor}")
    meaning = {
        "tau_gen": f"the test loss is within {gen} of {best}: the network generalizes",
        "tau_mem": f"the test loss has risen by {mem} of its fall: the network memorizes",
        "tau_gap": f"test and train loss have parted by {gap} of the fall",
    }
    lines = [f"{name} = {times[name]:<9.4g}  {text}" for name, text in meaning.items()]
    if math.isinf(times["tau_mem"]):
        lines.append(f"tau_mem is infinite for this network: {CAUSES[times['tau_mem_infinite_because']]}")
    return lines

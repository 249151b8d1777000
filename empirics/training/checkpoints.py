"""Where a run goes on after it was stopped: weights and their average, optimizer state, step, state of the callback.

Randomness needs no state (see randomness.py). The last two are kept, so that a damaged one costs little.
"""

import logging
from pathlib import Path

import numpy as np

from genmem.empirics.records import store
from genmem.shared.files import visible

log = logging.getLogger(__name__)


def save(directory: Path, key: str, step: int, elapsed: float, network, optimizer, average=None, stopper=None) -> None:
    """Write the checkpoint of `step`, then drop all but the last two. `elapsed` is training time so far in seconds.

    average: the moving average of the network's weights, if there is one. stopper: a StopBeforeMemorization, likewise.
    """
    arrays = {f"network.{name}": _array(tensor) for name, tensor in network.state_dict().items()}
    if average is not None:
        arrays |= {f"average.{name}": _array(tensor) for name, tensor in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                arrays[f"optimizer.{index}.{name}"] = _array(value)
    facts = {"key": key, "step": step, "elapsed": elapsed}
    if stopper is not None:
        state = stopper.state_dict()
        arrays |= {f"best.{name}": _array(tensor) for name, tensor in state["best"].items()}
        facts["checks"] = state["checks"]
    store.save(directory / f"{step:09d}.safetensors", arrays, facts)
    for old in visible(directory, "*.safetensors")[:-2]:
        old.unlink()


def restore(directory: Path, key: str, network, optimizer, average=None, stopper=None) -> tuple[int, float]:
    """Load the newest undamaged checkpoint of this run; returns its step and elapsed seconds, (0, 0.0) if there is
    none."""
    for path in reversed(visible(directory, "*.safetensors")):
        try:
            arrays, facts = store.load(path)
            if facts["key"] != key:
                raise store.DamagedFile(f"{path} belongs to another run")
        except store.DamagedFile as error:
            log.warning("%s; going on from the checkpoint before it", error)
            path.unlink()
            continue
        _load(arrays, facts, network, optimizer, average, stopper)
        return facts["step"], facts["elapsed"]
    return 0, 0.0


def _load(arrays: dict[str, np.ndarray], facts: dict, network, optimizer, average, stopper) -> None:
    import torch

    weights, state = {"network": {}, "average": {}, "best": {}}, {}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, array in arrays.items():
        part, rest = name.split(".", 1)
        if part in weights:
            weights[part][rest] = torch.from_numpy(array)
        else:
            index, entry = rest.split(".", 1)
            state.setdefault(int(index), {})[entry] = _laid_out_as(parameters[int(index)], torch.from_numpy(array))
    network.load_state_dict(weights["network"])
    if average is not None:
        average.load_state_dict(weights["average"])
    if stopper is not None:
        stopper.load_state_dict({"checks": facts["checks"], "best": weights["best"]})
    # The optimizer's settings come from the config, of which the key is a hash; only its state is stored.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_as(parameter, value):
    """A copy of a moment in the order in which its parameter lies in memory: a fused optimizer takes it for granted."""
    import torch

    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, device="cpu", requires_grad=False).copy_(value)


def _array(tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()

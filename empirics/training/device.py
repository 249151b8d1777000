"""Where a network is trained, and in which arithmetic."""

import contextlib
from collections.abc import Iterator
from typing import Literal, get_args

from genmem.empirics.config import TrainConfig
from genmem.shared.errors import InputError, known

Device = Literal["auto", "cpu", "cuda", "mps"]


def device_named(name: str | None):
    """The torch device of that name; the best of this machine for None and "auto". InputError if it has none such."""
    import torch

    if name is None or known("device", name, get_args(Device)) == "auto":
        return best_device()
    if name == "cuda" and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if name == "cpu" or (name == "mps" and torch.backends.mps.is_available()):
        return torch.device(name)
    has = best_device().type
    raise InputError(f"device must be one that this machine has, but {name!r} was given and it has {has} only")


def best_device():
    """The torch device of this machine: a CUDA GPU if there is one, else Apple's, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextlib.contextmanager
def arithmetic(config: TrainConfig) -> Iterator[None]:
    """Within, float32 products on CUDA GPUs have the digits that the config says; torch's settings are put back after.

    Torch's own default differs between matrix products (all digits) and convolutions (TF32).
    """
    import torch

    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if config.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = config.tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


def compiled(config: TrainConfig, network, device):
    """What the optimizer steps call: the network, or its compiled form with the same weights, if the config asks.

    With CUDA graphs a step is one launch in place of hundreds, of which small networks' steps otherwise consist.
    Measurements call the network itself, with batches of other sizes.
    """
    import torch

    if not config.compile:
        return network
    return torch.compile(network, mode="reduce-overhead" if device.type == "cuda" else None)


def in_precision(config: TrainConfig, network, device):
    """The same network, whose calls compute in the config's precision.

    Of bf16 the weights know nothing: they stay float32, as do the loss and the optimizer, and torch's autocast casts
    what goes into each matrix product of a forward pass.
    """
    import torch

    if config.precision == "bf16":
        network.forward = torch.autocast(device.type, dtype=torch.bfloat16)(network.forward)
    return network

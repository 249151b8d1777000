"""Options of the arithmetic: what each changes, and that a run with them goes on as one without.

They are meant for GPUs. Here, without one, they are tested on the processor: that they reach torch, leave its settings
as they were, and change no number beyond rounding.
"""

import dataclasses

import numpy as np
import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.training import device
from genmem.empirics.training.loop import train
from genmem.empirics.training.run import Run
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL
from tests.empirics.test_training import Stopped, recorded, stop_at

SHORT = dataclasses.replace(SMALL, steps=8, milestones=3)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return train(SHORT, tmp_path_factory.mktemp("plain"))


def test_each_is_part_of_the_key_and_off_by_default():
    names = ("tf32", "channels_last", "compile")
    keys = {TrainConfig().key, *(TrainConfig(**{name: True}).key for name in names)}
    assert len(keys) == 4 and not any(getattr(TrainConfig(), name) for name in names)


def test_tf32_holds_within_a_run_and_not_after(monkeypatch):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for wanted, precision in ((True, "high"), (False, "highest")):
        with device.arithmetic(TrainConfig(tf32=wanted)):
            assert torch.get_float32_matmul_precision() == precision
            assert torch.backends.cudnn.allow_tf32 is wanted
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    with pytest.raises(ZeroDivisionError), device.arithmetic(TrainConfig(tf32=True)):
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == before[0]


def test_weights_lie_in_the_order_that_was_asked_for(plain, tmp_path):
    config = dataclasses.replace(SHORT, channels_last=True)
    shape, place = (1, 8, 8), torch.device("cpu")
    last, first = (Run(each, shape, place).network.conv_in.weight for each in (config, SHORT))
    assert torch.equal(last, first) and last.stride(1) == 1 and first.stride(1) == 9
    whole = train(config, tmp_path / "whole")
    np.testing.assert_allclose(whole.loss(0.1), plain.loss(0.1), rtol=1e-3)
    # Stopped and gone on with, weights and moments lie as before.
    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", stop_at(5))
    train(config, tmp_path / "cut")
    assert recorded(tmp_path / "cut") == recorded(whole.directory)


def test_a_compiled_run_has_the_same_weights_by_name_and_the_same_numbers(plain, tmp_path, monkeypatch):
    asked = []

    def eager(module, mode=None):
        asked.append(mode)
        return original(module, backend="eager")

    original = torch.compile
    monkeypatch.setattr(torch, "compile", eager)
    config = dataclasses.replace(SHORT, compile=True)
    record = train(config, tmp_path / "run")
    assert asked == [None]
    np.testing.assert_allclose(record.loss(0.1), plain.loss(0.1), rtol=1e-4)
    # A GPU's steps are graphs.
    monkeypatch.setattr(torch, "compile", lambda module, mode=None: mode)
    assert device.compiled(config, torch.nn.Identity(), torch.device("cuda")) == "reduce-overhead"
    names = Run(SHORT, (1, 8, 8), torch.device("cpu")).network.state_dict().keys()
    assert Run(config, (1, 8, 8), torch.device("cpu")).network.state_dict().keys() == names


def test_dropout_is_not_compiled():
    with pytest.raises(InputError, match="compile must be off with dropout"):
        TrainConfig(compile=True, dropout=0.1).check()

"""Discrete processes, on data and a network that only the tests know, through training, stopping and the records."""

import dataclasses

import numpy as np
import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.processes.gaussian import Gaussian
from genmem.empirics.processes.table import PROCESSES
from genmem.empirics.records import runs
from genmem.empirics.training.estimate import costs
from genmem.empirics.training.loop import train
from genmem.shared.errors import InputError
from tests.empirics import strings
from tests.empirics.small import SMALL
from tests.empirics.test_training import Stopped, recorded, stop_at

STRINGS = TrainConfig(
    data="strings",
    process="masked",
    network="guesser",
    n=64,
    width=32,
    batch_size=64,
    learning_rate=0.01,
    steps=400,
    milestones=8,
    first_milestone=4,
    loss_times=(0.2, 0.6),
    loss_draws=8,
    test_images=100,
    samples=200,
    sampling_steps=50,
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    strings.register(monkeypatch)


@pytest.mark.parametrize("process", strings.PROCESSES)
def test_a_discrete_process_is_trained_measured_and_recorded(tmp_path, process):
    config = dataclasses.replace(STRINGS, process=process)
    record = train(config, tmp_path)
    assert record.status == "finished" and runs.load(tmp_path).config == config
    for t in (*STRINGS.loss_times, None):
        (train_loss, test_loss), start = record.loss(t), record.initial(t)
        if process == "masked":
            assert start[1] == pytest.approx(np.log(2), rel=0.2)  # a symbol is a coin to a network that knows nothing
        assert train_loss[-1] < start[0] and test_loss[-1] < 0.6 * start[1]
    samples = record.samples(400)
    assert samples.shape == (200, 6) and set(np.unique(samples)) == {0, 1}
    # Of the 64 strings four are in the data; a network that knows nothing hits them with probability 4/64.
    assert (record.distances(1 * 4)[0] == 0).mean() < 0.4 and (record.distances(400)[0] == 0).mean() > 0.9
    # Copies count once for each string that is copied, and four strings hit by chance are no sign of memorizing.
    assert record.memorized_samples()[-1].sum() == 4 and record.f_mem[-1] == 0
    assert record.held_out_distances(400).min() == 0
    d1, d2, index = record.distances(400)
    apart = (samples[:, None] != record.training_images()[None]).sum(2)
    assert np.array_equal(d1, apart.min(1)) and np.array_equal(apart[np.arange(200), index], d1)
    assert np.array_equal(d2, np.sort(apart, 1)[:, 1])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"copies": 3},
        {"ema": 0.9, "stop": 0.5},
        {"process": "uniform", "copies": 3},
        {"optimizer": "sgd", "train_time": 0.5, "loss_times": (0.5,), "samples": 0},
    ],
    ids=str,
)
def test_a_stopped_run_on_strings_goes_on_to_the_same_numbers(tmp_path, change):
    config = dataclasses.replace(STRINGS, steps=60, n=16, **change)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", stop_at(23))
    train(config, tmp_path / "cut")
    assert recorded(tmp_path / "cut") == recorded(whole.directory)
    assert train(dataclasses.replace(config, seed=1), tmp_path / "other").loss(None)[0][-1] != whole.loss(None)[0][-1]


def test_what_a_run_on_strings_costs_can_be_estimated():
    [cost] = costs([STRINGS])
    assert cost.seconds > 0 and cost.parameters == 12 * 32 + 32 + 32 * 12 + 12


def test_a_tree_that_does_not_fit_the_length_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"levels must make the length 6 of the strings a power s\^levels, but 2 was"):
        train(dataclasses.replace(STRINGS, network="tree-unet", levels=2), tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"process": "gaussian"},
            "network must be one for the process gaussian, but 'guesser' was given, which is for masked and uniform",
        ),
        ({"network": "unet"}, "network must be one for the process masked, but 'unet'"),
        ({"process": "gausian", "network": "unet"}, "did you mean 'gaussian'"),
        ({"data": "digits"}, "process must be gaussian for the data digits, but 'masked'"),
        ({"process": "gaussian", "network": "unet"}, "process must be masked or uniform for the data strings"),
        ({"loss_times": (1.5,)}, "loss_times must lie between 0 and 1"),
        ({"process": "uniform", "sampling_steps": 201}, "sampling_steps must be at most 200 for the process uniform"),
        ({"network": "tree-unet", "dropout": 0.1}, "dropout must be 0 for the network tree-unet"),
        ({"network": "transformer", "width": 30}, "width must be a multiple of 4, the heads of a transformer"),
        ({"center": True}, "center must be left out for the data strings"),
        ({"flip": True}, "flip must be left out for the data strings"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        train(dataclasses.replace(STRINGS, **change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_gaussian_process_is_the_default_and_leaves_the_keys_alone():
    assert TrainConfig().process == "gaussian" and PROCESSES["gaussian"] is Gaussian
    assert dataclasses.replace(SMALL, process="gaussian").key == SMALL.key
    assert dataclasses.replace(SMALL, process="masked").key != SMALL.key


def test_pixels_are_packed_into_bytes_and_other_numbers_are_not():
    samples = torch.tensor([[-1.2, -1.0, 0.3, 1.0]])
    packed = Gaussian(bound=1.0).packed(samples)
    assert packed.dtype == torch.uint8 and packed.tolist() == [[0, 0, 166, 255]]
    assert np.abs(Gaussian.unpacked(packed.numpy()) - samples.clamp(-1, 1).numpy()).max() <= 1 / 255
    for bound in (None, 2.0):
        assert Gaussian(bound).packed(samples) is samples and Gaussian.unpacked(samples.numpy()) is not None
    numbers = samples.numpy()
    assert Gaussian.unpacked(numbers) is numbers


def test_the_density_is_recorded_where_that_of_the_data_is_known(tmp_path):
    for data, known in (("gmm", True), ("gaussian:digits", False)):
        config = dataclasses.replace(SMALL, data=data, network="mlp", width=8, steps=4, samples=4)
        record = train(config, tmp_path / data)
        density = record.log_density(4)
        assert (density is not None) is known and (not known or density.shape == (4,))
    shifted = datasets.of_config(TrainConfig(data="gmm", center=True))
    plain = datasets.of_config(TrainConfig(data="gmm"))
    np.testing.assert_allclose(shifted.log_density(shifted.pool[:9]), plain.log_density(plain.pool[:9]), atol=1e-5)
    assert datasets.of_config(TrainConfig(data="gmm", classes=(0,))).log_density is None

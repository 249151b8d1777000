import dataclasses
import logging
import multiprocessing
import random
import signal
import time

import numpy as np
import pytest
import torch

from empirics import checkpoints, datasets, runs, store
from empirics.batches import batch_indices
from empirics.config import TrainConfig
from empirics.training import train
from tests.empirics.small import SMALL
from theory.errors import InputError


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train(SMALL, tmp_path_factory.mktemp("run") / SMALL.key)


def recorded(directory):
    """Every recorded array, bit for bit."""
    files = sorted((directory / "milestones").glob("*.safetensors"))
    return {path.name: {name: array.tobytes() for name, array in store.load(path)[0].items()} for path in files}


class Stopped(Exception):
    pass


def stop_at(step):
    def on_step(done):
        if done == step:
            raise Stopped

    return on_step


def test_a_run_records_what_it_promises(finished):
    assert finished.status == "finished" and finished.config == SMALL and finished.key == SMALL.key
    assert finished.steps.tolist() == SMALL.milestone_steps()[1:] and finished.steps[-1] == 30
    milestone = store.load(finished.directory / "milestones" / "000000030.safetensors")[0]
    shapes = {name: array.shape for name, array in milestone.items()}
    assert shapes == {
        "train_loss": (2, 16), "test_loss": (2, 16), "train_average": (16,), "test_average": (16,),
        "samples": (16, 1, 8, 8), "d1": (16,), "d2": (16,), "index": (16,), "d_held_out": (16,),
    }
    facts = finished.facts
    assert facts["device"] == "cpu" and facts["versions"]["torch"] == torch.__version__ and facts["wall_time"] > 0
    assert np.array_equal(finished.training_images(), datasets.load("digits").subset(16, 0)[0])


def test_training_lowers_the_loss_of_every_kind(finished):
    for t in (0.01, 0.1, None):
        train_loss, test_loss = finished.loss(t)
        start = finished.initial(t)
        assert 0.8 < start[0] < 1.3 and 0.8 < start[1] < 1.3  # the theory's loss at tau = 0 is one
        assert train_loss[-1] < start[0] and test_loss[-1] < start[1]


def test_recorded_distances_are_those_of_the_recorded_samples(finished):
    step = finished.steps[-1]
    d1, d2, index = finished.distances(step)
    samples, images = finished.samples(step), finished.training_images()
    distances = np.sqrt(((samples[:, None] - images[None]) ** 2).sum(axis=(2, 3, 4)))
    near = np.sort(distances, axis=1)
    # Samples are stored with 8 bits and clipped to the pixel range; the sampler clips too.
    assert np.abs(d1 - near[:, 0]).max() < 8 * 2 / 255 and np.abs(d2 - near[:, 1]).max() < 8 * 2 / 255
    assert np.array_equal(index, distances.argmin(1))
    held_out = datasets.load("digits").held_out
    nearest = np.sqrt(((samples[:, None] - held_out[None]) ** 2).sum(axis=(2, 3, 4))).min(1)
    assert np.abs(finished.held_out_distances(step) - nearest).max() < 8 * 2 / 255


def test_the_recorded_loss_is_the_denoising_error_of_the_checkpoint(finished):
    from empirics.networks import unet

    network = unet(4, 1, 8, 2, 1).eval()
    arrays, facts = store.load(sorted((finished.directory / "checkpoints").iterdir())[-1])
    assert facts["step"] == 30
    network.load_state_dict({
        name.removeprefix("network."): torch.from_numpy(array)
        for name, array in arrays.items() if name.startswith("network.")
    })
    images = torch.from_numpy(finished.training_images())
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(400, *images.shape, generator=random)
    with torch.no_grad():
        signal = torch.exp(torch.tensor(-2 * 0.1))
        prediction = network((signal.sqrt() * images + (1 - signal).sqrt() * noise).flatten(0, 1),
                             torch.full((6400,), 136)).sample.view_as(noise)
    per_draw = (prediction - noise).square().mean(dim=(1, 2, 3, 4))
    # Two draws of 16 images were recorded; their spread is that of `per_draw` over the root of two.
    assert abs(finished.loss(0.1)[0][-1] - per_draw.mean()) < 4 * per_draw.std() / 2**0.5


@pytest.mark.parametrize("step", [0, 1, 7, 29, 30])
def test_a_stopped_run_goes_on_to_the_same_numbers(finished, tmp_path, step):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path, on_step=stop_at(step))
    assert runs.load(tmp_path).status == "running"
    steps = []
    again = train(SMALL, tmp_path, on_step=steps.append)
    assert again.status == "finished" and steps[0] <= step
    assert recorded(tmp_path) == recorded(finished.directory)


def test_another_seed_gives_other_numbers(finished, tmp_path):
    other = train(dataclasses.replace(SMALL, seed=1), tmp_path)
    assert all(other.loss(0.1)[0] != finished.loss(0.1)[0])


def test_a_finished_run_is_not_repeated(finished):
    steps = []
    assert train(SMALL, finished.directory, on_step=steps.append).steps.tolist() == finished.steps.tolist()
    assert steps == []


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_optimizer_state_is_in_the_checkpoint(tmp_path, optimizer):
    config = dataclasses.replace(SMALL, optimizer=optimizer, learning_rate=0.01, steps=20)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", on_step=stop_at(12))
    train(config, tmp_path / "cut")
    assert recorded(tmp_path / "cut") == recorded(whole.directory)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(finished, tmp_path, caplog):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path, on_step=stop_at(20))
    first, last = sorted((tmp_path / "checkpoints").iterdir())
    content = bytearray(last.read_bytes())
    content[-10] ^= 1
    last.write_bytes(content)
    steps = []
    with caplog.at_level(logging.WARNING):
        train(SMALL, tmp_path, on_step=steps.append)
    assert len(caplog.records) == 1 and "\n" not in caplog.text.strip() and last.name in caplog.text
    assert steps[0] == int(first.stem)
    assert recorded(tmp_path) == recorded(finished.directory)


def test_with_every_checkpoint_damaged_it_starts_again(finished, tmp_path, caplog):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path, on_step=stop_at(20))
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    train(SMALL, tmp_path)
    assert len(caplog.records) == 2
    assert recorded(tmp_path) == recorded(finished.directory)


def test_a_diverging_run_is_a_result(tmp_path):
    config = dataclasses.replace(SMALL, optimizer="sgd", learning_rate=1e12)
    record = train(config, tmp_path)
    assert record.status == "diverged" and 0 not in record.steps and len(record.steps) < 5
    assert train(config, tmp_path).status == "diverged"


def test_precision_is_that_of_each_run_even_in_one_process(finished, tmp_path):
    half = train(dataclasses.replace(SMALL, precision="bf16"), tmp_path / "half")
    assert half.status == "finished"
    assert half.initial(0.1) != finished.initial(0.1)
    assert half.initial(0.1) == pytest.approx(finished.initial(0.1), rel=0.02)
    assert recorded(train(SMALL, tmp_path / "whole").directory) == recorded(finished.directory)


def test_batches_are_permutations_in_a_row():
    config = dataclasses.replace(SMALL, n=10, batch_size=4)
    stream = np.concatenate([batch_indices(config, step) for step in range(5)])
    epochs = stream.reshape(2, 10)
    assert [sorted(epoch) for epoch in epochs.tolist()] == [list(range(10))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    repeated = batch_indices(dataclasses.replace(config, batch_size=25), 3)
    assert np.bincount(repeated, minlength=10).max() <= 4 and len(repeated) == 25
    assert sorted(batch_indices(dataclasses.replace(config, batch_size=10), 8).tolist()) == list(range(10))


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_sigkill_at_random_moments_changes_no_bit(tmp_path, kills, monkeypatch):
    """Real processes, killed as the kernel would, each at a random moment after it has made some progress."""
    config = dataclasses.replace(SMALL, steps=80, milestones=40)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # The server imports once and forks the runs, which saves seconds for each.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["empirics.training", "empirics.milestones", "sklearn.datasets", "accelerate",
         "diffusers.models.unets.unet_2d", "diffusers.schedulers.scheduling_ddim"]
    )
    chance = random.Random(kills)
    killed = set()
    for _ in range(kills):
        before = sorted((tmp_path / "cut").rglob("*.safetensors"))
        child = context.Process(target=train, args=(config, tmp_path / "cut"))
        child.start()
        while child.is_alive() and sorted((tmp_path / "cut").rglob("*.safetensors")) == before:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))
        child.kill()
        child.join()
        if child.exitcode == -signal.SIGKILL and runs.load(tmp_path / "cut").status == "running":
            killed.add(max((tmp_path / "cut" / "checkpoints").glob("*.safetensors"), default=None))
    assert len(killed) >= min(kills, 5)  # at different places of the run
    assert train(config, tmp_path / "cut").status == "finished"
    assert recorded(tmp_path / "cut") == recorded(train(config, tmp_path / "whole").directory)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 1286}, "n must be at most 1285"),
        ({"n": 1}, "n must be a whole number of at least 2"),
        ({"steps": 2}, "first_milestone must be below steps = 2"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"width": 6}, "width must be a multiple of 4"),
        ({"levels": 4}, "levels must be at most 3"),
        ({"loss_times": ()}, "loss_times must hold at least one"),
        ({"loss_times": (9.0,)}, "t must lie between"),
        ({"optimizer": "adma"}, "did you mean 'adam'"),
        ({"data": "digts"}, "did you mean 'digits'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        train(dataclasses.replace(SMALL, **change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_checkpoints_keep_the_last_two(finished):
    names = sorted(path.stem for path in (finished.directory / "checkpoints").iterdir())
    assert names == [f"{step:09d}" for step in SMALL.milestone_steps()[-2:]]


def test_a_checkpoint_of_another_run_is_not_loaded(tmp_path, caplog):
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters())
    checkpoints.save(tmp_path, "aaa", 5, 1.0, network, optimizer)
    assert checkpoints.restore(tmp_path, "bbb", network, optimizer) == (0, 0.0)
    assert "another run" in caplog.text
    assert TrainConfig().key != dataclasses.replace(TrainConfig(), seed=1).key

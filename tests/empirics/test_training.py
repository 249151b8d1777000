import dataclasses
import logging
import multiprocessing
import random
import resource
import signal
import time

import numpy as np
import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.records import runs, store
from genmem.empirics.training import checkpoints
from genmem.empirics.training.loop import train
from genmem.shared.errors import InputError
from tests import tolerances
from tests.empirics.small import SMALL


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
        "train_loss": (2, 16),
        "test_loss": (2, 16),
        "train_average": (16,),
        "test_average": (16,),
        "samples": (16, 1, 8, 8),
        "d1": (16,),
        "d2": (16,),
        "index": (16,),
        "d_held_out": (16,),
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
    from genmem.empirics.networks.unet import unet

    network = unet(4, 1, 8, 2, 1).eval()
    arrays, facts = store.load(sorted((finished.directory / "checkpoints").iterdir())[-1])
    assert facts["step"] == 30
    network.load_state_dict(
        {
            name.removeprefix("network."): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith("network.")
        }
    )
    images = torch.from_numpy(finished.training_images())
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(400, *images.shape, generator=random)
    with torch.no_grad():
        signal = torch.exp(torch.tensor(-2 * 0.1))
        prediction = network(
            (signal.sqrt() * images + (1 - signal).sqrt() * noise).flatten(0, 1), torch.full((6400,), 136)
        ).sample.view_as(noise)
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


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_sigkill_at_random_moments_changes_no_bit(tmp_path, kills, monkeypatch):
    """Real processes, killed as the kernel would, each at a random moment after it has made some progress."""
    config = dataclasses.replace(SMALL, steps=80, milestones=40)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # The server imports once and forks the runs, which saves seconds for each.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "genmem.empirics.training.loop",
            "genmem.empirics.training.milestones",
            "sklearn.datasets",
            "diffusers.models.unets.unet_2d",
            "diffusers.schedulers.scheduling_ddim",
        ]
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
        ({"half": "first", "n": 643}, "n must be at most 642, the first half"),
        ({"ema": 1.0}, "ema must be at least 0 and below 1"),
        ({"dropout": -0.1}, "dropout must be at least 0 and below 1"),
        ({"copies": -1}, "copies must be a whole number of at least 0"),
        ({"network": "mlp", "dropout": 0.5}, "dropout must be 0 for the network mlp"),
        ({"network": "random-features"}, "train_time must be given"),
        ({"train_time": 0.1}, "samples must be 0"),
        ({"train_time": 0.1, "samples": 0}, "loss_times must be the train_time 0.1 alone"),
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


def test_the_random_features_network_follows_the_theory(tmp_path):
    """Gaussian data, no free parameter: tau = steps * learning rate / d^2, losses of the closed form."""
    from genmem.empirics.processes.diffusion import step_of_time, time_of_step
    from genmem.theory import RandomFeatures

    d, n, p = 48, 192, 384
    np.save(tmp_path / "identity.npy", np.eye(d))
    gaps = {}
    for copies in (0, 2):
        config = TrainConfig(
            data=f"gaussian:{tmp_path / 'identity.npy'}",
            n=n,
            network="random-features",
            width=p,
            optimizer="sgd",
            momentum=0.0,
            learning_rate=48.0,
            batch_size=n * max(copies, 1),
            copies=copies,
            train_time=0.1,
            loss_times=(0.1,),
            loss_draws=10,
            test_images=2000,
            samples=0,
            steps=960,
            milestones=4,
            first_milestone=48,
        )
        record = train(config, tmp_path / str(copies))
        tau = record.steps * config.learning_rate / d**2
        assert tau[0] == 1 and tau[-1] == 20
        model = RandomFeatures(n / d, p / d, float(time_of_step(step_of_time(0.1))), copies=copies or np.inf)
        curves = model.learning_curves(tau)
        train_loss, test_loss = record.loss(0.1)
        assert np.abs(test_loss - curves.test).max() < tolerances.RANDOM_FEATURES
        objective = record.copies_loss if copies else train_loss
        assert np.abs(objective - curves.train).max() < tolerances.RANDOM_FEATURES
        # A control: twice the time would be seen.
        assert np.abs(objective - model.learning_curves(2 * tau).train).max() > 2 * tolerances.RANDOM_FEATURES
        gaps[copies] = test_loss[-1] - objective[-1]
    # And so would train losses in the place of test losses, or one kind of noise in the place of the other.
    assert gaps[0] > 2 * tolerances.RANDOM_FEATURES and gaps[2] > gaps[0] + 5 * tolerances.RANDOM_FEATURES


def test_the_mlp_learns_the_score_of_the_mixture(tmp_path):
    from genmem.empirics.data.synthetic import MIXTURE
    from genmem.empirics.processes.diffusion import step_of_time, time_of_step

    config = dataclasses.replace(
        SMALL,
        data="gmm",
        network="mlp",
        width=64,
        blocks=3,
        n=4096,
        batch_size=256,
        steps=600,
        learning_rate=3e-3,
        loss_times=(0.5,),
        test_images=2000,
        loss_draws=10,
        samples=400,
        sampling_steps=50,
    )
    record = train(config, tmp_path)
    # The least loss is that of the exact score: 1 - Delta E|score|^2 / d.
    t = float(time_of_step(step_of_time(0.5)))
    held_out = datasets.load("gmm").held_out[:, :, 0, 0].astype(float)
    noise = np.random.default_rng(0).normal(size=held_out.shape)
    noised = np.exp(-t) * held_out + np.sqrt(1 - np.exp(-2 * t)) * noise
    least = 1 - (1 - np.exp(-2 * t)) * (MIXTURE.score(noised, t) ** 2).mean()
    loss = record.loss(0.5)[1][-1]
    assert least - 0.02 < loss < least + 0.05 < record.initial(0.5)[1]
    samples = record.samples(600)
    assert samples.dtype == np.float32 and np.abs(samples).max() > 2  # neither clipped nor rounded
    assert abs(np.abs(samples.mean(axis=(1, 2, 3))).mean() - 1) < 0.2


@pytest.mark.parametrize(
    "change",
    [
        {"ema": 0.9},
        {"dropout": 0.2, "warmup": 20},
        {"flip": True, "copies": 2},
        {"half": "second", "balanced": True, "center": True},
        {"ema": 0.9, "precision": "bf16", "dropout": 0.1},
    ],
    ids=str,
)
def test_every_option_changes_the_run_and_survives_a_stop(finished, tmp_path, change):
    config = dataclasses.replace(SMALL, **change)
    whole = train(config, tmp_path / "whole")
    assert whole.status == "finished" and config.key != SMALL.key
    assert whole.loss(0.1)[0][-1] != finished.loss(0.1)[0][-1]
    with pytest.raises(Stopped):
        train(config, tmp_path / "cut", on_step=stop_at(12))
    train(config, tmp_path / "cut")
    assert recorded(tmp_path / "cut") == recorded(whole.directory)
    assert np.array_equal(whole.training_images(), datasets.training_images(config))


def weights(directory, part="network."):
    """The weights in the newest checkpoint, in one row."""
    arrays, _ = store.load(max((directory / "checkpoints").iterdir()))
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays) if name.startswith(part)])


def test_the_average_is_that_of_the_weights_after_each_step_and_is_what_is_measured(tmp_path):
    config = dataclasses.replace(SMALL, steps=4, first_milestone=1, milestones=8)
    assert config.milestone_steps() == [0, 1, 2, 3, 4]
    expected = None
    for step in (1, 2, 3, 4):
        with pytest.raises(Stopped):
            train(config, tmp_path / "plain", on_step=stop_at(step))
        now = weights(tmp_path / "plain")
        expected = now if expected is None else 0.8 * expected + 0.2 * now
    average = train(dataclasses.replace(config, ema=0.8), tmp_path / "average")
    np.testing.assert_allclose(weights(tmp_path / "average", "average.module."), expected, atol=tolerances.FLOAT32)
    assert np.array_equal(weights(tmp_path / "average"), weights(tmp_path / "plain"))
    plain = train(config, tmp_path / "plain")
    # The first average is the weights themselves; then it lags behind.
    assert average.loss(0.1)[0][0] == plain.loss(0.1)[0][0] and average.loss(0.1)[0][-1] > plain.loss(0.1)[0][-1]


def test_warm_up_scales_the_first_steps(tmp_path):
    from genmem.empirics.training.networks import network_of

    config = dataclasses.replace(SMALL, optimizer="sgd", momentum=0.0, learning_rate=0.1, steps=3, first_milestone=1)
    state = network_of(config, (1, 8, 8)).state_dict()
    start = np.concatenate([state[name].numpy().ravel() for name in sorted(state)])
    way = {}
    for warmup in (0, 1000, 2000):
        directory = train(dataclasses.replace(config, warmup=warmup), tmp_path / str(warmup)).directory
        way[warmup] = np.linalg.norm(weights(directory) - start)
    # For small steps the way made is the sum of the learning rates, (1 + 2 + 3) / warmup.
    assert way[1000] / way[2000] == pytest.approx(2, rel=0.01) and way[0] > 100 * way[1000]


def test_threads_are_those_asked_for_and_given_back(tmp_path):
    before = torch.get_num_threads()
    config = dataclasses.replace(SMALL, steps=2, first_milestone=1, milestones=2)
    assert train(config, tmp_path, threads=2).facts["threads"] == 2 and torch.get_num_threads() == before
    with pytest.raises(InputError, match="threads"):
        train(dataclasses.replace(config, seed=1), tmp_path / "other", threads=0)


def test_data_that_changed_under_a_stopped_run_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    pixels = np.random.default_rng(0).uniform(-1, 1, (40, 8, 8))
    np.save(path, pixels)
    config = dataclasses.replace(SMALL, data=f"npy:{path}")
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", on_step=stop_at(5))
    np.save(path, pixels[::-1])
    with pytest.raises(InputError, match="images of 'npy:.*have changed"):
        train(config, tmp_path / "run")
    np.save(path, pixels)
    assert train(config, tmp_path / "run").status == "finished"


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_afterwards(finished, tmp_path):
    """The kernel refuses to write beyond a limit, as it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoint = next((finished.directory / "checkpoints").iterdir()).stat().st_size

    def fill_at(step):
        def on_step(done):
            if done == step:
                resource.setrlimit(resource.RLIMIT_FSIZE, (checkpoint // 2, limits[1]))

        return on_step

    try:
        with pytest.raises(InputError, match="cannot be written: File too large") as error:
            train(SMALL, tmp_path, on_step=fill_at(9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value) and not list(tmp_path.rglob(".partial"))
    assert runs.load(tmp_path).status == "running"
    steps = []
    assert train(SMALL, tmp_path, on_step=steps.append).status == "finished"
    assert steps[0] > 0 and recorded(tmp_path) == recorded(finished.directory)

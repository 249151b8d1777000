"""Metrics of recorded milestones, with samples that are known to be copies, fresh real images, or memorized."""

import dataclasses

import numpy as np
import pytest
import torch

from genmem.empirics.analysis import fidelity
from genmem.empirics.analysis.fidelity import distance_curve, kl_to_truth, metrics_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.diffusion import alphabar, ddim
from genmem.empirics.processes.neighbours import nearest_two
from genmem.empirics.records import runs
from genmem.empirics.samples.metrics import memorized_fraction
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL

CONFIG = dataclasses.replace(SMALL, n=64, samples=100, steps=3, milestones=2, first_milestone=1)


def record_of(root, samples, config=CONFIG):
    """A record of one milestone with these samples for each step; where it needs another, that has none."""
    directory = root / config.key
    with runs.open_for_writing(directory, config):
        runs.write_facts(
            directory,
            {
                "key": config.key,
                "config": dataclasses.asdict(config),
                "status": "finished",
                "wall_time": 1.0,
            },
        )
        none = dict.fromkeys(config.milestone_steps(), np.empty((0, 1, 8, 8)))
        for step, images in (none | samples).items():
            pixels = ((images + 1) * 127.5).round().astype(np.uint8)
            runs.write_milestone(directory, step, {"samples": pixels})
    return runs.load(directory)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Step 1: noise. Step 2: real images that are neither trained on nor held out. Step 3: copies."""
    from genmem.empirics.data import datasets

    digits = datasets.load("digits")
    fresh = digits.subset(CONFIG.n + 100, CONFIG.seed)[0][CONFIG.n :]
    copies = np.resize(digits.subset(CONFIG.n, CONFIG.seed)[0], (100, 1, 8, 8))
    noise = np.random.default_rng(0).uniform(-1, 1, copies.shape)
    return record_of(tmp_path_factory.mktemp("runs"), {1: noise, 2: fresh, 3: copies})


@pytest.mark.parametrize("space", ["pixels", "random-conv"])
def test_copies_fresh_images_and_noise_are_told_apart(record, space):
    noise, fresh, copies = (metrics_of(record, step, space) for step in (1, 2, 3))
    assert copies.copy_score(0.999)[0] == 1 and copies.nearest.tolist() == np.resize(np.arange(64), 100).tolist()
    assert fresh.copy_score(0.999)[0] == 0
    # Fresh real images are as similar to training images as to held-out ones: no threshold sees a copy.
    for threshold in (0.6, 0.8, 0.9, fresh.threshold):
        score, control = fresh.copy_score(threshold), fresh.copy_score_held_out(threshold)
        assert abs(score[0] - control[0]) < 0.15
    for name in ("swd", "fid"):
        far, near, copied = (metrics.distances[f"{name}_test"] for metrics in (noise, fresh, copies))
        assert far[0] > 3 * near[0] > 0 and near[1] > 0
        # Copies are nearer to the training images than real images can be.
        equal = copies.distances[f"{name}_equal"][0]
        assert copies.distances[f"{name}_train"][0] < 0.5 * equal
        # Fresh real images are at the floor, and copies of a few training images no nearer to others.
        floor, spread = fresh.real[name]
        assert abs(near[0] - floor) < 4 * spread and copied[0] > floor - 2 * spread


@pytest.mark.parametrize("space", ["pixels", "random-conv"])
def test_real_images_score_one_in_a_hundred_copies_and_a_fixed_threshold_does_not(record, space):
    """At 0.6 most real images would be copies; the threshold of the held-out images has 1 % of them above it."""
    fresh, copies = (metrics_of(record, step, space) for step in (2, 3))
    assert fresh.threshold == copies.threshold and 0 < fresh.threshold < 1
    value, low, high = fresh.copy_score()
    assert low <= 0.01 <= high and value < 0.06 < 0.6 < fresh.copy_score(0.6)[0]
    assert copies.copy_score()[0] == 1
    # A threshold at the 99 % quantile, by counting.
    train, test = (images.reshape(len(images), -1) for images in (record.training_images(), record.held_out_images()))
    if space == "pixels":
        centre = test.mean(0)
        x, y = ((each - centre) / np.linalg.norm(each - centre, axis=1, keepdims=True) for each in (test, train))
        above = ((x @ y.T).max(1) > fresh.threshold).mean()
        assert 0.007 < above <= 0.01


def test_the_kernel_distance_has_no_floor(record):
    fresh, noise = (metrics_of(record, step, "random-conv") for step in (2, 1))
    value, error = fresh.distances["kid_test"]
    floor, spread = fresh.real["kid"]
    assert abs(floor) < 2 * spread and abs(value) < 4 * spread and noise.distances["kid_test"][0] > 100 * spread
    # The others have one: real images are not at zero.
    assert fresh.real["swd"][0] > 5 * fresh.real["swd"][1] and fresh.real["fid"][0] > 5 * fresh.real["fid"][1]


def test_metrics_of_the_first_recipe_are_used_only_where_the_samples_are_gone(record, tmp_path):
    """Records of an older version keep few samples: their distances were to as many held-out as training images."""
    import shutil

    from genmem.empirics.records import store

    few = record_of(tmp_path, {2: np.zeros((3, 1, 8, 8))})
    exact = metrics_of(record, 2, "pixels")
    shutil.copytree(record.directory / "metrics", few.directory / "metrics")
    path = few.directory / "metrics" / "pixels" / "000000002.safetensors"
    arrays, facts = store.load(path)
    old = {"swd_train": [1.0, 0.1], "swd_test": [2.0, 0.2], "fid_train": [3.0, 0.3], "fid_test": [4.0, 0.4]}
    facts = {"identity": facts["identity"] | {"recipe": 1}, "distances": old, "real": {"swd": 1.0, "fid": 2.0}}
    store.save(path, arrays, facts)
    found = metrics_of(few, 2, "pixels")
    assert found.older and found.distances == {
        "swd_train": (1.0, 0.1),
        "swd_equal": (2.0, 0.2),
        "fid_train": (3.0, 0.3),
        "fid_equal": (4.0, 0.4),
    }
    assert np.isnan(found.copy_score()).all() and found.copy_score(0.6) == exact.copy_score(0.6)
    # With all samples there, they are computed again.
    shutil.copy(path, record.directory / "metrics" / "pixels" / path.name)
    again = metrics_of(record, 2, "pixels")
    assert not again.older and again.distances == exact.distances


def test_metrics_are_computed_once_and_read_back(record, monkeypatch):
    first = metrics_of(record, 2, "pixels")
    monkeypatch.setattr(fidelity, "_compute", None)
    again = metrics_of(runs.load(record.directory), 2, "pixels")
    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(first, field.name))
        assert type(getattr(again, field.name)) is type(getattr(first, field.name))


def test_damaged_metrics_are_computed_again(record):
    before = metrics_of(record, 1, "pixels")
    path = record.directory / "metrics" / "pixels" / "000000001.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    after = metrics_of(record, 1, "pixels")
    assert after.distances == before.distances and path.stat().st_size > 100


def test_metrics_of_another_run_are_not_taken_for_ones_own(record, tmp_path):
    import shutil

    noise = np.random.default_rng(1).uniform(-1, 1, (100, 1, 8, 8))
    other = record_of(tmp_path, {2: noise}, dataclasses.replace(CONFIG, seed=1))
    metrics_of(record, 2, "pixels")
    shutil.copytree(record.directory / "metrics", other.directory / "metrics")
    mine, others = (metrics_of(one, 2, "pixels").distances["swd_test"][0] for one in (record, other))
    assert others > 3 * mine


def test_a_record_with_only_some_of_its_samples(record, tmp_path):
    short = record_of(tmp_path, {2: np.zeros((3, 1, 8, 8))})
    with pytest.raises(InputError, match="keeps 3 of its 100 samples"):
        metrics_of(short, 2)
    # What was stored is enough.
    import shutil

    metrics_of(record, 2, "pixels")
    shutil.copytree(record.directory / "metrics", short.directory / "metrics")
    assert metrics_of(short, 2, "pixels").distances == metrics_of(record, 2, "pixels").distances


def test_a_folder_that_cannot_be_written_still_gives_metrics(tmp_path, caplog):
    noise = np.random.default_rng(1).uniform(-1, 1, (100, 1, 8, 8))
    other = record_of(tmp_path, {2: noise})
    (other.directory / "metrics").write_text("in the way")
    assert metrics_of(other, 2, "pixels").distances["swd_test"][0] > 0 and "cannot be stored" in caplog.text


def test_a_curve_has_a_row_for_each_step(record):
    curve = distance_curve(record, "swd_test")
    assert curve.shape == (3, 2) and curve[0, 0] > curve[1, 0] and np.all(curve[:, 1] > 0)


class EmpiricalDenoiser:
    """The network that a perfect memorizer would be: the posterior mean of the training images, in closed form."""

    def __init__(self, images):
        self.images = images.flatten(1)

    def __call__(self, x, k):
        signal = torch.tensor(alphabar()[int(k[0])], dtype=torch.float32)
        flat = x.flatten(1)
        posterior = torch.softmax(-(torch.cdist(flat, signal.sqrt() * self.images) ** 2) / (2 * (1 - signal)), dim=1)
        noise = (flat - signal.sqrt() * (posterior @ self.images)) / (1 - signal).sqrt()
        return type("Output", (), {"sample": noise.view_as(x)})


def test_the_optimal_empirical_denoiser_memorizes(record):
    images = torch.from_numpy(record.training_images())
    noise = torch.randn((100, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    d1, d2, index = (x.numpy() for x in nearest_two(ddim(EmpiricalDenoiser(images), noise, 50), images))
    fraction, low, _ = memorized_fraction(d1, d2)
    assert fraction > 0.99 and low > 0.95 and len(np.unique(index)) > 20


def test_the_best_linear_denoiser_does_not_memorize(record):
    # The negative control of the one above: the score of a Gaussian with the training images' mean and covariance.
    images = torch.from_numpy(record.training_images()).flatten(1)
    mean, covariance = images.mean(0), torch.cov(images.T)

    def network(x, k):
        signal = torch.tensor(alphabar()[int(k[0])], dtype=torch.float32)
        noisy = signal * covariance + (1 - signal) * torch.eye(len(mean))
        noise = (1 - signal).sqrt() * torch.linalg.solve(noisy, (x.flatten(1) - signal.sqrt() * mean).T).T
        return type("Output", (), {"sample": noise.view_as(x)})

    noise = torch.randn((100, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    d1, d2, _ = (x.numpy() for x in nearest_two(ddim(network, noise, 50), images.view(-1, 1, 8, 8)))
    assert memorized_fraction(d1, d2)[0] < 0.05


def test_kl_divergence_of_a_trained_network_from_the_mixture(tmp_path):
    """Against an estimate that sees the samples alone, before training, and better the longer it is trained."""
    from genmem.empirics.data.synthetic import MIXTURE
    from genmem.empirics.training.loop import train

    config = TrainConfig(
        data="gmm",
        network="mlp",
        n=2048,
        width=32,
        blocks=2,
        batch_size=256,
        learning_rate=3e-3,
        steps=300,
        first_milestone=30,
        milestones=2,
        samples=1500,
        sampling_steps=25,
        test_images=16,
    )
    record = train(config, tmp_path / "run")
    divergences = [kl_to_truth(record, int(step)) for step in (0, *record.steps)]
    for step, (value, error) in zip((0, *record.steps), divergences, strict=True):
        samples = record.samples(int(step)).reshape(config.samples, -1)
        assert value == pytest.approx(nearest_neighbour_divergence(samples, MIXTURE.log_density), abs=3 * error + 0.2)
    values = [value for value, _ in divergences]
    assert values[0] > values[1] > 2 > values[2] > 0
    assert kl_to_truth(dataclasses.replace(record, facts=record.facts | {"config": {"data": "digits"}}), 0) is None


def nearest_neighbour_divergence(samples, log_density):
    """-entropy - E log_density, the entropy from distances to the nearest other sample.

    Kozachenko and Leonenko, Probl. Inf. Transm. 23, 95 (1987)."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma, gammaln

    count, d = samples.shape
    distances = cKDTree(samples).query(samples, k=2)[0][:, 1]
    unit_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    entropy = digamma(count) - digamma(1) + unit_ball + d * np.log(distances).mean()
    return -entropy - np.mean(log_density(samples))

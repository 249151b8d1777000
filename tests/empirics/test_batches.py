import dataclasses

import numpy as np
import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.gaussian import Gaussian
from genmem.empirics.training.batches import Batches, batch_indices

CONFIG = TrainConfig(n=10, batch_size=4)


def batches_of(config, images):
    return Batches(config, Gaussian(), images)


@pytest.fixture
def images():
    return torch.arange(10.0).view(10, 1, 1, 1).expand(10, 1, 2, 2).contiguous() + torch.tensor([0, 0.5])


def test_batches_are_permutations_in_a_row():
    stream = np.concatenate([batch_indices(CONFIG, step) for step in range(5)])
    epochs = stream.reshape(2, 10)
    assert [sorted(epoch) for epoch in epochs.tolist()] == [list(range(10))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    repeated = batch_indices(dataclasses.replace(CONFIG, batch_size=25), 3)
    assert np.bincount(repeated, minlength=10).max() <= 4 and len(repeated) == 25
    assert sorted(batch_indices(dataclasses.replace(CONFIG, batch_size=10), 8).tolist()) == list(range(10))


def test_a_batch_depends_on_the_step_alone(images):
    one, other = batches_of(CONFIG, images), batches_of(CONFIG, images)
    for step in (3, 0, 3, 700):
        assert all(torch.equal(a, b) for a, b in zip(one[step], other[step], strict=True))
    assert not torch.equal(one[0][2], one[1][2])


def test_fresh_noise_never_repeats_and_covers_all_diffusion_steps(images):
    batches = batches_of(dataclasses.replace(CONFIG, batch_size=10), images)
    k = torch.cat([batches[step][1] for step in range(200)])
    assert k.min() < 10 and k.max() > 989
    noise = torch.cat([batches[step][2] for step in range(200)])
    assert len(noise.unique(dim=0)) == 2000 and abs(noise.std() - 1) < 0.03


def test_fixed_copies_are_the_same_noise_on_the_same_image_in_every_epoch(images):
    batches = batches_of(dataclasses.replace(CONFIG, copies=3, batch_size=10), images)

    def epoch(number):
        parts = zip(*(batches[3 * number + i] for i in range(3)), strict=True)
        batch, k, noise = (torch.cat(part) for part in parts)
        return {
            (float(x[0, 0, 0]), int(step), *eps.flatten().tolist())
            for x, step, eps in zip(batch, k, noise, strict=True)
        }

    first = epoch(0)
    assert len(first) == 30 and epoch(1) == first == epoch(50)
    values, counts = np.unique([copy[0] for copy in first], return_counts=True)
    assert len(values) == 10 and set(counts) == {3}


def test_one_training_time_is_one_step(images):
    for copies in (0, 2):
        batches = batches_of(dataclasses.replace(CONFIG, copies=copies, train_time=0.1), images)
        assert set(batches[5][1].tolist()) == {136}


def test_mirrored_images_are_about_half_and_nothing_else_changes(images):
    plain, mirrored = batches_of(CONFIG, images), batches_of(dataclasses.replace(CONFIG, flip=True), images)
    flipped = 0
    for step in range(50):
        (before, k, noise), (after, same_k, same_noise) = plain[step], mirrored[step]
        assert torch.equal(k, same_k) and torch.equal(noise, same_noise)
        for x, y in zip(before, after, strict=True):
            assert torch.equal(x, y) or torch.equal(x.flip(2), y)
            flipped += not torch.equal(x, y)
    assert 70 < flipped < 130

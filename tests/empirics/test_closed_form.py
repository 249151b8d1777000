"""Real stochastic gradient descent on real images, held to the closed form with nothing fitted."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis.closed_form import STAGES, beside_prediction, comparison_table
from genmem.empirics.config import TrainConfig
from genmem.empirics.training.loop import train
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures
from tests import tolerances
from tests.empirics.test_commands import genmem

CONFIG = TrainConfig(
    n=64,
    width=128,
    network="random-features",
    optimizer="sgd",
    momentum=0.0,
    center=True,
    learning_rate=2000.0,
    train_time=0.1,
    loss_times=(0.1,),
    samples=0,
    batch_size=64,
    steps=800,
    milestones=10,
    first_milestone=4,
    loss_draws=10,
)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return train(CONFIG, tmp_path_factory.mktemp("run") / "run")


def test_the_trained_network_follows_the_closed_form(record):
    found = beside_prediction(record)
    assert found.d == 64 and found.tau[-1] == pytest.approx(800 * 2000 / 64**2)
    assert (found.model.psi_n, found.model.psi_p) == (1, 2) and found.times["trained"].loss_initial == 1
    for split in ("train", "test"):
        assert max(found.differences(split).values()) < tolerances.CLOSED_FORM_ON_DIGITS
    # The fall that is predicted this well is much larger than what is left.
    assert found.test["closed_form"].min() < 0.5
    # Negative controls: the theory for half the network, half the images, or twice the time is far off.
    m = found.model
    half_width = RandomFeatures(m.psi_n, m.psi_p / 2, m.t, spectrum=m.spectrum).learning_curves(found.tau).train
    half_images = RandomFeatures(m.psi_n / 2, m.psi_p, m.t, spectrum=m.spectrum).learning_curves(found.tau).test
    late = m.learning_curves(2 * found.tau).test
    measured = found.train["trained"], found.test["trained"], found.test["trained"]
    for wrong, right in zip((half_width, half_images, late), measured, strict=True):
        assert np.abs(wrong - right).max() > 2 * tolerances.CLOSED_FORM_ON_DIGITS


def test_the_gradient_noise_is_told_with_what_it_adds(record):
    found = beside_prediction(record, draws=1)
    assert found.gradient_noise == CONFIG.learning_rate / (CONFIG.batch_size * 64)
    noisy = found.model.learning_curves(found.tau, found.gradient_noise).test
    np.testing.assert_allclose(found.test["closed_form"] + found.noise_adds, noisy, rtol=1e-12)
    assert np.all(found.noise_adds > 0.001)
    assert f"adds {found.noise_adds.max():.4f}" in comparison_table(found)


def test_momentum_is_a_larger_learning_rate(record, tmp_path):
    config = dataclasses.replace(CONFIG, momentum=0.75, learning_rate=500.0)
    with_momentum = train(config, tmp_path / "run")
    found = beside_prediction(with_momentum, draws=1)
    np.testing.assert_allclose(found.tau[-1], 800 * 2000 / 64**2)
    # Momentum needs 1/(1 - m) steps to come to speed.
    late = found.steps > 40
    assert np.abs(found.test["trained"] - found.test["closed_form"])[late].max() < tolerances.CLOSED_FORM_ON_DIGITS


def test_the_table_names_each_stage_and_cause(record, monkeypatch, capsys):
    text = comparison_table(beside_prediction(record, draws=1))
    assert all(stage in text for stage in STAGES) and "nothing is fitted" in text and "kurtosis" in text
    genmem("closed-form", record.directory, monkeypatch=monkeypatch)
    assert "on_images - on_gaussian" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"network": "unet"}, {"optimizer": "adam"}, {"center": False}])
def test_runs_that_the_theory_is_not_about_are_refused(record, change):
    facts = record.facts | {"config": dataclasses.asdict(dataclasses.replace(CONFIG, **change))}
    with pytest.raises(InputError, match=f"with {next(iter(change))} "):
        beside_prediction(dataclasses.replace(record, facts=facts))

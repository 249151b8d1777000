"""Membership by the loss: the AUC against scikit-learn's, its interval by simulation, controls, and recorded runs."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from genmem.empirics.analysis.membership import auc, membership, membership_of, true_positive_rate
from genmem.empirics.records.runs import find
from genmem.empirics.tables.membership_table import membership_table
from genmem.shared.errors import InputError

RECORDS = Path(__file__).parents[2] / "records"


@pytest.fixture(scope="module")
def cifar():
    return find(RECORDS / "cifar10-cpu")


def test_the_area_and_the_rate_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    members, others = rng.normal(0, 1, 40).round(1), rng.normal(0.7, 1, 200).round(1)  # rounded: with ties
    truth, score = np.repeat([1, 0], [40, 200]), -np.concatenate([members, others])
    assert auc(members, others)[0] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    for allowed in (0.01, 0.05, 0.3):
        assert true_positive_rate(members, others, allowed)[0] == pytest.approx(true[false <= allowed].max())


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_interval_of_the_area_covers_the_truth(shift):
    """Two normal distributions a distance apart have the area Phi(shift / sqrt 2)."""
    rng, truth, inside = np.random.default_rng(1), norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(600):
        _, low, high = auc(rng.normal(0, 1, 64), rng.normal(shift, 1, 256))
        inside += low <= truth <= high
    assert 0.925 <= inside / 600 <= 0.98


def test_a_perfect_memorizer_is_told_and_the_interval_does_not_claim_certainty():
    value, low, high = auc(np.linspace(0, 0.1, 64), np.linspace(1, 2, 256))
    assert value == high == 1 and low == pytest.approx(1 - 3 / 64)
    assert true_positive_rate(np.zeros(64), np.ones(256))[0] == 1


def test_controls_untrained_networks_and_held_out_images_in_the_place_of_training_images(cifar):
    untrained, swapped, trained = [], [], []
    for record in cifar:
        found = membership_of(record)
        assert found.steps[0] == 0
        untrained.append(found.auc[0, 1] <= 0.5 <= found.auc[0, 2])
        test = record.image_losses(found.t)[1][-1]
        _, low, high = auc(test[::2], test[1::2])
        swapped.append(low <= 0.5 <= high)
        trained.append(found.auc[-1, 1] > 0.9)
    # Each interval misses the truth once in twenty.
    assert sum(untrained) >= len(cifar) - 1 and sum(swapped) >= len(cifar) - 1 and all(trained)


def test_losses_tell_training_images_before_copies_appear_and_later_with_more_images(cifar):
    found = membership(cifar)
    for member, run in found.runs:
        assert not member.time.censored and member.time.value < run.mem.value < run.copy.value
        assert member.auc_at(run.mem.value) > 0.8
    assert 0.5 < found.exponent.value < 2
    text = membership_table(found, 0.55)
    assert all(member.record.key in text for member, _ in found.runs) and "tau_privacy ~ n^" in text


def test_a_level_that_is_never_reached_is_censored(cifar):
    found = membership_of(cifar[0], level=0.9999)
    assert found.time.censored and found.time.value == cifar[0].steps[-1]


@pytest.mark.parametrize("level", [0.4, 1.0, "a"])
def test_a_level_that_is_none_is_refused(cifar, level):
    with pytest.raises(InputError, match="level"):
        membership_of(cifar[0], level=level)


def test_one_image_is_too_few():
    with pytest.raises(InputError, match="at least two images"):
        auc(np.zeros(1), np.zeros(5))

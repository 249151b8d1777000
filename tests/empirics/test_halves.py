"""Pairs on disjoint halves: samples made up so that what they have in common is known."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis import claims
from genmem.empirics.analysis.halves import agreement, pair_of, partners
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL
from tests.empirics.test_fidelity import record_of

CONFIG = dataclasses.replace(SMALL, n=32, samples=40, steps=9, milestones=3, first_milestone=1, half="first")
SECOND = dataclasses.replace(CONFIG, half="second", seed=1, sampling_seed=0)


def pair_in(root, mine, theirs, second=SECOND):
    return record_of(root / "a", mine, CONFIG), record_of(root / "b", theirs, second)


def images(seed):
    return np.random.default_rng(seed).uniform(-1, 1, (40, 1, 8, 8))


def test_agreement_is_one_for_equal_samples_and_near_zero_for_unrelated_ones(tmp_path):
    same = images(0)
    first, second = pair_in(tmp_path, {1: same, 3: same}, {1: same, 3: np.roll(same, 1, axis=0)})
    np.testing.assert_allclose(agreement(first, second, 1), 1, rtol=1e-5)
    # Noise has little in common around the mean of the digits but that mean itself.
    centre = first.held_out_images().mean(axis=0)
    x, y = same - centre, np.roll(same, 1, axis=0) - centre
    expected = [(a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(agreement(first, second, 3), expected, atol=5e-3)


def test_runs_from_different_noise_are_no_pair(tmp_path):
    alone = dataclasses.replace(SECOND, sampling_seed=None)
    records = pair_in(tmp_path, {1: images(0)}, {1: images(0)}, alone)
    assert not partners(records)
    with pytest.raises(InputError, match="the same seed of the sampling noise"):
        agreement(*records, 1)
    # The seed is the noise's where no other is given.
    assert partners(pair_in(tmp_path / "own", {}, {}))


def test_a_partner_with_another_seed_is_preferred(tmp_path):
    twin = dataclasses.replace(SECOND, seed=0, sampling_seed=None)
    first, second = pair_in(tmp_path, {}, {})
    _, same = pair_in(tmp_path / "twin", {}, {}, twin)
    assert [theirs.key for _, theirs in partners([first, same, second])] == [second.key]
    (pair,) = partners([first, same])
    assert pair[1].key == same.key
    wider = record_of(tmp_path / "wide", {}, dataclasses.replace(SECOND, width=8))
    assert not partners([first, wider])


def test_what_all_networks_return_of_the_noise_is_no_agreement(tmp_path):
    """Two models that return the noise agree perfectly, and not above their baseline; learning the same is above it."""
    noise, learned = images(0), images(1)
    both = {0: noise, 1: noise, 3: learned}
    pair = pair_of(*pair_in(tmp_path, both | {9: images(2)}, both | {9: images(3)}))
    assert pair.steps.tolist() == [0, 1, 3, 9] and not pair.shares_seed
    np.testing.assert_allclose(pair.agreement[:3].mean(1), 1, atol=1e-5)
    np.testing.assert_allclose(pair.rise[:2], 0, atol=1e-5)
    assert pair.rise[2].mean() > 0.3 and abs(pair.rise[3].mean()) < 0.1


def _pair_of_claims(monkeypatch, agreements, untrained, shared=False):
    """The findings on a made-up pair: agreement before training, at tau_gen, at the end; baselines likewise."""
    from types import SimpleNamespace

    from genmem.empirics.analysis.halves import Pair
    from tests.empirics.test_claims import measured

    random = np.random.default_rng(0)
    spread = 0.02 * random.standard_normal((3, 500))
    first = measured()
    end = first.record.steps[-1]
    other = SimpleNamespace(config=dataclasses.replace(first.record.config, seed=0 if shared else 1), key="other")
    pair = Pair(
        first.record,
        other,
        np.array([0, round(first.times.gen.value), end]),
        np.array(agreements)[:, None] + spread,
        np.array(untrained)[:, None] + 0 * spread,
        *[np.zeros(3)] * 3,
    )
    monkeypatch.setattr(claims, "partners", lambda records: [(None, None)])
    monkeypatch.setattr(claims, "pair_of", lambda *records: pair)
    return [finding.verdict for finding in claims._disjoint_halves([first])]


def test_the_claim_needs_a_rise_above_untrained_networks_and_independent_seeds(monkeypatch):
    judged = claims.AGREES, claims.DISAGREES, claims.NOT_TESTED
    agrees, disagrees, untested = judged
    assert _pair_of_claims(monkeypatch, (0.8, 0.9, 0.4), (0.8, 0.5, 0.4)) == [agrees, agrees]
    # Agreeing as much as untrained networks do is no generalization, however high it is.
    assert _pair_of_claims(monkeypatch, (0.95, 0.9, 0.4), (0.95, 0.95, 0.4))[0] == disagrees
    assert _pair_of_claims(monkeypatch, (0.8, 0.6, 0.9), (0.8, 0.5, 0.4)) == [agrees, disagrees]
    assert _pair_of_claims(monkeypatch, (1.0, 0.9, 0.4), (1.0, 0.5, 0.4), shared=True) == [untested, untested]

"""Claims against runs made to fulfil them, and runs made to break them."""

import dataclasses
import itertools

import numpy as np
import pytest

from genmem.empirics.analysis import claims
from genmem.empirics.analysis.claims import AGREES, DISAGREES, NOT_TESTED, UNDECIDED
from genmem.empirics.analysis.measure import times_of
from genmem.empirics.analysis.quality import Quality
from genmem.shared.errors import InputError
from tests.empirics.test_measure import curves


def measured(
    n=64, width=8, batch=16, rate=1e-3, seed=0, *, power=(1, -1, -1, -1), peak=(-0.5, 0.5, -0.5), ratio=1.02, open=False
):
    """A run whose times are the product of powers of n, W, B, eta, and its peak SWD that of W, B, eta."""
    noise = np.random.default_rng([n, width, batch, seed]).normal()
    factors = np.array([n / 64, width / 8, batch / 16, rate / 1e-3])
    record = curves(
        n,
        seed,
        width=width,
        batch_size=batch,
        learning_rate=rate,
        shift=float(30 * np.prod(factors**power) * np.exp(0.02 * noise)),
        end=1e6,
    )
    times = times_of(record)
    value = float(np.prod(factors[1:] ** peak) * np.exp(0.02 * noise))
    best = Quality(record, "kid", times.gen, 0, np.inf, value, 1e-3 * value, 10, open, 0.0, 1e-4 * value, 1e-3 * value)
    good = dataclasses.replace(best, distance="swd")
    ratios = {"swd": ratio * np.exp(0.01 * noise), "fid": ratio**2}
    descents = {"swd": False, "fid": True}
    return claims._Measured(record, times, good, best, 0.3 * np.exp(0.02 * noise), ratios, descents)


def table(runs):
    found = [finding for part in claims._CLAIMS for finding in part(runs)]
    return {(f.claim, f.claimed.split(" [")[0], f.quantity): f for f in found}


def verdict(found, claim, words):
    (finding,) = [f for (number, claimed, what), f in found.items() if number == claim and words in claimed + what]
    return finding.verdict


def sweep(**changes):
    sizes = [dict(n=n, width=w, seed=s) for n, w, s in itertools.product((32, 64, 128), (8, 16), (0, 1))]
    batches = [dict(batch=b, seed=s) for b in (8, 32) for s in (0, 1)]
    rates = [dict(rate=r, seed=s) for r in (5e-4, 2e-3) for s in (0, 1)]
    full = [dict(n=n, batch=n, seed=s) for n in (32, 64, 128) for s in (0, 1)]
    return [measured(**each, **changes) for each in [*sizes, *batches, *rates, *full]]


def test_claims_that_hold_are_found_to_agree():
    found = table(sweep())
    assert verdict(found, 1, "τ_mem ∝ n") == AGREES
    assert verdict(found, 2, "τ_gen ∝ 1/W") == verdict(found, 2, "τ_mem ∝ 1/W") == AGREES
    assert verdict(found, 2, "sooner") == verdict(found, 2, "better fidelity") == AGREES
    assert verdict(found, 4, "onset ∝ 1/B") == AGREES
    assert verdict(found, 4, "collapses") == AGREES
    assert verdict(found, 4, "smaller batches") == verdict(found, 4, "memorization rate") == AGREES
    assert verdict(found, 4, "larger η peaks") == AGREES
    assert verdict(found, 5, "opens first") == AGREES
    assert verdict(found, 6, "SWD to train") == AGREES and verdict(found, 6, "double descent of FID") == AGREES


def test_claims_that_do_not_hold_are_found_to_disagree():
    found = table(sweep(power=(0.3, 0.5, 0.2, -0.5), peak=(0.5, -0.5, 0.5), ratio=1.5))
    # In these runs every time has one law, so that tau_gen is not independent of n.
    assert verdict(found, 1, "by fidelity") == verdict(found, 1, "τ_gen ∝ n^0") == DISAGREES
    assert verdict(found, 1, "τ_mem ∝ n") == DISAGREES
    assert verdict(found, 2, "τ_mem ∝ 1/W") == verdict(found, 2, "sooner") == DISAGREES
    assert verdict(found, 2, "better fidelity") == verdict(found, 4, "smaller batches") == DISAGREES
    assert verdict(found, 4, "onset ∝ 1/B") == verdict(found, 4, "larger η peaks") == DISAGREES
    assert verdict(found, 4, "collapses") != AGREES
    assert verdict(found, 6, "SWD to train") == verdict(found, 6, "FID to train") == DISAGREES
    assert verdict(found, 6, "double descent of SWD") == UNDECIDED
    # tau * eta grows as eta^0.5 here, as claimed.
    assert verdict(found, 4, "larger η delays") == AGREES


def test_a_peak_that_was_not_reached_or_is_not_to_be_told_from_real_images_is_a_bound():
    runs = [measured(width=w, seed=s) for w in (4, 8, 16) for s in range(4)]
    (peak,) = [f for f in claims._times_in_width(runs) if "peak" in f.claimed]
    assert peak.verdict == AGREES and peak.censored == 0 and peak.value == pytest.approx(-0.5, abs=0.05)
    # Where the widest networks still improved, or made images like real ones, they may be better still.
    wide = [run for run in runs if run.record.config.width == 16]
    for change in ({"open": True}, {"floor": 1.0}):
        bound = [dataclasses.replace(run, best=dataclasses.replace(run.best, **change)) for run in wide]
        others = [run for run in runs if run not in wide]
        (found,) = [f for f in claims._times_in_width([*others, *bound]) if "peak" in f.claimed]
        assert found.censored == 4 and found.value < 0 and found.high == pytest.approx(peak.high, abs=0.3)
    none = [dataclasses.replace(run, best=None, good=None) for run in runs]
    (found,) = [f for f in claims._times_in_width(none) if "peak" in f.claimed]
    assert found.verdict == NOT_TESTED and "older version" in found.note


def test_full_batches_are_their_own_claim():
    # Of runs with B = n, tau ~ n / B is constant: with this law repetition alone would be at work.
    found = table(sweep())
    assert verdict(found, 3, "τ_copy") == DISAGREES
    assert verdict(table(sweep(power=(1, -1, 0, -1))), 3, "τ_copy") == AGREES


def test_what_was_not_varied_is_not_tested_and_says_why():
    found = table([measured(n=n, seed=s) for n in (32, 64, 128) for s in (0, 1)])
    assert verdict(found, 1, "τ_mem ∝ n") == AGREES
    untested = [f for f in found.values() if f.verdict == NOT_TESTED]
    assert {f.claim for f in untested} == {2, 3, 4, 7} and all(f.note for f in untested)
    assert "only one width" in next(f.note for f in untested if f.claim == 2)


def test_a_wide_interval_decides_nothing():
    few = [measured(n=n, seed=s) for n, s in ((60, 0), (64, 1), (68, 2), (64, 3))]
    noisy = [
        dataclasses.replace(run, times=times_of(curves(run.record.config.n, k, shift=30.0 * f, end=1e6)))
        for k, (run, f) in enumerate(zip(few, (1.0, 1.4, 0.9, 0.8), strict=True))
    ]
    assert verdict(table(noisy), 1, "τ_mem ∝ n") == UNDECIDED


def test_runs_without_samples_are_left_out():
    with pytest.raises(InputError, match="run with samples"):
        claims.find_all([curves(samples=0)])

"""The map is found where the truth is known, and refused where there is none."""

import dataclasses

import numpy as np
import pytest

from genmem.empirics.analysis import mapping
from genmem.empirics.analysis.export import export
from genmem.empirics.analysis.mapping import images_of_run
from genmem.empirics.records.runs import find, write_facts
from genmem.empirics.training.loop import train
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from tests.empirics.small import SMALL
from tests.tolerances import MAP_SCALE

D, T = 8, 0.1
N = np.array([32, 32, 64, 64, 128, 128, 256, 256])
SPECTRUM = Spectrum([0.5, 1.5], [0.5, 0.5])
GRID = np.array([4.0, 16.0, 64.0])
FACTORS = {name: np.ones(len(N)) for name in ("W", "B", "eta")}
NONE = np.zeros((len(N), 2), bool)


def truth(psi_p=16.0, steps_per_tau=7.0):
    """tau_gen and tau_mem of the model itself, in steps of a known length."""
    times = [RandomFeatures(n / D, psi_p, T, spectrum=SPECTRUM).timescales() for n in N]
    return steps_per_tau * np.array([[time.gen, time.mem] for time in times])


def fit(steps, censored=NONE, grid=GRID):
    return mapping.fit_map(N, steps, censored, D, T, SPECTRUM, FACTORS, psi_p_grid=grid)


def test_times_of_the_model_itself_give_its_own_map_back():
    found = fit(truth())
    assert found.psi_p.value == 16 and found.points == 16
    assert found.steps_per_tau.value == pytest.approx(7, rel=MAP_SCALE)
    assert found.residual_factor == pytest.approx(1, abs=MAP_SCALE)


@pytest.mark.parametrize("factor", [1.2, 1.6])
def test_the_residual_is_the_scatter_put_in(factor):
    sign = np.where(np.arange(len(N)) % 2, 1, -1)[:, None]
    found = fit(truth() * factor**sign, grid=GRID[1:2])
    assert found.residual_factor == pytest.approx(factor, rel=MAP_SCALE)
    assert found.steps_per_tau.value == pytest.approx(7, rel=MAP_SCALE)


def test_times_that_do_not_belong_to_their_n_fit_worse():
    steps = truth()
    steps[:, 1] = steps[::-1, 1]
    assert fit(steps).residual_factor > 2


def test_censored_times_are_lower_bounds_and_not_times():
    noisy = truth() * np.exp(0.1 * np.random.default_rng(0).standard_normal((len(N), 2)))
    end = 0.4 * noisy[6:, 1].min()
    censored = np.stack([np.zeros(len(N), bool), noisy[:, 1] > end], axis=1)
    cut = np.where(censored, end, noisy)
    assert censored[6:, 1].all() and not censored[:4].any()
    kept = fit(cut, censored, GRID[1:2])
    taken_as_times = fit(cut, NONE, GRID[1:2])
    assert abs(np.log(kept.steps_per_tau.value / 7)) < 0.1 < taken_as_times.residual_factor - kept.residual_factor


def test_a_psi_p_that_rules_out_what_was_seen_is_not_taken():
    small = np.array([0.25])  # too small to memorize at these n: tau_mem is infinite
    assert all(np.isinf(mapping.predicted_times(n / D, 0.25, T, SPECTRUM)[2]) for n in N)
    with pytest.raises(InputError, match="no psi_p"):
        fit(truth(), grid=small)
    assert fit(truth(), grid=np.concatenate([small, GRID])).psi_p.value == 16


def test_too_few_times_are_refused():
    censored = np.ones((len(N), 2), bool)
    censored[0] = False
    with pytest.raises(InputError, match="at least three"):
        fit(truth(), censored)


def varied(psi_p_power=0.0, noise=0.0):
    """tau_gen and tau_mem of the model at every W and n, in 7 W^-1 steps, and half of them at B = 2 with 7/2 W^-1."""
    random = np.random.default_rng(1)
    n, widths = np.tile([32, 64, 128], 6), np.repeat([4.0, 8.0, 16.0], 6)
    batch = np.tile(np.repeat([1.0, 2.0], 3), 3)
    psi_p = 16.0 * (widths / 8) ** psi_p_power
    tau = [mapping.predicted_times(size / D, p, T, SPECTRUM) for size, p in zip(n, psi_p, strict=True)]
    steps = 7 * np.array(tau)[:, [0, 2]] / (widths * batch)[:, None]
    factors = {"W": widths, "B": batch, "eta": np.ones(len(n))}
    return n, steps * np.exp(noise * random.standard_normal(steps.shape)), np.zeros(steps.shape, bool), factors


def fit_varied(data, **options):
    n, steps, censored, factors = data
    return mapping.fit_map(n, steps, censored, D, T, SPECTRUM, factors, psi_p_grid=np.geomspace(1, 256, 9), **options)


def test_powers_of_width_and_batch_size_are_found_within_their_intervals():
    found = fit_varied(varied(noise=0.05))
    assert list(found.powers) == ["W", "B"]  # the learning rate does not vary: nothing is said of its power
    for power in found.powers.values():
        assert power.low < -1 < power.high and power.high - power.low < 0.2
    scale = 7 / found.reference["W"] / found.reference["B"]
    assert found.steps_per_tau.low < scale < found.steps_per_tau.high < 1.3 * scale
    assert found.psi_p.low < 16 < found.psi_p.high
    # Steps at another setting follow the powers; at a run's own they are those of the model.
    there = found.steps(64, {"W": 4.0, "B": 2.0, "eta": 1.0})
    truth = 7 / 8 * mapping.predicted_times(64 / D, 16.0, T, SPECTRUM)[2]
    assert there["mem"] == pytest.approx(truth, rel=0.1)


def test_psi_p_depends_on_the_width_only_where_the_data_say_so():
    equal, different = fit_varied(varied(noise=0.02)), fit_varied(varied(psi_p_power=1.0, noise=0.02))
    assert not equal.psi_p_varies and equal.psi_p_power.low <= 0 <= equal.psi_p_power.high
    assert equal.psi_p_at(4) == equal.psi_p_at(16)
    assert different.psi_p_varies and different.psi_p_power.low < 1 < different.psi_p_power.high
    assert different.psi_p_at(16) / different.psi_p_at(4) > 2


def test_an_interval_that_reaches_the_end_of_the_values_tried_is_open():
    inner = fit(truth() * np.exp(0.01 * np.random.default_rng(0).standard_normal((8, 2))), grid=np.geomspace(1, 256, 9))
    assert 1 < inner.psi_p.low < 16 < inner.psi_p.high < 256
    edge = fit(truth() * np.exp(0.01 * np.random.default_rng(0).standard_normal((8, 2))), grid=np.geomspace(16, 256, 5))
    assert edge.psi_p.value == 16 and edge.psi_p.low == 0 and edge.psi_p.high < 256


def test_a_setting_that_the_runs_do_not_reach_is_refused():
    found = fit_varied(varied(noise=0.05))
    assert found.forecast("gen", 64, {"W": 32.0, "B": 4.0, "eta": 1.0}) is not None
    with pytest.raises(InputError, match="none does at W = 8, B = 1, eta = 2"):
        found.forecast("gen", 64, {"W": 8.0, "B": 1.0, "eta": 2.0})


@pytest.mark.parametrize("there", [{"W": 16.0, "B": 1.0, "eta": 1.0}, {"W": 4.0, "B": 2.0, "eta": 1.0}])
def test_the_forecast_of_a_new_run_is_the_theory_with_the_scatter_of_the_runs(there):
    found = fit_varied(varied(noise=0.1))
    law = found.forecast("mem", 256, there)
    exact = 7 / there["W"] / there["B"] * mapping.predicted_times(256 / D, 16.0, T, SPECTRUM)[2]
    assert law.quantile(0.025) < exact < law.quantile(0.975)
    # Wider than the scatter alone, by the uncertainty of the map.
    assert law.quantile(0.975) / law.quantile(0.025) > found.residual_factor ** (2 * 1.96)
    assert law.quantile(0.5) == law.median == pytest.approx(found.steps(256, there)["mem"])


def test_an_event_that_is_never_to_come_has_no_forecast():
    found = fit(truth(), grid=GRID[1:2])
    assert found.forecast("mem", 1e6, found.reference) is None
    assert found.forecast("gen", 1e6, found.reference) is not None


def test_an_exported_record_brings_the_covariance_of_its_data_along(tmp_path):
    """So that the theory can be set beside runs on data that cannot be passed on."""
    images = tmp_path / "images.npy"
    np.save(images, np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8)).astype(np.uint8))
    record = train(dataclasses.replace(SMALL, data=f"npy:{images}", steps=4, milestones=2), tmp_path / "runs" / "a")
    d, spectrum = images_of_run(record)
    export([record], tmp_path / "copies", 1)
    images.unlink()
    mapping._images_of.cache_clear()
    (copy,) = find(tmp_path / "copies")
    assert images_of_run(copy) == (d, spectrum) and d == 192
    assert copy.facts["data_source"].keys() == {"md5"} and record.facts["data_source"].keys() == {"path", "md5"}
    with pytest.raises(InputError):
        images_of_run(record)
    for damaged in ({}, {"d": 192, "eigenvalues": [1.0], "weights": [0.5]}):
        write_facts(copy.directory, copy.facts | {"covariance": damaged})
        with pytest.raises(InputError, match="its covariance is none"):
            images_of_run(find(tmp_path / "copies")[0])

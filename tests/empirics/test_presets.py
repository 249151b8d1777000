import dataclasses
from typing import get_args

import pytest

from genmem.empirics.training.grids import Grid
from genmem.empirics.training.presets import DIGITS_DEMO, PRESETS, Preset
from genmem.shared.errors import InputError
from tests.empirics.small import SMALL


def test_a_grid_is_all_combinations_and_an_empty_one_is_the_config():
    assert Grid().configs(SMALL) == [SMALL]
    configs = Grid(ns=(8, 16), widths=(4, 8), seeds=(0, 1, 2), steps_per_image=2.5).configs(SMALL)
    assert len(configs) == len(set(configs)) == 12
    assert {(c.n, c.width, c.seed, c.steps) for c in configs} == {
        (n, w, s, 2.5 * n) for n in (8, 16) for w in (4, 8) for s in (0, 1, 2)
    }
    # Everything that no list names is the config's own.
    assert {dataclasses.replace(c, n=SMALL.n, width=SMALL.width, seed=0, steps=SMALL.steps) for c in configs} == {SMALL}


def test_a_full_batch_follows_n():
    assert [c.batch_size for c in Grid(ns=(8, 20), full_batch=True).configs(SMALL)] == [8, 20]


def test_a_value_given_twice_is_one_run():
    assert len(Grid(ns=(8, 8, 16)).configs(SMALL)) == 2


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (Grid(ns=(1, 8)), "n must be a whole number of at least 2, but 1"),
        (Grid(ns=(0,), full_batch=True), "n must be"),
        (Grid(learning_rates=(0.1, -1.0)), "learning_rate must be positive"),
        (Grid(widths=(6,)), "width must be a multiple of 4"),
        (Grid(full_batch=True, batch_sizes=(4,)), "exclude each other"),
        (Grid(steps_per_image=-1.0), "steps_per_image must be at least 0"),
        (Grid(steps_per_image=float("nan")), "steps_per_image must be finite"),
    ],
)
def test_a_grid_of_impossible_runs_is_refused(grid, words):
    with pytest.raises(InputError, match=words):
        grid.configs(SMALL)


def test_presets_are_possible_runs_without_repetition():
    assert set(PRESETS) == set(get_args(Preset))
    for configs in (*PRESETS.values(), DIGITS_DEMO):
        assert len({config.key for config in configs}) == len(configs) > 2
        for config in configs:
            config.check()
    assert {config.n for config in DIGITS_DEMO} == {32, 64, 128}


def test_digits_cpu_holds_what_each_claim_needs():
    configs = PRESETS["digits-cpu"]
    plain = [c for c in configs if c.batch_size == 64 and c.learning_rate == 2e-3 and c.half == "all"]
    assert {(c.n, c.width, c.seed) for c in plain if c.seed < 2} == {
        (n, w, s) for n in (32, 64, 128, 256) for w in (4, 8, 16) for s in (0, 1)
    }
    at = [c for c in configs if c.n == 64 and c.width == 16 and c.half == "all"]
    assert {c.batch_size for c in at} == {16, 32, 64, 128} and {c.learning_rate for c in at} == {1e-3, 2e-3, 4e-3}
    assert {c.n for c in configs if c.batch_size == c.n} == {32, 64, 128}
    # Those that last until copies appear are of other seeds, and last longer.
    late = [c for c in plain if c.seed >= 2]
    assert {(c.n, c.width) for c in late} == {(32, 8), (64, 8), (32, 16), (64, 16), (128, 16)} and len(late) == 10
    for c in late:
        assert c.steps > 2 * next(p.steps for p in plain if (p.n, p.width, p.seed) == (c.n, c.width, 0))
    first, second = (next(c for c in configs if c.half == half) for half in ("first", "second"))
    # They share the noise that samples start from, and nothing else.
    assert dataclasses.replace(first, half="second", seed=1, sampling_seed=0) == second


def test_the_published_settings():
    """Table 'Settings' of the protocols: Bonnaire et al., Marion and Wu, Favero et al."""
    bonnaire = PRESETS["bonnaire-celeba-like"]
    assert {c.n for c in bonnaire} == {2**k for k in range(7, 16)}
    assert {c.width for c in bonnaire} == {8, 16, 32, 48, 64}
    assert all(c.batch_size == min(c.n, 512) and c.steps <= 11.2e6 for c in bonnaire)
    assert {(c.optimizer, c.learning_rate) for c in bonnaire} == {("sgd", 0.01), ("adam", 1e-4)}
    # As in the released code.
    assert {(c.range, c.dropout, c.drop_channels, c.lowest_step, c.ddim_grid) for c in bonnaire} == {
        ("centered", 0.1, True, 1, "linear")
    }
    steps = bonnaire[0].milestone_steps()
    assert all(step % 250 == 0 for step in steps) and all(step % 5000 == 0 for step in steps if step > 10_000)
    assert steps[:3] == [0, 250, 750] and steps[-1] == bonnaire[0].steps and steps == sorted(set(steps))
    gmm = PRESETS["gmm"]
    assert {(c.optimizer, c.learning_rate, c.network) for c in gmm} == {
        ("sgd", 6e-3, "layernorm-mlp"),
        ("adam", 6e-4, "layernorm-mlp"),
    }
    assert all(c.balanced and c.steps == 4_000_000 and c.lowest_step == 1 for c in gmm)
    wu = PRESETS["marion-wu-cifar10"]
    assert {c.n for c in wu} == {2048, 4096, 8192, 16384} and min(c.batch_size for c in wu) == 16
    assert {min(c.learning_rate for c in wu), max(c.learning_rate for c in wu)} == {1e-5, 1e-4}
    # All end at the same normalised step tau (N_min/N) (B/B_min) (rate/rate_min).
    ends = [c.steps * (2048 / c.n) * c.batch_size * c.learning_rate for c in wu]
    assert max(ends) / min(ends) < 1.001
    favero = PRESETS["favero-cifar10"]
    assert len(favero) == 8 and all(
        dataclasses.replace(c, half="second", seed=1, sampling_seed=0) in favero for c in favero
    )

"""The closed form: reference values, exact limits, and one test body for theory and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, simulate
from tests.tolerances import LIMIT, REFERENCE_CURVES, ROUNDING, SAME_NUMBER

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "reference_curves.json").read_text())
TWO_ATOMS = Spectrum([0.5, 1.5], [0.5, 0.5])


@pytest.mark.parametrize("entry", [r for r in REFERENCES if r["copies"] is None], ids=lambda r: f"psi_n={r['psi_n']}")
def test_reference_curves(entry):
    spectrum = Spectrum(entry["eigenvalues"], entry["weights"])
    model = RandomFeatures(entry["psi_n"], entry["psi_p"], entry["t"], "tanh", spectrum)
    curves = model.learning_curves(entry["tau"])
    for name in ("train", "test", "score"):
        np.testing.assert_allclose(getattr(curves, name), entry[name], rtol=REFERENCE_CURVES)


def closed_form(model, tau):
    return model.learning_curves(tau)


def simulation(model, tau):
    return simulate(model, d=40, seed=3, tau=tau)


@pytest.mark.parametrize("solve", [closed_form, simulation])
@pytest.mark.parametrize("activation", ["tanh", "erf", "arctan", "sin", np.tanh])
class TestTheoryAndSimulation:
    """What must hold for both, for every activation, on data with Tr Sigma / d != 1."""

    spectrum = Spectrum([0.4, 2.0], [0.5, 0.5])
    tau = np.array([0.0, 0.3, 3.0, 30.0, 3e3, np.inf])

    def curves(self, solve, activation):
        return solve(RandomFeatures(2, 3, 0.2, activation, self.spectrum), self.tau)

    def test_initial_values_are_exact(self, solve, activation):
        c = self.curves(solve, activation)
        power = np.mean(1 / (np.exp(-0.4) * np.array([0.4, 2.0]) - np.expm1(-0.4)))
        assert c.train[0] == 1 and c.test[0] == 1
        assert c.score[0] == pytest.approx(power, rel=1e-14)

    def test_train_loss_falls_and_stays_below_test(self, solve, activation):
        c = self.curves(solve, activation)
        assert np.all(np.diff(c.train[:-1]) < 0) and 0 < c.train[-1] <= c.train[-2] + ROUNDING
        # One draw's training set may be easier than average by O(1/d), so only once the losses part.
        assert np.all(c.train[2:] < c.test[2:])

    def test_score_error_is_positive_and_the_test_loss_rises_at_last(self, solve, activation):
        c = self.curves(solve, activation)
        assert np.all(c.score > 0) and c.test[-1] > c.test.min()

    def test_a_vector_of_times_is_a_loop_over_times_in_any_order(self, solve, activation):
        c = self.curves(solve, activation)
        model = RandomFeatures(2, 3, 0.2, activation, self.spectrum)
        for k in (4, 1):
            one = solve(model, self.tau[k])
            assert one.test.shape == ()
            assert one.test == pytest.approx(c.test[k], rel=SAME_NUMBER)
            assert one.train == pytest.approx(c.train[k], rel=SAME_NUMBER)

    def test_infinite_time_is_the_limit(self, solve, activation):
        model = RandomFeatures(2, 3, 0.2, activation, self.spectrum)
        c = solve(model, [1e9, np.inf])
        assert c.test[1] == pytest.approx(c.test[0], rel=LIMIT)
        assert c.train[1] == pytest.approx(c.train[0], rel=LIMIT)


def deviations(model, tau, d, draws):
    """Mean |simulation - theory| of the test loss over independent draws in dimension d."""
    theory = model.learning_curves(tau).test
    return np.mean([np.abs(simulate(model, d, seed, tau).test - theory) for seed in range(draws)])


def test_simulation_approaches_theory_like_one_over_d():
    """A linear statistic of a random matrix fluctuates by O(1/d): the fitted exponent must be near one."""
    model, tau = RandomFeatures(2, 4, 0.1, "tanh", TWO_ATOMS), [3.0, 30.0, 300.0]
    sizes = np.array([16, 32, 64, 110])
    gaps = [deviations(model, tau, d, draws) for d, draws in zip(sizes, (32, 16, 8, 6))]
    slope = np.polyfit(np.log(sizes), np.log(gaps), 1)[0]
    assert -1.45 < slope < -0.6, gaps


def test_simulation_of_another_model_does_not_fit():
    """Negative control: at psi_n = 2 the theory of psi_n = 3 is off by far more than the finite size explains."""
    tau = [300.0]
    run = simulate(RandomFeatures(2, 4, 0.1), d=128, seed=0, tau=tau)
    right, wrong = (RandomFeatures(n, 4, 0.1).learning_curves(tau).test for n in (2, 3))
    assert abs(run.test - right) < 0.1 * abs(run.test - wrong)


def test_a_draw_is_repeatable_and_seeds_differ():
    model = RandomFeatures(1, 2, 0.1)
    a, b, c = (simulate(model, d=20, seed=s, tau=[10.0]).test for s in (1, 1, 2))
    assert a == b and a != c


@settings(max_examples=40, deadline=None)
@given(
    strategies.floats(-1, 3),
    strategies.floats(-1, 3),
    strategies.floats(-2, 0.5),
    strategies.floats(-1, 5),
    strategies.floats(0, 1),
)
def test_any_parameters_give_sane_losses(log_n, log_p, log_t, log_tau, split):
    model = RandomFeatures(10**log_n, 10**log_p, 10**log_t, spectrum=Spectrum([0.01 + split, 3.0], [0.7, 0.3]))
    c = model.learning_curves([10**log_tau, 10 ** (log_tau + 0.3)])
    assert 0 <= c.train[1] <= c.train[0] + 1e-12 and c.train[0] <= 1 + 1e-12
    assert np.all(c.test >= model.bayes_loss - 1e-9) and np.all(c.test >= c.train - 1e-12)


def test_more_data_never_hurts_at_a_fixed_early_time():
    test = [RandomFeatures(n, 8, 0.1).learning_curves(10.0).test for n in (1, 4, 16, 64)]
    assert np.all(np.diff(test) < 0)


@pytest.mark.parametrize("name", ["psi_n", "psi_p", "t"])
@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "x"])
def test_bad_parameters_are_refused(name, value):
    if name == "psi_p" and value == np.inf:
        pytest.skip("infinite width is a limit that exists: test_infinite_width.py")
    with pytest.raises(InputError, match=name):
        RandomFeatures(**({"psi_n": 1.0, "psi_p": 1.0, "t": 0.1} | {name: value}))


@pytest.mark.parametrize("tau", [-1.0, [1.0, np.nan]])
@pytest.mark.parametrize("solve", [closed_form, simulation])
def test_bad_times_are_refused(solve, tau):
    with pytest.raises(InputError, match="tau"):
        solve(RandomFeatures(1, 1, 0.1), tau)

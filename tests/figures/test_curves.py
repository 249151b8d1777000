"""Learning curves: predictions are the models', the simulated bias is that of the mean network, panels are rescaled."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.linalg import expm

from genmem.figures.drawing import style
from genmem.figures.pictures import curves
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.network import draw_network
from tests.tolerances import SAME_NUMBER, STANDARD_ERRORS

MODELS = [RandomFeatures(n, 4, 0.3, spectrum=Spectrum([0.5, 1.5])) for n in (2, 4)]


@pytest.fixture(scope="module")
def data():
    return curves.curves(MODELS, draws={10: 24, 20: 12}, seed=0, points=25, every=6)


def test_lines_are_the_models_predictions(data):
    for k, model in enumerate(MODELS):
        expected = model.learning_curves(data.tau.values)
        for name in curves.LABELS:
            assert np.array_equal(data[name][k], getattr(expected, name))
    assert np.allclose(data.bias + data.variance, data.score, rtol=SAME_NUMBER)


def test_points_are_means_over_draws_extrapolated_in_one_over_d(data):
    tau = data.tau_simulated.values
    assert np.array_equal(tau, data.tau.values[::6])
    runs = {d: simulate(MODELS[0], d, 0, tau, draws=draws) for d, draws in ((10, 24), (20, 12))}
    for name in ("train", "test", "score"):
        first, second = (getattr(run, name) for run in runs.values())
        assert np.allclose(data[f"finite_{name}"][0], [first, second], rtol=SAME_NUMBER)
        assert np.allclose(data[f"simulated_{name}"][0], 2 * second - first, rtol=SAME_NUMBER)
        errors = [run.standard_error[name] for run in runs.values()]
        assert np.allclose(data[f"error_{name}"][0], np.hypot(errors[0], 2 * errors[1]), rtol=SAME_NUMBER)


def test_simulations_agree_with_the_predictions(data):
    """Within their errors and what is left of order 1/d^2, which for one dimension alone would be of order 1/d."""
    lines = data.sel(tau=data.tau_simulated.values)
    for name in curves.LABELS:
        distance = np.abs(data[f"simulated_{name}"].values - lines[name].values)
        assert np.all(distance < STANDARD_ERRORS * data[f"error_{name}"].values + 0.1 * lines[name].values)
    finite = np.abs(data.finite_variance.sel(d=10).values / lines.variance.values - 1)
    extrapolated = np.abs(data.simulated_variance.values / lines.variance.values - 1)
    assert np.median(extrapolated) < 0.5 * np.median(finite)


def test_the_bias_is_that_of_pairs_of_networks():
    """E (c - c*)(c' - c*) over two independent networks is the squared miss of the mean one, with no variance in it."""
    model, tau, d, draws = MODELS[0], np.array([3.0, 300.0]), 10, 5
    mean, error = curves.simulated(model, d, draws, 7, tau)["bias"]
    modes = [simulate(model, d, np.random.SeedSequence(7, spawn_key=(k,)), tau).modes for k in range(draws)]
    miss = np.array(modes) - model.target_modes
    pairs = [
        model.spectrum.average(miss[k] * miss[j] / -model.target_modes)
        for k in range(draws) for j in range(draws) if k != j
    ]  # fmt: skip
    assert np.allclose(mean, np.mean(pairs, axis=0), rtol=SAME_NUMBER) and np.all(error > 0)
    naive = model.spectrum.average(miss.mean(axis=0) ** 2 / -model.target_modes)
    assert np.all(naive > mean)


def test_bias_and_variance_are_those_of_the_networks_outputs():
    """Each network is written out and evaluated on fresh points; its linear part is a regression on them."""
    model, tau, d, draws = MODELS[0], 100.0, 24, 24
    found = {name: mean[0] for name, (mean, _) in curves.simulated(model, d, draws, 3, [tau]).items()}
    rng = np.random.default_rng(0)
    covariance = np.exp(-0.6) * np.repeat([0.5, 1.5], d // 2) + model.constants.delta
    y = rng.standard_normal((10_000, d)) * np.sqrt(covariance)
    misses = []
    for k in range(draws):
        network = draw_network(model, d, np.random.default_rng(np.random.SeedSequence(3, spawn_key=(k,))))
        u, v = network.train_moments()
        learned = np.linalg.solve(u, (expm(-2 * model.constants.delta * d / len(u) * tau * u) - np.eye(len(u))) @ v)
        misses.append(network.features(y) @ learned / np.sqrt(model.constants.delta) + y / covariance)
    misses = np.array(misses)

    def squared_mean(values):
        """Of independent rows: their mean's square, less the share of the variance that is in it."""
        return (draws * values.mean(axis=0) ** 2 - np.mean(values**2, axis=0)) / (draws - 1)

    # The mean miss is linear but for a part of order 1/d: the slopes of equal eigenvalues are one slope.
    slopes = (np.mean(misses * y, axis=1) / covariance).reshape(draws, 2, -1).mean(axis=2)
    bias = np.mean(squared_mean(slopes) * covariance[[0, -1]])
    assert found["score"] == pytest.approx(np.mean(misses**2), rel=0.02)
    assert found["bias"] == pytest.approx(bias, rel=0.08)
    assert found["variance"] == pytest.approx(np.mean(misses**2) - bias, rel=0.02)
    assert bias < np.mean(squared_mean(misses)) < bias + 0.3 / d


def test_curves_are_drawn_against_time_and_against_rescaled_time(data):
    for width in (style.SINGLE, style.DOUBLE):
        panels = np.reshape(curves.build(data, width).axes, (2, 2))
        colours = style.ordered(2)
        for row, names in enumerate((curves.LOSSES, curves.SCORES)):
            for column in (0, 1):
                for k, colour in enumerate(colours):
                    scale = float(data.psi_n[k]) if column else 1.0
                    lines = [line for line in panels[row, column].lines if to_hex(line.get_color()) == colour]
                    for name in names:
                        for x, y in ((data.tau, data[name]), (data.tau_simulated, data[f"simulated_{name}"])):
                            wanted = np.column_stack([x / scale, y[k]])
                            assert any(np.array_equal(np.column_stack(line.get_data()), wanted) for line in lines)


def test_error_bars_are_one_standard_error_long(data):
    axes = curves.build(data).axes[0]
    bars = [container for container in axes.containers if container.has_yerr]
    assert len(bars) == 4
    segments = np.array(bars[1].lines[2][0].get_segments())
    assert np.allclose(np.diff(segments[:, :, 1])[:, 0] / 2, data.error_test[0])
    assert np.allclose(segments[:, :, 1].mean(axis=1), data.simulated_test[0])

"""The measured windows: recorded losses and fractions, and bars between the geometric means of the times."""

import numpy as np
import pytest
from scipy.stats import gmean

from genmem.empirics.analysis.measure import times_of
from genmem.empirics.records.runs import find
from genmem.figures.drawing import style
from genmem.figures.pictures import measured_windows
from tests.figures.recorded import losses


@pytest.fixture(scope="module")
def data(runs):
    return measured_windows.calculate(find(runs))


def bars_of(figure):
    return next(axes for axes in figure.axes if axes.get_yticklabels()[0].get_text().startswith("$n$"))


def test_curves_are_the_recorded_losses_and_fractions(data, runs):
    record = find(runs)[3]
    run = data.isel(run=3)
    # As written: an exponential fall with 5 % left at `gen`, then a rise that is 10 % of the fall at `mem`.
    test = losses(record.steps, gen=150 * 1.05, mem=15 * record.config.n * 1.1)[1]
    start = losses(0, gen=150 * 1.05, mem=15 * record.config.n * 1.1)[1]
    np.testing.assert_allclose(run.excess, (test - test.min()) / (start - test.min()), atol=1e-5)
    quality, _, copies = measured_windows.build(data).axes
    drawn = [line for line in quality.lines if line.get_linestyle() != "None"]
    assert np.array_equal(drawn[3].get_xdata(), record.steps) and np.array_equal(drawn[3].get_ydata(), run.excess)
    drawn = [line for line in copies.lines if line.get_linestyle() != "None"]
    assert np.array_equal(drawn[3].get_ydata(), record.f_mem)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_bars_reach_from_tau_gen_to_tau_mem(data, runs, width):
    bars = bars_of(measured_windows.build(data, width))
    window = bars.patches[1]  # the second part of the lowest bar, n = 32
    pair = [times_of(record) for record in find(runs) if record.config.n == 32]
    assert window.get_x() == pytest.approx(gmean([times.gen.value for times in pair]))
    assert window.get_x() + window.get_width() == pytest.approx(gmean([times.mem.value for times in pair]))


def test_a_window_whose_end_was_not_seen_has_no_square_and_ends_with_the_runs(data, runs):
    """The runs at n = 128 end at step 1500, before they memorize."""
    assert all(times_of(record).mem.censored for record in find(runs) if record.config.n == 128)
    bars = bars_of(measured_windows.build(data))
    heights = [float(line.get_ydata()[0]) for line in bars.lines if line.get_marker() == style.TIME_MARKERS["mem"]]
    assert heights == [0, 1]
    assert bars.patches[7].get_x() + bars.patches[7].get_width() == pytest.approx(1500)
    assert bars.patches[8].get_width() == 0


def test_times_that_were_not_seen_are_not_marked_on_the_curves(data):
    quality = measured_windows.build(data).axes[0]
    squares = [line for line in quality.lines if line.get_marker() == style.TIME_MARKERS["mem"]]
    assert len(squares) == int((~data.censored.sel(event="mem").astype(bool)).sum()) == 4


def test_markers_lie_at_the_levels_that_define_the_times(data):
    """On the curve drawn, tau_gen is where 5 % is left and tau_mem where 10 % has come back."""
    quality = measured_windows.build(data).axes[0]
    for kind, level in (("gen", 0.05), ("mem", 0.1)):
        heights = [line.get_ydata()[0] for line in quality.lines if line.get_marker() == style.TIME_MARKERS[kind]]
        assert heights and np.allclose(heights, level, atol=0.01)

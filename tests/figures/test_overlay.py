"""The overlay draws the records and the theory on the map, and says what was fitted."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from genmem.empirics.records.runs import find
from genmem.figures.pictures import on_diagram, style
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.phases import PHASES
from tests.tolerances import MAP_SCALE


@pytest.fixture(scope="module")
def data(runs):
    return on_diagram.calculate(find(runs))


def test_regimes_are_those_of_the_theory_at_the_training_time(data):
    from genmem.empirics.data.datasets import load

    spectrum = Spectrum.from_data(load("digits").pool.reshape(-1, 64))
    tau = data.regime.attrs["tau"]
    for i, j in ((0, 0), (15, 10), (29, 29), (20, 3)):
        times = RandomFeatures(float(data.psi_n[j]), float(data.psi_p[i]), data.attrs["t"], spectrum=spectrum).timescales()
        if tau < times.gen:
            expected = "underfit"
        elif np.isinf(times.mem):
            expected = "architectural_regularization"
        else:
            expected = "memorization" if tau >= times.mem else "generalization"
        assert PHASES[int(data.regime[i, j])] == expected


def test_phases_of_the_runs_are_read_off_their_times(data):
    # One setting: all runs have lived equally long at a tau. Times as the fixture wrote them.
    assert np.all(data.phase.values >= 1) and len(np.unique(data.phase)) >= 2
    step = data.regime.attrs["tau"] * data.attrs["steps_per_tau"]
    gen, mem = (data.measured.sel(event=event).values for event in ("gen", "mem"))
    expected = np.where(step < gen, "underfit", np.where(step < mem, "generalization", "memorization"))
    assert [PHASES[code] for code in data.phase.values] == expected.tolist()


def test_lines_go_through_the_predictions_of_the_runs(data):
    line = data.line.isel(width=0)
    for run in range(data.sizes["run"]):
        for event in ("gen", "mem"):
            at = np.interp(np.log(float(data.n[run])), np.log(data.n_line), np.log(line.sel(event=event)))
            assert np.exp(at) == pytest.approx(float(data.predicted.sel(event=event)[run]), rel=0.01)
    ends = line.isel(n_line=[0, -1]).sel(event="mem").values
    assert ends == pytest.approx(data.predicted.sel(event="mem").values[[0, -1]], rel=MAP_SCALE)


def test_the_panels_draw_the_data(data):
    figure = on_diagram.build(data, style.DOUBLE)
    plane, times, residual, exponents = figure.axes
    markers = [line for line in plane.lines if line.get_marker() != "None"]
    assert len(markers) == data.sizes["run"]
    assert {to_hex(line.get_markerfacecolor()) for line in markers} <= {style.YELLOW.lower(), style.GREEN.lower(),
                                                                       style.VERMILION.lower()}
    drawn = np.concatenate([line.get_ydata() for line in times.lines if line.get_linestyle() == "None"])
    shown = data.measured.sel(event=["gen", "mem"]).values
    assert sorted(drawn) == sorted(shown.ravel())
    ratios = np.concatenate([line.get_ydata() for line in residual.lines if line.get_linestyle() == "None"])
    assert sorted(ratios) == pytest.approx(sorted((data.measured / data.predicted).values.ravel()))
    assert len(residual.texts) == int(data.censored.sum())  # an arrow for each bound
    assert [label.get_text() for label in exponents.get_yticklabels()] == [
        rf"{style.TIME_LABELS[event]} in $n$" for event in ("gen", "gap", "mem")
    ]
    text = figure.get_suptitle()
    assert "n/64" in text and "95 %" in text and "steps per" in text


def test_records_without_networks_to_map_are_refused(runs):
    with pytest.raises(InputError):
        on_diagram.calculate([])

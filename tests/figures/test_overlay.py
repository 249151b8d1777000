"""The overlay draws the records and the theory on the map, and says what was fitted."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from genmem.empirics.analysis.measure import measure
from genmem.empirics.data.datasets import load
from genmem.empirics.records.runs import find
from genmem.figures.drawing import overlaid, phase_diagram, style
from genmem.figures.pictures import overlay
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.phases import PHASES
from tests.tolerances import MAP_SCALE


@pytest.fixture(scope="module")
def data(runs):
    return overlay.calculate(find(runs))


def test_regimes_are_those_of_the_theory_at_the_training_time(data):
    spectrum = Spectrum.from_data(load("digits").pool.reshape(-1, 64))
    tau = float(data.tau)
    for i, j in ((0, 0), (15, 10), (39, 39), (20, 3)):
        times = RandomFeatures(
            float(data.psi_n[j]), float(data.psi_p[i]), data.attrs["t"], spectrum=spectrum
        ).timescales()
        if tau < times.gen:
            expected = "underfit"
        elif np.isinf(times.mem):
            expected = "architectural_regularization"
        else:
            expected = "memorization" if tau >= times.mem else "generalization"
        assert PHASES[int(data.phase[i, j])] == expected


def test_phases_of_the_runs_are_read_off_their_times(data):
    # One setting: all runs have lived equally long at a tau. Times as the fixture wrote them.
    assert np.all(data.run_phase.values >= 1) and len(np.unique(data.run_phase)) >= 2
    step = float(data.tau) * data.attrs["steps_per_tau"]
    gen, mem = (data.measured.sel(event=event).values for event in ("gen", "mem"))
    expected = np.where(step < gen, "underfit", np.where(step < mem, "generalization", "memorization"))
    assert [PHASES[code] for code in data.run_phase.values] == expected.tolist()


def test_times_copies_and_laws_are_those_of_the_measurement(data, runs):
    measurement = measure(find(runs))
    for event in overlaid.RECORDED:
        assert data.measured.sel(event=event).values.tolist() == [getattr(run, event).value for run in measurement.runs]
        assert data.exponent.sel(law=f"{event} n") == pytest.approx(measurement.exponents[event].value, nan_ok=True)
    assert data.censored.sel(event="mem").values.tolist() == [False] * 4 + [True] * 2
    assert data.f_mem.values.tolist() == [run.record.f_mem[-1] for run in measurement.runs]
    assert data.predicted.sel(event="copy").isnull().all()


def test_a_chosen_psi_p_and_t_are_taken(runs):
    chosen = overlay.calculate(find(runs), t=0.01, psi_p=16.0)
    assert (chosen.attrs["psi_p"], chosen.attrs["psi_p_fitted"], chosen.attrs["t"]) == (16, 0, 0.01)
    spectrum = Spectrum.from_data(load("digits").pool.reshape(-1, 64))
    tau = chosen.predicted.sel(event="mem") / chosen.attrs["steps_per_tau"]
    model = RandomFeatures(64 / 64, 16.0, 0.01, spectrum=spectrum)
    assert float(tau[chosen.n.values == 64][0]) == pytest.approx(model.timescales().mem, rel=MAP_SCALE)


def test_runs_that_coincide_are_drawn_side_by_side_at_their_own_place(data):
    figure = overlay.build(data, style.SINGLE)
    markers = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    for line, run in zip(markers, np.argsort(data.run_psi_n.values, kind="stable"), strict=True):
        assert line.get_xdata()[0] == data.run_psi_n[run] and line.get_ydata()[0] == data.run_psi_p[run]
    # Moved on the page alone: by some points, and no two of them to one place.
    places = [tuple(np.round(line.get_transform().transform(line.get_xydata()[0]), 3)) for line in markers]
    assert len(set(places)) == len(places)
    assert figure.get_figheight() < 6.5


def test_lines_go_through_the_predictions_of_the_runs(data):
    line = data.line.isel(width=0)
    for run in range(data.sizes["run"]):
        for event in ("gen", "mem"):
            at = np.interp(np.log(float(data.n[run])), np.log(data.n_line), np.log(line.sel(event=event)))
            assert np.exp(at) == pytest.approx(float(data.predicted.sel(event=event)[run]), rel=0.01)
    ends = line.isel(n_line=[0, -1]).sel(event="mem").values
    assert ends == pytest.approx(data.predicted.sel(event="mem").values[[0, -1]], rel=MAP_SCALE)


def test_the_panels_draw_the_data(data):
    figure = overlay.build(data, style.DOUBLE)
    plane, times, residual, exponents = figure.axes
    markers = [line for line in plane.lines if line.get_marker() != "None"]
    assert len(markers) == data.sizes["run"]
    fills = {to_hex(line.get_markerfacecolor()) for line in markers}
    assert fills <= {colour.lower() for colour in phase_diagram.STRONG.values()}
    assert not fills & {colour.lower() for colour in style.TIME_COLOURS.values()}
    drawn = np.concatenate([line.get_ydata() for line in times.lines if line.get_linestyle() == "None"])
    shown = data.measured.sel(event=["gen", "mem"]).values
    assert sorted(drawn) == sorted(shown.ravel())
    ratios = np.concatenate([line.get_ydata() for line in residual.lines if line.get_linestyle() == "None"])
    assert sorted(ratios) == pytest.approx(
        sorted((data.measured / data.predicted).sel(event=["gen", "gap", "mem"]).values.ravel())
    )
    assert len(residual.texts) == int(data.censored.sel(event=["gen", "gap", "mem"]).sum())  # an arrow for each bound
    assert [label.get_text() for label in exponents.get_yticklabels()] == [
        rf"{style.TIME_LABELS[event]} in $n$" for event in ("gen", "gap", "mem", "copy")
    ]
    text = figure.get_suptitle()
    assert "n/64" in text and "95 %" in text and "steps per" in text


def test_records_without_networks_to_map_are_refused(runs):
    with pytest.raises(InputError):
        overlay.calculate([])

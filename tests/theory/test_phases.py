"""Phase diagrams: the grid is the models' own times, the phases follow their definition."""

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.shared.resumable import ResumableRows
from genmem.theory import RandomFeatures, Spectrum, phase_diagram
from genmem.theory.phases import PHASES, classify


@pytest.fixture(scope="module")
def diagram():
    return phase_diagram([2, 8, 32, 2048], [4, 64], 0.1, spectrum=Spectrum([0.5, 1.5]), tau=400.0)


def test_grid_points_are_the_models_times(diagram):
    for p in (4, 64):
        for n in (2, 32):
            times = RandomFeatures(n, p, 0.1, spectrum=Spectrum([0.5, 1.5])).timescales()
            point = diagram.sel(psi_n=n, psi_p=p)
            assert [float(point[f"tau_{k}"]) for k in ("gen", "mem", "gap")] == [times.gen, times.mem, times.gap]


def test_phases_at_a_training_time(diagram):
    names = [PHASES[k] for k in diagram.phase.sel(psi_p=64).values]
    assert names == ["memorization", "memorization", "generalization", "architectural_regularization"]
    assert bool(diagram.solved.all())


def test_several_training_times_are_one_diagram_each(diagram):
    both = phase_diagram([2, 8, 32, 2048], [4, 64], 0.1, spectrum=Spectrum([0.5, 1.5]), tau=[20.0, 400.0])
    assert both.phase.dims == ("tau", "psi_p", "psi_n") and both.psi_n_memorization.dims == ("tau", "psi_p")
    assert both.sel(tau=400.0).identical(diagram)
    early = both.sel(tau=20.0)
    assert np.array_equal(early.phase, classify(20.0, diagram.tau_gen, diagram.tau_mem))
    assert np.any(early.phase != diagram.phase) and np.all(early.psi_n_memorization < diagram.psi_n_memorization)


def test_each_phase_has_its_definition():
    inf, nan = np.inf, np.nan
    codes = classify(10.0, [inf, 20, 5, 5, 5, nan], [inf, 90, 90, 9, inf, nan])
    assert codes.tolist() == [0, 1, 2, 3, 4, -1]


def test_a_diagram_survives_the_disk(diagram, tmp_path):
    import xarray

    diagram.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as again:
        assert np.array_equal(again.tau_mem, diagram.tau_mem) and again.phase.tau == 400.0
        assert again.phase.attrs["flag_meanings"].split() == list(PHASES)


def test_lines_between_the_phases_are_where_the_times_say(diagram):
    """tau_mem crosses the training time at psi_n_memorization and becomes infinite at psi_n_architectural."""
    spectrum = Spectrum([0.5, 1.5])
    for p in (4, 64):
        row = diagram.sel(psi_p=p)
        mem = lambda n: RandomFeatures(n, p, 0.1, spectrum=spectrum).timescales().mem  # noqa: E731
        threshold, line = float(row.psi_n_architectural), float(row.psi_n_memorization)
        assert np.isfinite(mem(0.999 * threshold)) and np.isinf(mem(1.001 * threshold))
        assert mem(0.999 * line) < 400 < mem(1.001 * line)


def test_threshold_beyond_the_grid_is_found():
    inside = phase_diagram([2, 2048], [16], 0.1).psi_n_architectural.item()
    below = phase_diagram([2, 4], [16], 0.1).psi_n_architectural.item()
    above = phase_diagram([1024, 2048], [16], 0.1).psi_n_architectural.item()
    assert inside == pytest.approx(below, rel=3e-4) and inside == pytest.approx(above, rel=3e-4)


def test_losses_copies_and_ridge_are_the_models():
    data = phase_diagram([2, 8], [4, 6], 0.1, losses_at=[3.0, 300.0], copies=3, ridge=1e-3)
    curves = RandomFeatures(8, 4, 0.1, copies=3, ridge=1e-3).learning_curves([3.0, 300.0])
    point = data.sel(psi_n=8, psi_p=4)
    assert np.array_equal(point.test, curves.test) and np.array_equal(point.train, curves.train)
    assert data.attrs["copies"] == 3


def test_an_interrupted_diagram_goes_on_where_it_was(tmp_path, monkeypatch):
    axes, path = ([2, 8], [1, 2, 4, 8, 16, 32]), tmp_path / "rows.npz"
    whole = phase_diagram(*axes, 0.1)
    put, count = ResumableRows.put, []

    def interrupted(self, i, row):
        put(self, i, row)
        count.append(i)
        if len(count) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ResumableRows, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        phase_diagram(*axes, 0.1, resume=path)
    assert path.exists()
    with pytest.raises(InputError, match="belongs to another"):
        phase_diagram(*axes, 0.2, resume=path)
    again = phase_diagram(*axes, 0.1, resume=path)
    assert again.identical(whole) and sorted(count) == [0, 1, 2, 3, 4, 5] and not path.exists()


def test_a_damaged_resume_file_is_refused(tmp_path):
    (tmp_path / "rows.npz").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="resume"):
        phase_diagram([1, 2], [1, 2], 0.1, resume=tmp_path / "rows.npz")


@pytest.mark.parametrize("axis", [[2, 1], [1, 1], [0, 1], [], [1, np.nan]])
def test_bad_axes_are_refused(axis):
    with pytest.raises(InputError, match="psi_n"):
        phase_diagram(axis, [1, 2], 0.1)

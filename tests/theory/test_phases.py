"""Phase diagrams: the grid is the models' own times, the phases follow their definition."""

import numpy as np
import pytest

from theory import RandomFeatures, Spectrum, phase_diagram
from theory.errors import InputError
from theory.phases import PHASES, classify


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


def test_each_phase_has_its_definition():
    inf, nan = np.inf, np.nan
    codes = classify(10.0, [inf, 20, 5, 5, 5, nan], [inf, 90, 90, 9, inf, nan])
    assert codes.tolist() == [0, 1, 2, 3, 4, -1]


def test_a_diagram_survives_the_disk(diagram, tmp_path):
    import xarray

    diagram.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as again:
        assert np.array_equal(again.tau_mem, diagram.tau_mem) and again.phase.attrs["tau"] == 400.0
        assert again.phase.attrs["flag_meanings"].split() == list(PHASES)


@pytest.mark.parametrize("axis", [[2, 1], [1, 1], [0, 1], [], [1, np.nan]])
def test_bad_axes_are_refused(axis):
    with pytest.raises(InputError, match="psi_n"):
        phase_diagram(axis, [1, 2], 0.1)

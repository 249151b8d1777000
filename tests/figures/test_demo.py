"""What is finished is kept, what is not is made anew, and the page holds the numbers of the data beside it."""

import shutil

import pytest
import xarray

from empirics.runs import find
from figures import demo
from tests.figures import made


@pytest.fixture
def counted():
    """A computation that counts how often it is done."""

    def compute():
        compute.calls += 1
        return made.curves()

    compute.calls = 0
    return compute


def test_a_finished_piece_is_not_computed_again(tmp_path, counted):
    path = tmp_path / "piece.nc"
    first = demo._kept(path, {"psi_n": 8}, counted)
    second = demo._kept(path, {"psi_n": 8}, counted)
    assert counted.calls == 1
    xarray.testing.assert_equal(first, second)
    assert second.attrs["tau_mem"] == 800


def test_a_piece_of_another_recipe_is_computed_anew(tmp_path, counted):
    path = tmp_path / "piece.nc"
    demo._kept(path, {"psi_n": 8}, counted)
    demo._kept(path, {"psi_n": 16}, counted)
    demo._kept(path, {"psi_n": 16}, counted)
    assert counted.calls == 2


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_piece_is_computed_anew(tmp_path, counted, keep):
    path = tmp_path / "piece.nc"
    demo._kept(path, {}, counted)
    path.write_bytes(path.read_bytes()[:keep])
    demo._kept(path, {}, counted)
    assert counted.calls == 2 and xarray.load_dataset(path).tau.size == 96


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo._kept(tmp_path / "piece.nc", {}, interrupted)
    assert not list(tmp_path.iterdir())


def test_demo_on_finished_runs_trains_nothing_and_reports_their_numbers(tmp_path, runs, monkeypatch, capsys):
    shutil.copytree(runs, tmp_path / "runs")
    recorded = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    monkeypatch.setattr(demo, "SIMULATED_DIMENSION", 12)
    monkeypatch.setattr(demo, "GRID", demo.GridFlags(points=4))
    configs = [record.config for record in find(runs)]
    page = demo.run(tmp_path, configs, workers=1)
    text = page.read_text()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")} == recorded
    assert text.count("data:image/png;base64,") == 6
    assert "6 U-Nets were trained; 4 of them ran until they memorized" in text
    overlay = xarray.load_dataset(tmp_path / "overlay.nc")
    assert f"{overlay.attrs['residual_factor']:.2f}" in text
    made_here = {path.name for path in tmp_path.iterdir()}
    names = {"learning_curves", "simulation", "phase_diagram", "training", "overlay", "samples"}
    assert {f"{name}.{kind}" for name in names for kind in ("pdf", "png")} <= made_here
    assert {"learning_curves.nc", "simulation.nc", "phase_diagram.nc", "overlay.nc", "index.html", "runs"} <= made_here
    assert "[6/6]" in capsys.readouterr().out

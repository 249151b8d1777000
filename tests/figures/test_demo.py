"""The demonstration trains nothing twice, and its page holds the numbers of the data beside it."""

import shutil

import xarray

from genmem.empirics.records.runs import find
from genmem.figures.report import demo


def test_demo_on_finished_runs_trains_nothing_and_reports_their_numbers(tmp_path, runs, monkeypatch, capsys):
    shutil.copytree(runs, tmp_path / "runs")
    recorded = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    monkeypatch.setattr(demo, "SIMULATED_DIMENSION", 12)
    monkeypatch.setattr(demo, "GRID", demo.GridFlags(points=4))
    configs = [record.config for record in find(runs)]
    page = demo.run(tmp_path, configs, workers=1)
    text = page.read_text()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")} == recorded
    assert text.count("<img") == 6 and text.count("data:image/png;base64,") == 12
    assert "6 U-Nets were trained; 4 of them ran until they memorized" in text
    overlay = xarray.load_dataset(tmp_path / "overlay.nc")
    assert f"{overlay.attrs['residual_factor']:.2f}" in text
    made_here = {path.name for path in tmp_path.iterdir()}
    names = {"learning_curves", "simulation", "phase_diagram", "training", "overlay", "samples"}
    assert {f"{name}{width}.{kind}" for name in names for width in ("", "-double") for kind in ("pdf", "png")} <= made_here
    assert {"learning_curves.nc", "simulation.nc", "phase_diagram.nc", "overlay.nc", "index.html", "runs"} <= made_here
    assert "[6/6]" in capsys.readouterr().out

"""The demonstration trains nothing twice, and its page holds the numbers of the data beside it."""

import shutil

import pytest
import xarray

from genmem.empirics.records.runs import find
from genmem.figures.report import demo, sentences


@pytest.mark.slow
def test_demo_on_finished_runs_trains_nothing_and_reports_their_numbers(tmp_path, runs, monkeypatch, capsys):
    shutil.copytree(runs, tmp_path / "runs")
    recorded = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    monkeypatch.setattr(demo, "SIMULATED_DIMENSION", 12)
    monkeypatch.setattr(demo, "POINTS", 4)
    configs = [record.config for record in find(runs)]
    page = demo.run(tmp_path, configs, workers=1)
    text = page.read_text()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")} == recorded
    names = ("learning_curves", "simulation", "phase_diagram", "digits/training", "digits/overlay", "digits/samples")
    for name in names:
        files = [tmp_path / f"{name}{width}.{kind}" for width in ("", "-double") for kind in ("pdf", "png")]
        assert all(path.exists() for path in (*files, tmp_path / f"{name}.nc"))
    assert text.count("<img") == len(list(tmp_path.glob("*.png")) + list(tmp_path.glob("digits/*.png"))) / 2
    assert "6 U-Nets were trained; 4 of them ran until they memorized" in text
    overlay = xarray.load_dataset(tmp_path / "digits" / "overlay.nc")
    assert f"{overlay.attrs['residual_factor']:.2f}" in text
    for row in sentences.ratio_table(overlay):
        assert f"<td>{row['measured'].replace('>', '&gt;')}</td><td>{row['predicted']}</td><td>" in text
    assert "within 1" in text and "passes through" in text  # what the simulation and the phase diagram say
    assert "[5/5]" in capsys.readouterr().out

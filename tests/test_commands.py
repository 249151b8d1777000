"""The front door: every command answers quickly; what is wrong is refused in one sentence, and nothing is written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

import genmem
from genmem import commands
from genmem.__main__ import main
from genmem.commands import NAMES
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.prediction import LOSSES
from genmem.theory.timescales import Fractions
from tests.tolerances import PRINTED

HEAVY = {"torch", "diffusers", "numba", "scipy", "matplotlib", "xarray", "sklearn", "pandas", "bokeh", "dask"}


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the command line in an empty folder; gives its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["genmem", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


def test_help_loads_nothing_heavy():
    """Each command's help, one after another in one process; the overview does without the parser too."""
    code = f"""
import sys
from genmem.__main__ import main
def loaded():
    return sorted({HEAVY!r} & sys.modules.keys())
for arguments in {[[], *([name] for name in NAMES)]!r}:
    sys.argv = ["genmem", *arguments, "--help"]
    try:
        main()
    except SystemExit:
        pass
    if not arguments:
        print("OVERVIEW", loaded(), "tyro" in sys.modules, "numpy" in sys.modules)
print("LOADED", loaded())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.endswith("LOADED []\n") and "OVERVIEW [] False False\n" in result.stdout
    for name in NAMES:
        assert f"usage: genmem {name} " in result.stdout


def test_each_command_stands_in_the_overview_and_in_a_module_of_its_name(run):
    code, output, _ = run()
    assert code == 0 and all(re.search(rf"^  {name}  +\w", output, re.M) for name in NAMES)
    modules = {path.stem for path in (Path(commands.__file__).parent).glob("*.py")}
    shared = {"__init__", "config_file", "flags", "run_flags", "terminal"}
    assert modules - shared == {name.replace("-", "_") for name in NAMES}


def test_the_package_is_a_command_too(tmp_path):
    module = subprocess.run([sys.executable, "-m", "genmem", "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert module.stdout == f"genmem {genmem.__version__}\n" and module.returncode == 0


@pytest.mark.parametrize(
    ("word", "meant"), [("prdict", "'predict'"), ("phase_diagram", "'phase-diagram'"), ("--verson", "")]
)
def test_a_mistyped_command_is_told_the_nearest(run, word, meant):
    code, output, errors = run(word, "--psi-n", 3)
    assert code == 2 and output == "" and errors.count("\n") == 1
    assert f"{word!r} was given" in errors and ("did you mean" in errors) == bool(meant) and meant in errors


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_flag_is_refused(run, name, tmp_path):
    places = {"stopping": ["runs"], "closed-form": ["run"], "export": ["runs", "copies"]}.get(name, [])
    code, _, errors = run(name, *places, "--no-such-flag", "1")
    assert code == 2 and "no-such-flag" in errors
    assert not list(tmp_path.iterdir())


BAD = [
    ("predict --psi-n -1", "psi_n must be positive, but -1.0 was given"),
    ("predict --psi-p nan", "psi_p must be a positive number or inf"),
    ("predict --t 0", "t must be positive"),
    ("predict --tau 10 1", "tau must increase, but 10, 1 was given"),
    ("predict --activation tahn", "did you mean 'tanh'?"),
    ("predict --eigenvalues 1 2 --weights 0.5 0.6", "weights must sum to one"),
    ("predict --eigenvalues 1 2 --weights 1", "must be lists of one length"),
    ("predict --spectrum mp", "spectrum must be power-law:"),
    ("predict --spectrum mp:ratio=2 --eigenvalues 1 2", "spectrum must be given without eigenvalues and weights"),
    ("predict --floor lowest", "floor must be minimum, bayes or a loss, but 'lowest' was given"),
    ("predict --fractions 0.05 2 0.1", "fractions.mem must lie between 0 and 1"),
    ("simulate --draws 0", "draws must be a whole number of at least 1"),
    ("predict --out curves.txt", "out must be a file name that ends in .nc, but 'curves.txt' was given"),
    ("predict --out /dev/null/curves.nc", "out must be a path that can be written"),
    ("phase-diagram --psi-n 4 1", "psi_n must be a smallest and a larger value"),
    ("phase-diagram --psi-p 0 1", "psi_p must be positive"),
    ("phase-diagram --points 1", "points must be a whole number of at least 2"),
    ("phase-diagram --tau 0 --points 2", "tau must be positive"),
    ("phase-diagram --tau 9 3 --points 2", "tau must be a list of increasing positive numbers"),
    ("phase-diagram --tau --points 2", "tau must be one training time or more"),
    ("phase-diagram --out /dev/null/a.nc", "out must be a path that can be written"),
    ("explore --port -1", "port must be a whole number of at least 0"),
    ("explore --port 70000", "port must be at most 65535, but 70000 was given"),
    ("explore --runs nowhere", "root must be a directory, but 'nowhere' was given"),
    ("simulate --d 1", "d must be a whole number of at least 2"),
    ("simulate --seed -1", "seed must be a whole number of at least 0"),
    ("simulate --out picture.png", "out must be a file name that ends in .nc"),
    ("overlay nowhere", "nowhere"),
    ("overlay . --out /dev/null/a.nc", "out must be a path that can be written"),
    ("demo --out /dev/null/demo", "out must be a path that can be written"),
    ("demo --workers 0", "workers must be a whole number of at least 1"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD)
def test_bad_input_is_refused_in_one_sentence_and_nothing_is_written(run, line, sentence, tmp_path):
    code, output, errors = run(*line.split())
    assert code == 2 and output == ""
    assert errors.startswith("genmem: ") and errors.count("\n") == 1 and sentence in errors
    assert not list(tmp_path.iterdir())


def test_predict_prints_the_curves_and_the_times_of_the_model(run):
    code, output, _ = run("predict", "--psi-n", 4, "--psi-p", 8, "--tau", 1, 10, 100)
    assert code == 0
    lines = output.splitlines()
    model = RandomFeatures(4, 8, 0.1)
    curves, times = model.learning_curves(np.array([1.0, 10, 100])), model.timescales()
    printed = np.array([line.split() for line in lines[1:4]], float)
    assert lines[0].split() == ["tau", "train", "loss", "test", "loss", "score", "error", "bias^2", "variance"]
    expected = np.stack([curves.tau, *(getattr(curves, name) for name in LOSSES)], axis=1)
    assert np.allclose(printed, expected, rtol=PRINTED, atol=0)
    shown = {line.split()[0]: float(line.split()[2]) for line in lines if line.startswith("tau_")}
    assert shown == pytest.approx({"tau_gen": times.gen, "tau_mem": times.mem, "tau_gap": times.gap}, rel=1e-3)


def test_predict_gives_programs_every_digit(run):
    flags = "--psi-n 2 --psi-p 4 --eigenvalues 0.5 1.5 --weights 0.5 0.5 --activation erf".split()
    code, output, _ = run("predict", *flags, "--tau", 10, "--json")
    given = json.loads(output)
    model = RandomFeatures(2, 4, 0.1, "erf", Spectrum([0.5, 1.5], [0.5, 0.5]))
    curves = model.learning_curves(np.array([10.0]))
    for name in (*LOSSES, "modes"):
        assert given[name] == getattr(curves, name).tolist()
    assert given["target_modes"] == model.target_modes.tolist()
    assert given["tau_mem"] == model.timescales().mem
    assert given["activation"] == "erf" and given["weights"] == [0.5, 0.5] and given["psi_p"] == 4


def test_predict_takes_a_covariance_by_name_and_times_by_ones_own_fractions(run):
    flags = "--spectrum mp:ratio=0.5 --activation relu --center --copies 2 --ridge 0.01 --floor bayes".split()
    code, output, _ = run("predict", *flags, "--fractions", 0.2, 0.3, 0.4, "--tau", 10)
    model = RandomFeatures(8, 16, 0.1, "relu", Spectrum.marchenko_pastur(0.5), 2, 0.01, center=True)
    times = model.timescales("bayes", Fractions(0.2, 0.3, 0.4))
    curves = model.learning_curves(10.0)
    heading, row = (line.split() for line in output.splitlines()[:2])
    assert code == 0 and heading[-2:] == ["penalised", "empirical"]
    assert np.array(row[-2:], float) == pytest.approx([curves.penalised, curves.empirical], rel=PRINTED)
    given = json.loads(run("predict", *flags, "--fractions", 0.2, 0.3, 0.4, "--tau", 10, "--json")[1])
    assert (given["tau_gen"], given["tau_mem"], given["tau_gap"]) == tuple(
        time if np.isfinite(time) else None for time in (times.gen, times.mem, times.gap)
    )
    assert given["empirical"] == [curves.empirical] and given["center"] == 1
    assert "within 20 % of the Bayes loss" in output and "risen by 30 % of its fall" in output


def test_a_phase_diagram_of_an_activation_that_is_not_centred(run, tmp_path):
    code, *_ = run("phase-diagram", "--points", 3, "--activation", "relu", "--center", "--out", "relu.nc")
    diagram = xarray.load_dataset(tmp_path / "relu.nc")
    model = RandomFeatures(float(diagram.psi_n[1]), float(diagram.psi_p[1]), 0.1, "relu", center=True)
    assert code == 0 and float(diagram.tau_gen[1, 1]) == model.timescales().gen


def test_a_network_that_never_memorizes_has_no_memorization_time(run):
    flags = "--psi-n 1024 --psi-p 64".split()
    _, output, _ = run("predict", *flags)
    assert "tau_mem = inf" in output and "too small to memorize" in output
    assert json.loads(run("predict", *flags, "--json")[1])["tau_mem"] is None


def test_predict_covers_the_window_by_default_and_saves_it(run, tmp_path):
    code, *_ = run("predict", "--out", "new/curves.nc")
    assert code == 0
    curves = xarray.load_dataset(tmp_path / "new/curves.nc")
    assert curves.tau.size == 96 and curves.attrs["activation"] == "tanh"
    assert curves.tau[0] < curves.attrs["tau_gen"] < curves.attrs["tau_mem"] < curves.tau[-1]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curves.nc"]
    expected = RandomFeatures(8, 16, 0.1).learning_curves(curves.tau.values)
    for name in (*LOSSES, "modes"):
        assert np.array_equal(curves[name], getattr(expected, name))
    # Bias^2 and variance are the parts of the score error; the bias is what the modes miss.
    assert np.allclose(curves.bias + curves.variance, curves.score)
    miss = (curves.modes - curves.target_modes) ** 2 / -curves.target_modes
    assert np.allclose(miss.isel(eigenvalue=0), curves.bias) and curves.modes.dims == ("tau", "eigenvalue")


def _files(name):
    """A figure at both widths and the data behind it, in alphabetical order."""
    return [f"{name}-double.pdf", f"{name}-double.png", f"{name}.nc", f"{name}.pdf", f"{name}.png"]


def test_phase_diagram_saves_the_grid_and_a_figure_beside_it(run, tmp_path):
    code, output, errors = run("phase-diagram", "--points", 6, "--psi-n", 1, 100, "--tau", 50, 90, "--out", "a/pd.nc")
    assert code == 0 and errors == ""  # no progress bar where nobody watches
    diagram = xarray.load_dataset(tmp_path / "a/pd.nc")
    assert diagram.phase.shape == (2, 6, 6) and diagram.tau.values.tolist() == [50, 90]
    assert diagram.psi_n[0] == 1 and diagram.psi_n[-1] == pytest.approx(100)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == _files("pd")
    assert "At training time τ = 50," in output and "At training time τ = 90," in output


def test_the_bayes_floor_adds_a_region_without_generalization(run, tmp_path):
    for floor in ("minimum", "bayes"):
        run("phase-diagram", "--points", 5, "--floor", floor, "--out", f"{floor}.nc")
    minimum, bayes = (xarray.load_dataset(tmp_path / f"{floor}.nc").phase.values for floor in ("minimum", "bayes"))
    assert not np.any(minimum == 0) and np.any(bayes == 0) and np.any(bayes == 2)


def test_simulate_lays_one_network_over_the_prediction(run, tmp_path):
    code, output, _ = run("simulate", "--d", 30, "--psi-n", 4, "--psi-p", 4, "--out", "sim.nc")
    assert code == 0 and "d = 30" in output
    data = xarray.load_dataset(tmp_path / "sim.nc")
    early = data.isel(tau=slice(0, 60))
    assert 0 < abs(early.simulated_test / early.test - 1).max() < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == _files("sim")


def test_simulate_averages_over_draws(run, tmp_path):
    run("simulate", "--d", 12, "--psi-n", 2, "--psi-p", 2, "--draws", 3, "--out", "sim.nc")
    data = xarray.load_dataset(tmp_path / "sim.nc")
    run_of_three = simulate(RandomFeatures(2, 2, 0.1), d=12, seed=0, tau=data.tau.values, draws=3)
    assert np.array_equal(data.simulated_test, run_of_three.test) and data.attrs["draws"] == 3
    assert np.array_equal(data.simulated_score_error, run_of_three.standard_error["score"])


@pytest.mark.slow
def test_overlay_of_recorded_runs(run, tmp_path):
    from tests.figures.recorded import write_run

    for n in (32, 64, 128):
        for seed in (0, 1):
            write_run(tmp_path / "runs", n, seed, gen=150 * 1.05**seed, mem=15 * n * 1.1**seed, steps=1500)
    code, output, _ = run("overlay", "runs", "--psi-p", 16, "--out", "overlay.nc")
    assert code == 0
    assert "6 U-Nets were trained; 4 of them ran until they memorized" in output and "ψ_p = 16 (chosen)" in output
    data = xarray.load_dataset(tmp_path / "overlay.nc")
    assert data.censored.sel(event="mem").sum() == 2 and data.attrs["psi_p"] == 16
    assert (tmp_path / "overlay.pdf").exists() and (tmp_path / "overlay.png").exists()


def test_overlay_of_too_few_runs_is_refused(run, tmp_path):
    (tmp_path / "runs").mkdir()
    code, _, errors = run("overlay", "runs")
    assert code == 2 and errors.startswith("genmem: runs must hold at least one run")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_an_interrupted_phase_diagram_is_taken_up_again(run, tmp_path, monkeypatch):
    """An interrupt leaves the rows, says so with exit code 130, and the same command ends with the whole diagram."""
    from genmem.shared.resumable import ResumableRows

    out, line = tmp_path / "new" / "d.nc", f"phase-diagram --points 4 --out {tmp_path / 'new' / 'd.nc'}"
    put = ResumableRows.put

    def interrupt(self, i, row):
        put(self, i, row)
        if i == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResumableRows, "put", interrupt)
        code, _, errors = run(*line.split())
        assert code == 130 and "goes on" in errors and not out.exists()
    rows = out.with_suffix(".rows.npz")
    assert rows.exists()
    code, _, errors = run(*line.split(), "--t", "0.2")
    assert code == 2 and "belongs to another" in errors and rows.exists()
    code, _, _ = run(*line.split())
    assert code == 0 and out.exists() and not rows.exists()

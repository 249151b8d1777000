"""Figures by name: every file is there, holds where it comes from, and nothing is computed twice."""

import typing

import pytest
import xarray
from PIL import Image

from genmem.commands import command
from genmem.empirics.records.runs import find
from genmem.figures import catalogue
from genmem.figures.drawing import learning_curves, style
from genmem.shared.errors import InputError
from genmem.theory.problem import Problem
from tests.figures import made


def catalogue_build(data, width):
    figure = learning_curves.build(data)
    figure.set_figwidth(width)
    return figure


@pytest.fixture
def entry(monkeypatch):
    """A catalogue of one figure that counts how often its data are computed."""

    def calculate(source):
        calculate.calls += 1
        return made.curves()

    calculate.calls = 0

    monkeypatch.setattr(catalogue, "FIGURES", {"one": catalogue.Theory("caption", calculate, catalogue_build)})
    return calculate


def test_the_command_offers_the_figures_that_exist():
    offered = typing.get_args(command("figures").__annotations__["name"])
    assert offered == ("all", *catalogue.FIGURES)


def test_one_figure_is_drawn_at_both_widths_beside_its_data(entry, tmp_path):
    files = catalogue.make(["one"], Problem(), [], tmp_path)["one"]
    assert sorted(path.name for path in files) == sorted(path.name for path in tmp_path.iterdir())
    assert {path.name for path in files} == {"one.nc", "one.pdf", "one.png", "one-double.pdf", "one-double.png"}
    widths = [Image.open(tmp_path / name).width / 300 for name in ("one.png", "one-double.png")]
    assert widths == pytest.approx([style.SINGLE, style.DOUBLE], abs=0.01)


def test_the_files_say_where_they_come_from(entry, tmp_path):
    catalogue.make(["one"], Problem(t=0.25), [], tmp_path)
    data = xarray.load_dataset(tmp_path / "one.nc")
    described = Image.open(tmp_path / "one.png").text["Description"]
    assert '"t": 0.25' in data.attrs["recipe"] and "numpy" in data.attrs["provenance"]
    assert data.attrs["recipe"] in described and data.attrs["provenance"] in described
    assert b"/Subject" in (tmp_path / "one.pdf").read_bytes()


def test_data_are_computed_once_for_each_problem(entry, tmp_path):
    for t, calls in ((0.1, 1), (0.1, 1), (0.2, 2)):
        catalogue.make(["one"], Problem(t=t), [], tmp_path)
        assert entry.calls == calls


def test_a_measured_figure_without_runs_is_refused_or_left_out(entry, tmp_path, monkeypatch, capsys):
    measured = catalogue.Measured("caption", entry, None)
    monkeypatch.setattr(catalogue, "FIGURES", {"one": catalogue.FIGURES["one"], "two": measured})
    with pytest.raises(InputError, match="runs must be given for the figure two"):
        catalogue.make(["two"], Problem(), [], tmp_path)
    assert list(catalogue.make(["two", "one"], Problem(), [], tmp_path, skip=True)) == ["one"]
    assert "two: left out: runs must be given" in capsys.readouterr().err


def test_a_measured_figure_is_made_of_the_first_runs_that_show_it(runs, tmp_path, monkeypatch):
    def calculate(records):
        if records[0].config.n < 64:
            raise InputError("n must be at least 64, but it is not")
        return made.curves().assign_attrs(n=records[0].config.n)

    monkeypatch.setattr(catalogue, "FIGURES", {"one": catalogue.Measured("caption", calculate, catalogue_build)})
    small, middle, large = ([r for r in find(runs) if r.config.n == n] for n in (32, 64, 128))
    catalogue.make(["one"], Problem(), [small, middle, large], tmp_path)
    assert xarray.load_dataset(tmp_path / "one.nc").attrs["n"] == 64
    with pytest.raises(InputError, match="at least 64"):
        catalogue.make(["one"], Problem(), [small, small], tmp_path)


def test_a_figure_is_returned_or_written(entry, tmp_path, runs):
    import genmem

    drawn = genmem.figure("one", width=style.SINGLE)
    assert drawn.get_figwidth() == style.SINGLE and drawn.axes
    files = genmem.figure("one", problem=Problem(t=0.3), out=tmp_path / "figures")
    assert [path.name for path in files] == ["one.nc", "one.pdf", "one.png", "one-double.pdf", "one-double.png"]
    assert '"t": 0.3' in xarray.load_dataset(files[0]).attrs["recipe"]
    with pytest.raises(InputError, match="name must be one of one, but 'two'"):
        genmem.figure("two")


def test_a_figure_of_runs_takes_a_folder_or_the_runs(runs, tmp_path, monkeypatch):
    import genmem

    def calculate(records):
        return made.curves().assign_attrs(n=len(records))

    monkeypatch.setattr(catalogue, "FIGURES", {"one": catalogue.Measured("caption", calculate, catalogue_build)})
    for source in (runs, str(runs), find(runs)):
        path = genmem.figure("one", source, out=tmp_path)[0]
        assert xarray.load_dataset(path).attrs["n"] == 6
    assert genmem.figure("one", find(runs)).axes
    with pytest.raises(InputError, match="runs must be given for the figure one"):
        genmem.figure("one")

"""The report holds what the runs and files hold, and says in a sentence what they lack."""

import dataclasses
import json
import re

import pytest
import xarray

from genmem.empirics.analysis.measure import measure
from genmem.empirics.records.runs import find, write_facts
from genmem.empirics.tables.tables import joint_laws
from genmem.figures import catalogue
from genmem.figures.report import content as report_content
from genmem.figures.report import sentences
from genmem.figures.report import tables as report_tables
from genmem.figures.report.sentences import steps
from genmem.shared.errors import InputError
from genmem.shared.files import save_dataset
from genmem.theory.problem import Problem
from tests.figures import made
from tests.figures.recorded import write_run
from tests.figures.test_report import Reader


def report(sources, out):
    page = report_content.write_report(sources, Problem(), out)
    text = page.read_text()
    assert not Reader(text).open and not re.search(r"(src|srcset|href)=\"(?!data:|#)", text)
    return text


def small(root, n=32, seed=0, **config):
    return write_run(root, n, seed, **({"gen": 100, "mem": 200, "steps": 600, "milestones": 8} | config))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of runs at two n, and of a prediction."""
    root, out = tmp_path_factory.mktemp("few"), tmp_path_factory.mktemp("report")
    records = [small(root, 32), small(root, 64, mem=400), small(root, 32, 1)]
    save_dataset(made.curves()[["train", "test", "score"]], root / "curves.nc")
    return records, out, report([root, root / "curves.nc"], out)


def test_each_figure_the_runs_show_is_there_with_its_data(page):
    _, out, text = page
    written = {path.stem for path in (out / "digits").glob("*.nc")}
    assert {"training", "collapse", "samples", "measured-windows"} <= written and "agreement" not in written
    assert text.count("<img") == len(written) + 1
    assert all(f'download="{name}.nc"' in text for name in (*written, "curves"))
    assert "No figure “agreement”: runs must hold two that differ in the half and the seed alone" in text


def test_times_and_laws_are_those_of_the_measurement(page):
    records, _, text = page
    measurement = measure(records)
    for run in measurement.runs:
        assert f"<td>{'&gt; ' * run.mem.censored}{steps(run.mem.value)}</td>" in text
    fit = joint_laws(measurement)["mem"].exponents["n"]
    assert f"<td>{fit.value:.2f} ({fit.low:.2f} to {fit.high:.2f})</td>" in text
    assert "3 runs: 3 finished. They differ in n = 32, 64; seed = 0, 1." in text


def test_commands_and_configs_make_the_runs_again(page):
    import tyro

    records, _, text = page
    for record in records:
        command = report_tables.train_command(record.config)
        assert command in text
        again = tyro.cli(type(record.config), args=command.split()[2:])
        assert again == record.config
        assert json.dumps(record.facts["config"]).replace('"', "&quot;") in text


def test_predictions_bring_their_findings(page):
    assert "a window whose end lies 40 times later" in page[2]


@pytest.mark.parametrize("status", ["diverged", "running"])
def test_runs_without_curves_give_a_page_that_says_so(tmp_path, status):
    record = small(tmp_path / "runs")
    write_facts(record.directory, record.facts | {"status": status})
    for path in sorted((record.directory / "milestones").glob("*"))[2:] if status == "running" else []:
        path.unlink()
    text = report([tmp_path / "runs"], tmp_path / "out")
    assert "there are no times to show" in text and "<img" not in text
    # Nothing holds the run's lock.
    assert f"<td>{'stopped' if status == 'running' else status}</td>" in text


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path):
    (tmp_path / "runs").mkdir()
    assert "No run was found in" in report([tmp_path / "runs"], tmp_path / "out")


def test_one_run_that_ends_before_any_event_and_has_no_samples(tmp_path):
    """One n, everything censored, nothing generated: curves are shown, and what is missing is said."""
    record = small(tmp_path / "runs", gen=1e5, mem=1e7)
    facts = json.loads((record.directory / "run.json").read_text())
    config = dataclasses.replace(record.config, samples=0)
    facts["config"]["samples"], facts["key"] = 0, config.key
    write_facts(record.directory, facts)
    for path in (record.directory / "milestones").glob("*"):
        _without_samples(path)
    assert all(time.censored for run in measure(find(tmp_path / "runs")).runs for time in (run.mem, run.copy))
    text = report([tmp_path / "runs"], tmp_path / "out")
    assert (tmp_path / "out" / "digits" / "training.png").exists()
    for sentence in ("too few times, for an exponent", "They were not tested", "at least one that generated samples"):
        assert sentence in text
    assert "<td>–</td>" in text  # no fraction of copies


def _without_samples(path):
    from genmem.empirics.records import store

    arrays, facts = store.load(path)
    store.save(path, {name: array[:0] if array.shape[:1] == (16,) else array for name, array in arrays.items()}, facts)


def test_two_data_sets_have_their_own_parts_and_no_run_counts_twice(tmp_path):
    first, second = small(tmp_path / "a"), small(tmp_path / "b")
    patches = second.facts | {"config": second.facts["config"] | {"data": "patches"}}
    other = dataclasses.replace(second.config, data="patches")
    write_facts(second.directory, patches | {"key": other.key})
    groups = report_content.by_data([*find(tmp_path / "a"), *find(tmp_path / "b")])
    assert list(groups) == ["digits", "patches"] and [first.key] == [record.key for record in groups["digits"]]


def test_without_sources_the_theory_is_shown_alone(tmp_path, monkeypatch):
    from genmem.figures.drawing import learning_curves

    entry = catalogue.Theory("What is predicted.", lambda problem: made.curves(), learning_curves.build)
    monkeypatch.setattr(catalogue, "FIGURES", {"one": entry})
    monkeypatch.setattr(report_content, "FIGURES", {"one": entry})
    text = report([], tmp_path)
    assert "This page shows predictions in closed form." in text and "What is predicted." in text
    assert text.count("<img") == 1


def test_a_file_of_the_catalogue_is_drawn_as_its_figure(tmp_path, monkeypatch):
    from genmem.figures.pictures import spectrum
    from genmem.theory import RandomFeatures

    data = spectrum.spectrum_of(RandomFeatures(4, 8, 0.1), d=10, seed=0)
    save_dataset(data.assign_attrs(recipe=json.dumps({"figure": "spectrum"})), tmp_path / "some.nc")
    assert f"some.nc: {spectrum.CAPTION[:15]}" in report([tmp_path / "some.nc"], tmp_path / "out")


@pytest.mark.parametrize("content", [b"text", None])
def test_files_of_other_makers_are_refused(tmp_path, content):
    path = tmp_path / "other.nc"
    if content is None:
        save_dataset(xarray.Dataset({"temperature": 280.0}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="other.nc"):
        report_content.write_report([path], Problem(), tmp_path / "out")


def test_the_theory_is_held_against_the_runs(page):
    from genmem.empirics.analysis.comparison import exponents
    from genmem.empirics.analysis.mapping import map_of

    records, out, text = page
    runs = measure(records).lawful
    fitted = map_of(runs, 0.01)
    assert f"differ by a factor of {fitted.residual_factor:.2f}" in text
    for row in exponents(runs, fitted):
        cells = [f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for e in (row.measured, row.predicted)]
        if "nan" not in "".join(cells):
            assert f"<td>{cells[0]}</td><td>{cells[1]}</td><td>{row.verdict}</td>" in text
    assert (out / "digits" / "overlay.png").exists()


def test_the_verdict_comes_first(page):
    _, out, text = page
    overlay = xarray.load_dataset(out / "digits" / "overlay.nc")
    top = text[: text.index("<nav")]
    assert 'class="verdict"' in top and "generalized after" in top and "memorized after" in top
    assert top.count("<p>") == 1 + len(sentences.summary(overlay))


def test_a_page_is_not_written_where_one_of_its_sources_lies(tmp_path):
    source = tmp_path / "digits" / "training.nc"
    source.parent.mkdir()
    source.write_bytes(b"data")
    with pytest.raises(InputError, match="out must not be a folder that holds a source"):
        report_content.write_report([source], Problem(), tmp_path)
    assert source.read_bytes() == b"data" and list(tmp_path.iterdir()) == [source.parent]

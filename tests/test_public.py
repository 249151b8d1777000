"""The public names: each is imported on first use, has its type and says what it does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import genmem
from genmem.empirics.records.runs import find, given
from genmem.shared.errors import InputError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", genmem.__all__)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(genmem, name)
    assert found.__name__ == name and found.__module__ == f"genmem.{genmem._HOME[name]}"
    assert len(found.__doc__) > 100


def test_a_type_checker_is_told_the_same_names_and_places():
    told = {}
    for node in ast.walk(ast.parse((ROOT / "genmem" / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module != "typing":
            told |= {alias.name: node.module.removeprefix("genmem.") for alias in node.names}
    assert told == genmem._HOME and sorted(told) == sorted(genmem.__all__)


def test_importing_the_package_loads_no_library():
    code = "import sys, genmem; print({'numpy', 'torch', 'scipy'} & set(sys.modules), genmem.__version__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout == f"set() {genmem.__version__}\n"


def test_runs_are_given_as_a_folder_or_as_records(tmp_path):
    folder = ROOT / "records" / "random-features"
    keys = [record.key for record in find(folder)]
    assert keys
    for runs in (folder, str(folder), find(folder), iter(find(folder))):
        assert [record.key for record in given(runs)] == keys
    with pytest.raises(InputError, match="runs must be a folder that holds at least one run, but .* holds none"):
        given(tmp_path)
    for wrong in (3, None, keys):
        with pytest.raises(InputError, match="runs must be a folder of runs or a list of their records"):
            given(wrong)

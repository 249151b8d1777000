"""What is installed: `genmem` and nothing else, from the wheel and from the source, beside anybody's own folders."""

import json
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from genmem import __version__

ROOT = Path(__file__).parents[1]
SOURCE = ("genmem", "theory", "empirics", "figures", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
ROOMS = ("theory", "empirics", "figures", "shared", "commands")


def output(*command, cwd) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # What was installed a second ago would have to be compiled anew.
    environment["NUMBA_DISABLE_JIT"] = "1"
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd, env=environment)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, the wheel built from it, and in `direct` the wheel built from the checkout."""
    folder = tmp_path_factory.mktemp("package")
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, checkout / name)
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    output(*build, folder, checkout, cwd=folder)
    output(*build, folder / "direct", "--wheel", checkout, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def python(built, tmp_path_factory) -> Path:
    """The Python of an environment that holds genmem's wheel alone, and sees the libraries of this one."""
    environment = tmp_path_factory.mktemp("environment")
    output(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    python = environment / "bin" / "python"
    install = ("-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--no-compile")
    output(sys.executable, *install, *built.glob("*.whl"), cwd=environment)
    # A folder in a .pth file comes last on the path, and .pth files in it, such as the checkout's own, are not read.
    libraries = "\n".join(site.getsitepackages())
    (packages_of(python) / "libraries.pth").write_text(libraries + "\n")
    return python


def packages_of(python: Path) -> Path:
    return next(python.parents[1].glob("lib/python*/site-packages"))


@pytest.fixture
def desk(tmp_path) -> Path:
    """A user's folder, with folders of the names that genmem's own have."""
    for name in ROOMS:
        (tmp_path / name).mkdir()
    (tmp_path / "theory" / "__init__.py").write_text(
        "raise RuntimeError('the folder beside the script was imported')\n"
    )
    return tmp_path


def modules(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}


def test_both_wheels_and_the_sdist_hold_every_module_as_a_real_file(built):
    expected = {f"genmem/{name}" for name in modules(ROOT / "genmem") if name.split("/")[0] not in ROOMS[:3]}
    for room in ROOMS[:3]:
        expected |= {f"genmem/{room}/{name}" for name in modules(ROOT / room)}
    assert len(expected) > 130
    [wheel], [direct] = built.glob("*.whl"), built.glob("direct/*.whl")
    for path in (wheel, direct):
        with zipfile.ZipFile(path) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == expected | {"genmem/py.typed"}, path
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    assert {name for name in names if name.endswith(".py")} == expected
    assert {"genmem/py.typed", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert f"-{__version__}." in sdist.name and f"-{__version__}-" in wheel.name


def test_the_version_is_the_one_that_is_cited_and_the_newest_in_the_changelog():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert newest.split()[1] == __version__


def test_only_genmem_is_installed(python):
    found = {path.name for path in packages_of(python).iterdir()}
    assert found == {"genmem", f"genmem-{__version__}.dist-info", "libraries.pth"}


def test_it_works_beside_folders_of_the_same_names(python, desk):
    script = desk / "mine.py"
    script.write_text(
        "import genmem\nfrom genmem import RandomFeatures\nfrom genmem.theory.timescales import Fractions\n"
        "print(genmem.__file__, RandomFeatures(4, 8, 0.1).timescales().gen > 0)\n"
    )
    assert output(python, script, cwd=desk).split() == [str(packages_of(python) / "genmem/__init__.py"), "True"]


def test_the_command_and_the_module_work(python, desk):
    flags = ("predict", "--psi-n", "4", "--psi-p", "8", "--json")
    for front in ((python, "-m", "genmem"), (python.parent / "genmem",)):
        assert output(*front, "--version", cwd=desk) == f"genmem {__version__}\n"
    assert json.loads(output(python, "-m", "genmem", *flags, cwd=desk))["tau_mem"] > 0


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_takes_the_python_there_is_and_says_so_in_one_sentence_if_there_is_none(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "sh", "ls", "tail", "test", "id"):
        (tools / name).symlink_to(shutil.which(name))

    def make(*arguments):
        environment = {"PATH": str(tools)}
        return subprocess.run(["make", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)

    none = make("demo")
    assert none.returncode != 0
    assert none.stderr.splitlines()[0] == (
        "genmem needs Python 3.11, 3.12 or 3.13, but none of python3.11, python3.12 and python3.13 is installed"
    )
    # pyenv leaves commands for versions that are not chosen, which fail.
    for version, code in ("3.11", 127), ("3.13", 0), ("3.12", 0):
        (tools / f"python{version}").write_text(f"#!/bin/sh\nexit {code}\n")
        (tools / f"python{version}").chmod(0o755)
    assert "\npython3.12 -m venv .venv\n" in make("--dry-run", "demo").stdout

"""Arrows point one way: figures -> empirics -> theory -> shared, room by room; and the theory stays light."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A room may import from itself and from the rooms above it in this list.
ROOMS = [
    "genmem/shared",
    "theory",
    "empirics/processes",
    "empirics/networks",
    "empirics",  # config and randomness, which all rooms of the package share
    "empirics/data",
    "empirics/samples",
    "empirics/records",
    "empirics/training",
    "empirics/analysis",
    "empirics/tables",
    "figures/drawing",
    "figures/pictures",
    "figures",  # the catalogue, which finds all pictures
    "figures/explorer",
    "figures/report",
    "genmem/commands",
    "genmem",
]
PACKAGES = ("theory", "empirics", "figures")
FOREIGN = {
    "genmem/shared": {"torch", "diffusers", "matplotlib", "sklearn", "safetensors"},
    "theory": {"torch", "diffusers", "matplotlib", "sklearn", "safetensors"},
    "empirics": {"matplotlib"},
    "figures": {"torch", "diffusers"},
}
# Imports that would close a circle, and why they may stay.
CIRCLES = {
    ("genmem.empirics.data.views", "genmem.empirics.data.datasets"): "the type checker alone imports it, for Dataset",
}


def imported(path: Path) -> set[str]:
    """The names of all modules imported anywhere in a file; for `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str | None:
    """The room that holds a module of the project, or that it is."""
    parts = module.split(".")
    if parts[0] != "genmem" or len(parts) == 1:
        return None
    path = parts if parts[1] in ("shared", "commands") else parts[1:]
    path = path if parts[1] in (*PACKAGES, "shared", "commands") else ["genmem"]
    rooms = [room for room in ROOMS if "/".join(path).startswith(f"{room}/") or "/".join(path) == room]
    return max(rooms, key=len, default=None)


def of(room: str) -> list[Path]:
    return sorted((ROOT / room).glob("*.py"))


def python_files() -> list[Path]:
    folders = [*PACKAGES, "genmem/shared", "genmem/commands", "tests", "benchmarks", "examples", "docs"]
    return [*(ROOT / "genmem").glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_itself_and_from_those_above_it(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    assert of(room)
    for path in of(room):
        for name in imported(path):
            found = room_of(name)
            assert found is None or found in allowed, f"{path} imports {name}"


@pytest.mark.parametrize("package", FOREIGN)
def test_packages_import_only_the_libraries_that_they_may(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not {name.split(".")[0] for name in imported(path)} & FOREIGN[package], path


def test_no_module_is_imported_by_a_bare_name():
    """That would make a second copy of every class."""
    files = python_files()
    assert len(files) > 200
    for path in files:
        assert not {name.split(".")[0] for name in imported(path)} & set(PACKAGES), path


def test_every_folder_with_code_is_a_room():
    folders = {
        path.parent.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert folders == {room for room in ROOMS if not room.startswith("genmem")}


def test_imports_are_seen_wherever_they_stand(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import os.path\ndef f():\n    from torch.nn import Linear\n")
    assert imported(path) == {"os.path", "torch.nn", "torch.nn.Linear"}
    assert room_of("genmem.empirics.data.views") == "empirics/data" and room_of("genmem.empirics.config") == "empirics"
    assert room_of("genmem.shared.errors.InputError") == "genmem/shared" and room_of("numpy.linalg") is None


def test_theory_computes_without_torch_matplotlib_and_xarray():
    code = (
        "import sys; from genmem import theory\ntheory.RandomFeatures(4, 8, 0.1).timescales()\n"
        "print([name for name in ('torch', 'matplotlib', 'xarray', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def graph(folder: str, name: str) -> dict[str, set[str]]:
    """Which modules of a package each of its modules imports, at its head or in a function; packages left out."""
    files = {}
    for path in (ROOT / folder).rglob("*.py"):
        if path.stem != "__init__":
            files[".".join([name, *path.relative_to(ROOT / folder).with_suffix("").parts])] = path
    return {module: imported(path) & files.keys() for module, path in files.items()}


@pytest.mark.parametrize("folder", [*PACKAGES, "genmem/shared", "genmem/commands"])
def test_a_package_imports_itself_in_no_circle(folder):
    found = graph(folder, f"genmem.{folder.removeprefix('genmem/')}")
    for (module, other), _reason in CIRCLES.items():
        if module in found:
            found[module].remove(other)
    tuple(TopologicalSorter(found).static_order())  # raises CycleError


def test_circles_are_seen():
    theory = graph("theory", "genmem.theory")
    assert theory["genmem.theory.spectra"] == {"genmem.theory.compression"}
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(graph("empirics", "genmem.empirics")).static_order())

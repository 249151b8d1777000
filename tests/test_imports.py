"""Arrows point one way: figures -> empirics -> theory; and the theory stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "theory": {"empirics", "figures", "torch", "diffusers", "matplotlib", "sklearn", "safetensors"},
    "empirics": {"figures", "matplotlib"},
    "figures": {"torch", "diffusers"},
}


def imported(path: Path) -> set[str]:
    """The top-level names of all modules imported anywhere in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_what_they_may(package):
    files = sorted((ROOT / package).glob("*.py"))
    assert len(files) > 3
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path.name


def test_imports_inside_functions_are_seen(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import os.path\ndef f():\n    from torch.nn import Linear\n")
    assert imported(path) == {"os", "torch"}


def test_theory_computes_without_torch_matplotlib_and_xarray():
    code = (
        "import sys, theory\ntheory.RandomFeatures(4, 8, 0.1).timescales()\n"
        "print([name for name in ('torch', 'matplotlib', 'xarray', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"

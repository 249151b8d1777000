"""Compiled code is kept for the next start where it can be, and the theory computes where it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A number that needs several kernels; where each is kept, and how many were read from there.
CODE = """
import sys
import genmem
from genmem.theory import RandomFeatures
value = RandomFeatures(4, 8, 0.1).learning_curves([10.0]).test[0]
modules = [module for name, module in sys.modules.items() if name.startswith("genmem.theory")]
members = [member for module in modules for member in vars(module).values()]
stats = [member.stats for member in members if hasattr(member, "enable_caching")]
paths = {str(each.cache_path) for each in stats}
print(genmem.__file__, repr(float(value)), *paths, sum(sum(each.cache_hits.values()) for each in stats))
"""


@pytest.fixture
def installed(tmp_path):
    """A copy of the theory as an installation has it; __pycache__ is no folder there and so cannot be written."""
    package = tmp_path / "site" / "genmem"
    ignore = shutil.ignore_patterns("__pycache__")
    for folder, source in ((package / "theory", "theory"), (package / "shared", "genmem/shared")):
        shutil.copytree(ROOT / source, folder, ignore=ignore)
    shutil.copy(ROOT / "genmem/__init__.py", package)
    return package


def computed(package, home, tmp_path):
    """What CODE prints where the user's cache is in `home`: value, where kernels are kept, how many were read."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA", "XDG"))}
    environment |= {"PYTHONPATH": str(package.parent), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    file, value, path, hits = result.stdout.split()
    assert Path(file).is_relative_to(package)
    return float(value), path, int(hits)


@pytest.mark.slow
def test_where_nothing_can_be_kept_the_theory_computes_the_same(installed, tmp_path):
    first, path, hits = computed(installed, tmp_path, tmp_path)
    assert Path(path) == installed / "theory/__pycache__" and hits == 0
    again, _, hits = computed(installed, tmp_path, tmp_path)
    assert again == first and hits > 0
    # A file in the place of a folder stops the superuser too, whom permissions do not.
    shutil.rmtree(installed / "theory/__pycache__")
    (installed / "theory/__pycache__").touch()
    alone, path, hits = computed(installed, "/dev/null", tmp_path)
    assert (alone, path, hits) == (first, "None", 0)

"""The Python blocks of every page run, in order, as one program per page; and what pages name exists."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [path for path in sorted((ROOT / "docs").glob("*.md")) if "```python" in path.read_text()]
# It fits the theory to 48 runs.
README = pytest.param(ROOT / "README.md", marks=pytest.mark.slow)


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda path: path.name)
def test_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    program = "\n".join(blocks)
    assert "assert" in program
    exec(compile(program, page.name, "exec"), {})


TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "records").glob("*.md")])


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_every_import_and_file_that_a_page_names_exists(page):
    """Also in blocks that do not run here, for want of a run or of a GPU."""
    text = page.read_text()
    for module, names in re.findall(r"^ *from (genmem[\w.]*) import ([\w, ]+)", text, flags=re.MULTILINE):
        for name in names.split(","):
            found = importlib.import_module(module)
            if not hasattr(found, name.strip()):
                importlib.import_module(f"{module}.{name.strip()}")
    for path in re.findall(
        r"`((?:theory|empirics|figures|genmem|tests|benchmarks|examples|docs|records)/[\w./-]+)`", text
    ):
        assert (ROOT / path.replace("NAME.py", "")).exists(), path

"""The Python blocks of every page run, in order, as one program per page."""

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

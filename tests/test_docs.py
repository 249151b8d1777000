"""The Python blocks of every page run, in order, as one program per page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


@pytest.mark.parametrize("page", [p for p in PAGES if p.exists() and "```python" in p.read_text()], ids=lambda p: p.name)
def test_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    program = "\n".join(blocks)
    assert "assert" in program
    exec(compile(program, page.name, "exec"), {})

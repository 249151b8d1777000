"""The documentation: no link leads nowhere, the API page names what is public, and the site builds."""

import importlib
import re
import sys
from pathlib import Path

import pytest

import genmem

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
]


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a page that lie in this repository."""
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?:|mailto:", target)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site both make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_links_are_found_and_broken_ones_would_be(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One, two: 3\n[a](b.md#c) `[d](e)` ![f](g.png) [h](https://i.org)\n```\n# no\n[j](k)\n```\n")
    assert links(page.read_text()) == ["b.md#c", "g.png"]
    assert anchors(page) == {"one-two-3"}


def test_the_api_page_names_what_is_public_and_nothing_that_is_not_there():
    named = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    assert {f"genmem.{name}" for name in genmem.__all__} <= set(named)
    assert len(set(named)) == len(named)
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(module), attribute).__doc__, name


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path, monkeypatch):
    build = pytest.importorskip("mkdocs.commands.build")
    from mkdocs.config import load_config

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs" / "site"), *sys.path])
    build.build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) > 15
    loaded = re.compile(
        r'<(?:script|img)[^>]*src="?(?:https?:)?//|<link[^>]*rel="?stylesheet[^>]*href="?(?:https?:)?//'
    )
    for page in pages:
        assert not loaded.search(page.read_text()), page.name
    theory = (tmp_path / "theory.html").read_text()
    formulas = re.sub("<pre.*?</pre>|<code.*?</code>", "", theory, flags=re.DOTALL)
    assert "L<sub>train</sub>" in formulas and "e<sup>−2t</sup>" in formulas and "^{" not in formulas
    assert "psi_n" in (tmp_path / "api.html").read_text() and (tmp_path / "examples" / "plain_pytorch.py").exists()


def test_formulas_get_scripts_and_code_does_not(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    from hooks import formulas, moved

    assert formulas("τ_mem ~ n^1.26, `a_b`, W^−0.9") == "τ<sub>mem</sub> ~ n<sup>1.26</sup>, `a_b`, W<sup>−0.9</sup>"
    assert formulas("σ_x² = V_kᵀ") == "σ<sub>x</sub>² = V<sub>k</sub>ᵀ"
    assert formulas("e^{−(a_k)τ}") == "e<sup>−(a<sub>k</sub>)τ</sup>"
    assert formulas("[x](a_b.md)\n```\nx_1 = y^2\n```") == "[x](a_b.md)\n```\nx_1 = y^2\n```"
    assert '<div class="formula" markdown>\na = b  \n</div>' in formulas("so\n\n  a = b\n\nnext")
    assert moved("[a](docs/theory.md#x) [b](CONTRIBUTING.md) [c](../CITATION.cff) [d](https://a.b/docs/e)") == (
        "[a](theory.md#x) [b](contributing.md) [c](CITATION.cff) [d](https://a.b/docs/e)"
    )

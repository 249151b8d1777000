"""The page needs no other file, shows every picture, and cannot be broken by what it says."""

import base64
import re
from html.parser import HTMLParser

import pytest

from genmem.figures.drawing import style
from genmem.figures.drawing.learning_curves import build
from genmem.figures.report import page as report
from tests.figures import made


class Reader(HTMLParser):
    """Collects every tag with its attributes and whether all of them are closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def picture(tmp_path):
    style.save(build(made.curves()), tmp_path / "curves")
    return report.Picture(tmp_path / "curves.png", 'Losses & "errors" against τ_gen')


def test_page_is_self_contained_and_well_formed(picture):
    section = report.Section(
        "One", ["n < 32 & τ_mem goes as n^b"], [picture], [report.Table("Times", [{"n": "32", "τ_gen": "> 5"}])]
    )
    page = report.render("When?", ["lead"], [section], ["made by hand"])
    reader = Reader(page)
    assert not reader.open
    images = [attrs for tag, attrs in reader.tags if tag == "img"]
    assert len(images) == 1 and images[0]["alt"] == picture.caption
    kind, data = images[0]["src"].split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data) == picture.path.read_bytes()
    assert not {"script", "iframe"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"(src|srcset|href)=\"(?!data:|#)|url\(|@import", page)
    assert any(attrs.get("name") == "viewport" for _, attrs in reader.tags)


def test_text_is_escaped_and_symbols_are_set(picture):
    page = report.render("a < b", ["n < 32 & τ_mem goes as n^b; 3.2×10^7"], [], [])
    assert "<h1>a &lt; b</h1>" in page
    assert "n &lt; 32 &amp; τ<sub>mem</sub> goes as n<sup>b</sup>; 3.2×10<sup>7</sup>" in page
    page = report.render("When?", [], [], [], ["T = τ·(N_min/N)·(η/η_min), eta^0.01, not beta: `genmem x`"])
    assert "(N<sub>min</sub>/N)·(η/η<sub>min</sub>), η<sup>0.01</sup>, not beta: <code>genmem x</code>" in page
    assert page.index('class="verdict"') < page.index("<footer>")


def test_wide_pages_get_the_wide_figure_and_the_data_can_be_saved(picture, tmp_path):
    double, data = tmp_path / "double.png", tmp_path / "curves.nc"
    double.write_bytes(picture.path.read_bytes() + b"wide")
    data.write_bytes(b"numbers")
    both = report.Picture(picture.path, "Losses", double, data)
    tags = Reader(report.render("When?", [], [report.Section("One", [], [both])], [])).tags
    (source,) = (attrs for tag, attrs in tags if tag == "source")
    assert base64.b64decode(source["srcset"].split(",")[1]) == double.read_bytes() and "min-width" in source["media"]
    (link,) = (attrs for tag, attrs in tags if tag == "a")
    assert link["download"] == "curves.nc" and base64.b64decode(link["href"].split(",")[1]) == b"numbers"
    data.write_bytes(bytes(report.EMBEDDED_BYTES + 1))
    page = report.render("When?", [], [report.Section("One", [], [both])], [])
    assert "curves.nc beside this page" in page and "download=" not in page


def test_several_sections_are_listed_and_tables_have_names():
    rows = [{"n": "32"}]
    sections = [
        report.Section("The τ_gen", [], tables=[report.Table("Times", rows), report.Table("Empty", [])]),
        report.Section("Two", [], tables=[report.Table("More", rows, folded=True)]),
    ]
    page = report.render("When?", [], sections, [])
    tags = Reader(page).tags
    headings = [attrs["id"] for tag, attrs in tags if tag == "h2"]
    assert [attrs["href"] for tag, attrs in tags if tag == "a"] == [f"#{name}" for name in headings]
    assert [attrs["aria-label"] for tag, attrs in tags if tag == "div"] == ["Times", "More"]
    assert "<summary>More</summary>" in page and "<caption>Times</caption>" in page
    assert all(attrs.get("scope") == "col" for tag, attrs in tags if tag == "th")

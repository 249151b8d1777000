"""The report in a real browser: every figure is displayed, nothing is cut off, and no request leaves the file."""

import pytest

from tests.figures.browser import DESKTOP, PHONE, browser  # noqa: F401
from tests.figures.test_report_content import page as report  # noqa: F401

# For each picture: pixels of the file that is shown, its width on the page, the right end of that.
PICTURES = """
return Promise.all([...document.images].map(async image => {
  await image.decode().catch(() => null);
  const box = image.getBoundingClientRect();
  return [image.naturalWidth, box.width, box.height, box.right];
}));
"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_figure_is_displayed_and_nothing_is_cut_off(browser, report, size):  # noqa: F811
    _, out, text = report
    browser.open((out / "index.html").as_uri(), size)
    pictures = browser.run(PICTURES)
    assert len(pictures) == text.count("<img") >= 5
    for pixels, width, height, right in pictures:
        assert pixels > 300 and height > 100
        assert width > min(300, 0.75 * size[0]) and right <= size[0]
    assert browser.sideways() == 0
    browser.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert browser.sideways() == 0


def test_a_phone_gets_the_narrow_figures(browser, report):  # noqa: F811
    pixels = {}
    for size in (DESKTOP, PHONE):
        browser.open((report[1] / "index.html").as_uri(), size)
        pixels[size] = [shown[0] for shown in browser.run(PICTURES)]
    assert sum(narrow < 0.7 * wide for narrow, wide in zip(pixels[PHONE], pixels[DESKTOP], strict=True)) >= 4


def test_every_entry_of_the_contents_leads_somewhere(browser, report):  # noqa: F811
    browser.open((report[1] / "index.html").as_uri())
    links = browser.run(
        "return [...document.querySelectorAll('nav a')]"
        ".map(a => document.querySelector(a.getAttribute('href'))?.textContent)"
    )
    assert len(links) >= 3 and all(links)


def test_nothing_was_asked_for_but_the_page_and_no_error_was_logged(browser, report):  # noqa: F811
    address = (report[1] / "index.html").as_uri()
    browser.open(address)
    browser.run(PICTURES)
    assert {asked.split("#")[0] for asked in browser.requests()} == {address}
    assert browser.errors() == []


def test_a_page_with_these_faults_is_noticed(browser, tmp_path):  # noqa: F811
    """The last test of the file: what the console has said stays said."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<meta name=viewport content='width=device-width'><img src='data:image/png;base64,AAAA'>"
        "<img src='http://127.0.0.1:9/away.png'><div style='width:500px'>x</div><script>missing()</script>"
    )
    browser.open(path.as_uri(), PHONE)
    assert [shown[0] for shown in browser.run(PICTURES)] == [0, 0]
    assert browser.sideways() > 100
    assert "http://127.0.0.1:9/away.png" in browser.requests()
    assert any("missing is not defined" in said for said in browser.errors())

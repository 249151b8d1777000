"""A report as one self-contained HTML page: headings, sentences, figures with their data, tables."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from genmem.shared.files import written_whole

# Larger data files stay beside the page.
EMBEDDED_BYTES = 500_000
_LONG = 30  # characters of a cell


@dataclass(frozen=True)
class Picture:
    """A PNG file with its caption, which is also read out to those who cannot see it.

    double: the figure for wide pages. data: the NetCDF file behind it, put into the page for download if it is small.
    """

    path: Path
    caption: str
    double: Path | None = None
    data: Path | None = None


@dataclass(frozen=True)
class Table:
    """Rows of one set of columns each. folded: shown only when asked for."""

    caption: str
    rows: Sequence[dict[str, str]]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with, in this order, sentences, pictures and tables."""

    heading: str
    sentences: Sequence[str]
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<style>
body { font: 1rem/1.55 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 48rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-top: 1px solid #ccc; padding-top: 1rem; }
figure { margin: 1.2rem 0; }
img { display: block; width: 100%; height: auto; margin: 0 auto; }
img.narrow { max-width: 26rem; }
figcaption { color: #444; font-size: .9rem; margin-top: .4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption { text-align: left; color: #444; padding-bottom: .3rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; overflow-wrap: normal; }
th:first-child, td:first-child, td.words { text-align: left; }
td.words { white-space: normal; min-width: 11rem; }
/* Tables may be wider than the text: where the window is, they take it; elsewhere they scroll. */
@media (min-width: 52rem) {
  .scroll { width: max-content; max-width: min(calc(100vw - 3rem), 78rem);
             margin-left: 50%; transform: translateX(-50%); }
}
.verdict { border-left: 4px solid #0072B2; background: #f3f7fa; padding: .2rem 1rem; margin: 1rem 0; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; margin: 1rem 0; }
footer { color: #444; font-size: .85rem; margin-top: 2rem; border-top: 1px solid #ccc; }
</style>
<main>
<h1>$title</h1>
$body
</main>
<footer>$footer</footer>
</html>
""")


def render(
    title: str, lead: Sequence[str], sections: Sequence[Section], footer: Sequence[str], verdict: Sequence[str] = ()
) -> str:
    """The page as text. Pictures are read and put into it, so that it needs no other file.

    verdict: the answer, set apart below the lead, for who reads no further.
    """
    answer = f'<div class="verdict">{_sentences(verdict)}</div>\n' if verdict else ""
    body = (
        _sentences(lead) + answer + _contents(sections) + "".join(_section(k, each) for k, each in enumerate(sections))
    )
    return _PAGE.substitute(title=escape(title), body=body, footer=_sentences(footer))


def write(path: Path, page: str) -> None:
    """Write the page, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(page, encoding="utf-8")


def _contents(sections: Sequence[Section]) -> str:
    if len(sections) < 2:
        return ""
    links = (f'<li><a href="#part-{k}">{_text(each.heading)}</a></li>\n' for k, each in enumerate(sections))
    return f'<nav aria-label="Contents"><ul>\n{"".join(links)}</ul></nav>\n'


def _section(k: int, section: Section) -> str:
    parts = [f'<h2 id="part-{k}">{_text(section.heading)}</h2>\n', _sentences(section.sentences)]
    return "".join([*parts, *map(_picture, section.pictures), *map(_table, section.tables)])


def _text(plain: str) -> str:
    """Plain text as HTML: τ_gen and n^b set as subscript and superscript, `words` as code, eta as η."""
    marked = re.sub(r"\b([τψfnNBWη])_(mem|gen|gap|copy|min|max|[np])\b", r"\1<sub>\2</sub>", escape(plain))
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", marked)
    marked = re.sub(r"\beta\b", "η", marked)
    return re.sub(r"(\w)\^([-−]?\d+(?:\.\d+)?|\w+)", r"\1<sup>\2</sup>", marked)


def _sentences(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{_text(sentence)}</p>\n" for sentence in sentences)


def _picture(picture: Picture) -> str:
    wide, kind = "", ' class="narrow"'
    if picture.double is not None:
        # A phone shows the figure for one column, in which the text is large enough there.
        wide, kind = f'<source media="(min-width: 40rem)" srcset="{_png(picture.double)}">', ""
    image = f'<picture>{wide}<img{kind} alt="{escape(picture.caption)}" src="{_png(picture.path)}"></picture>'
    return f"<figure>{image}<figcaption>{_text(picture.caption)}{_download(picture.data)}</figcaption></figure>\n"


def _png(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _download(data: Path | None) -> str:
    """A link to the data behind a figure, or where they lie."""
    if data is None:
        return ""
    size = data.stat().st_size
    if size > EMBEDDED_BYTES:
        return f" Data: {escape(data.name)} beside this page."
    content = base64.b64encode(data.read_bytes()).decode()
    link = f'href="data:application/x-netcdf;base64,{content}" download="{escape(data.name)}"'
    return f" <a {link}>Data (NetCDF, {max(1, round(size / 1000))} kB)</a>"


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.rows[0])
    lines = "".join("<tr>" + "".join(map(_cell, row.values())) + "</tr>\n" for row in table.rows)
    caption = "" if table.folded else f"<caption>{_text(table.caption)}</caption>"
    # A region that scrolls must be reachable by keyboard, and then needs a name.
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}">'
    whole = f"{scroll}<table>{caption}\n<tr>{head}</tr>\n{lines}</table></div>\n"
    return f"<details><summary>{_text(table.caption)}</summary>{whole}</details>\n" if table.folded else whole


def _cell(text: str) -> str:
    """A cell, which may break into lines if it is long."""
    kind = ' class="words"' if len(text) > _LONG else ""
    return f"<td{kind}>{_text(text)}</td>"

"""The report: one self-contained HTML page with what was predicted, what was measured and how far apart they are."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from theory.files import written_whole


@dataclass(frozen=True)
class Picture:
    """A PNG file with its caption, which is also read out to those who cannot see it."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with, in this order, sentences, pictures and tables (rows of one set of columns each)."""

    heading: str
    sentences: Sequence[str]
    pictures: Sequence[Picture] = ()
    tables: Sequence[Sequence[dict[str, str]]] = ()


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 1rem/1.55 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 46rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-top: 1px solid #ccc; padding-top: 1rem; }
figure { margin: 1.2rem 0; }
img { display: block; width: 100%; max-width: 26rem; margin: 0 auto; }
figcaption { color: #444; font-size: .9rem; margin-top: .4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
footer { color: #444; font-size: .85rem; margin-top: 2rem; border-top: 1px solid #ccc; }
</style>
<h1>$title</h1>
$body
<footer>$footer</footer>
</html>
""")


def render(title: str, lead: Sequence[str], sections: Sequence[Section], footer: Sequence[str]) -> str:
    """The page as text. Pictures are read and put into it, so that it needs no other file."""
    body = _sentences(lead) + "".join(map(_section, sections))
    return _PAGE.substitute(title=escape(title), body=body, footer=_sentences(footer))


def write(path: Path, page: str) -> None:
    """Write the page, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(page, encoding="utf-8")


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>\n", _sentences(section.sentences)]
    return "".join([*parts, *map(_picture, section.pictures), *map(_table, section.tables)])


def _text(plain: str) -> str:
    """Plain text as HTML, with τ_gen and n^b set as subscript and superscript."""
    marked = re.sub(r"([τψ])_(\w+)", r"\1<sub>\2</sub>", escape(plain))
    return re.sub(r"(\w)\^(-?\w+)", r"\1<sup>\2</sup>", marked)


def _sentences(sentences: Sequence[str]) -> str:
    return "".join(f"<p>{_text(sentence)}</p>\n" for sentence in sentences)


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    return (
        f'<figure><img alt="{escape(picture.caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>\n"
    )


def _table(rows: Sequence[dict[str, str]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in rows[0])
    lines = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row.values()) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table>\n<tr>{head}</tr>\n{lines}</table></div>\n'

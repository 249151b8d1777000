"""What MkDocs does not do by itself: pages from outside docs/, and formulas.

README.md is the first page, and CONTRIBUTING.md and CHANGELOG.md are pages too; links are moved with them. Formulas are
written in Unicode, so that they can be read in an editor; on the site `λ_k` and `e^{−2t}` get real sub- and
superscripts, which needs no script and no network.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
# Files that pages link to.
FILES = ["CITATION.cff", "LICENSE", *(f"examples/{path.name}" for path in sorted((ROOT / "examples").glob("*.py")))]

_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")
# Fenced blocks, code, tags and targets of links hold no formulas.
_CODE = re.compile(
    r"(```.*?```|`[^`]*`|<[^<>\s][^<>]*>|\]\([^)]*\)|^:::.*?(?=\n\S|\Z))", flags=re.DOTALL | re.MULTILINE
)
_BRACED = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_SIGN = {"^": "sup", "_": "sub"}


def on_files(files, config):
    from mkdocs.structure.files import File

    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    for name in FILES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown, page, config, files):
    return formulas(moved(markdown))


def moved(text: str) -> str:
    """The page with its links as they are on the site, where all pages lie in one folder."""

    def target(match: re.Match) -> str:
        path = match[1].removeprefix("../").removeprefix("docs/")
        return PAGES.get(path, path)

    return _LINK.sub(target, text)


def formulas(text: str) -> str:
    """The page with sub- and superscripts, and with paragraphs that are indented by two spaces set apart."""
    parts = _CODE.split(text)
    parts[::2] = [_scripts(part) for part in parts[::2]]
    lines = "".join(parts).split("\n")
    shown, inside = [], False
    for number, line in enumerate(lines):
        if not inside and re.match(r"  \S", line) and number and not lines[number - 1].strip():
            shown.append('<div class="formula" markdown>')
            inside = True
        if inside and not line.strip():
            shown.append("</div>")
            inside = False
        # Two spaces at the end of a line break it there.
        shown.append(f"{line.strip()}  " if inside else line)
    return "\n".join([*shown, "</div>"] if inside else shown)


def _scripts(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = re.sub(rf"(?<=\S)([\^_]){_BRACED}", _script, text)
    # In σ_x² the ² is not below the line.
    letter = r"(?![¹²³⁰-⁹ᵀ])[^\W\d_]"
    return re.sub(rf"(?<=[^\s\\_^])([\^_])([−+-]?(?:\d+(?:\.\d+)?|(?:{letter})+))", _script, text)


def _script(match: re.Match) -> str:
    tag = _SIGN[match[1]]
    return f"<{tag}>{match[2]}</{tag}>"

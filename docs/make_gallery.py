"""Make gallery.md and its pictures from what `genmem figures all` left in out/figures; run by `make gallery`."""

from pathlib import Path

from PIL import Image

from genmem.figures.catalogue import FIGURES

DOCS = Path(__file__).parent
FIGURES_AT = DOCS.parent / "out" / "figures"
WIDTH = 1400  # pixels; the files of `genmem figures` have 2100

HEAD = """# Gallery

Every figure of `genmem figures all --runs records/digits-cpu records/random-features`, at two columns; `make gallery`
makes this page. Each also comes at one column, as PDF, and with its data ([how](publication-figures.md)).
Measured figures show this project's own recorded runs, U-Nets on 8×8 digits.
"""


def main() -> None:
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    parts = [HEAD]
    for name, entry in FIGURES.items():
        picture = Image.open(FIGURES_AT / f"{name}-double.png").convert("RGB")
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
        # A palette keeps the repository small; line drawings lose nothing.
        picture.quantize(128, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)
        parts.append(f"## {name}\n\n![{name}](gallery/{name}.png)\n\n{entry.caption}\n\n`genmem figures {name}`\n")
    (DOCS / "gallery.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()

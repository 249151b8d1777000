"""Make gallery.md and its pictures from what `genmem figures all` left in out/figures; run by `make gallery`."""

from pathlib import Path

from PIL import Image

from genmem.figures.catalogue import FIGURES

DOCS = Path(__file__).parent
FIGURES_AT = DOCS.parent / "out" / "figures"
WIDTH = 1400  # pixels; the files of `genmem figures` have 2100

HEAD = """# Gallery

Every figure of `genmem figures all --runs records/digits-cpu records/random-features records/grammar-cpu
records/cifar10-cpu`, at two columns; `make gallery` makes this page. Each also comes at one column, as PDF, and with
its data ([how](publication-figures.md)). Measured figures show this project's own recorded runs: three of U-Nets on
CIFAR-10 at 8×8 first, then those of U-Nets on 8×8 digits where these show what the figure is about.
"""
CIFAR10 = ("measured-windows", "plane", "overlay")


def main() -> None:
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    parts = [HEAD]
    for name in CIFAR10:
        shrink(FIGURES_AT / "cifar10" / f"{name}-double.png", folder / f"cifar10-{name}.png")
        parts.append(section(f"{name}, CIFAR-10", f"cifar10-{name}", name, " --runs records/cifar10-cpu"))
    for name in FIGURES:
        shrink(FIGURES_AT / f"{name}-double.png", folder / f"{name}.png")
        parts.append(section(name, name, name))
    (DOCS / "gallery.md").write_text("\n".join(parts))


def shrink(source: Path, target: Path) -> None:
    """A picture of the page's width with few colours: a palette keeps the repository small, and lines lose nothing."""
    picture = Image.open(source).convert("RGB")
    picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    picture.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def section(title: str, file: str, name: str, options: str = "") -> str:
    return (
        f"## {title}\n\n![{title}](gallery/{file}.png)\n\n{FIGURES[name].caption}\n\n`genmem figures {name}{options}`\n"
    )


if __name__ == "__main__":
    main()

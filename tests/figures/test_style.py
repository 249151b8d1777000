"""What every figure must be: readable at column width, nothing cut off, fonts embedded, the same bytes twice."""

import re
import zlib
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from genmem.empirics.records.runs import find
from genmem.figures.drawing import learning_curves, phase_diagram, simulation, style
from genmem.figures.pictures import (
    batch_size,
    collapse,
    levels,
    measured_windows,
    memorization_law,
    overlay,
    random_features,
    samples,
    string_phases,
    training,
)
from tests.figures import made, small_theory

DATA = {}
RECORDS = Path(__file__).parents[2] / "records"


def grammars():
    return find(RECORDS / "grammar-cpu")


def measured(picture, runs):
    """What a figure of these runs draws, computed once for all tests."""
    if picture not in DATA:
        DATA[picture] = picture.calculate(runs)
    return DATA[picture]


BUILT = {
    "learning_curves": lambda runs, width: learning_curves.build(made.curves(), width),
    "simulation": lambda runs, width: simulation.build(made.curves(), width),
    "phase_diagram": lambda runs, width: phase_diagram.build(made.diagram(), width),
    "collapse": lambda runs, width: collapse.build(measured(collapse, runs), width),
    "batch_size": lambda runs, width: batch_size.build(made.batch_sizes(), width),
    "training": lambda runs, width: training.build(measured(training, runs), width),
    "samples": lambda runs, width: samples.build(measured(samples, runs), width),
    "measured_windows": lambda runs, width: measured_windows.build(measured(measured_windows, runs), width),
    "overlay": lambda runs, width: overlay.build(measured(overlay, runs), width),
    "random_features": lambda runs, width: random_features.build(made.random_features(), width),
    "levels": lambda runs, width: levels.build(measured(levels, grammars()), width),
    "string_phases": lambda runs, width: string_phases.build(measured(string_phases, grammars()), width),
    "memorization_law": lambda runs, width: memorization_law.build(measured(memorization_law, grammars()), width),
    **small_theory.BUILT,
}


SIZES = [(name, width) for name in BUILT for width in (style.SINGLE, style.DOUBLE)]


@pytest.fixture(scope="module", params=SIZES, ids=str)
def figure(request, runs):
    """Each figure at each width, built once for the tests, which leave it as it is."""
    name, width = request.param
    return BUILT[name](find(runs), width)


def test_text_is_at_least_seven_points_at_column_width(figure):
    assert figure.get_figwidth() in (style.SINGLE, style.DOUBLE)
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert sizes and min(sizes) >= 7


def test_nothing_is_cut_off(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())  # of all that is drawn, in inches
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01 and box.y0 >= -0.01 and box.x1 <= width + 0.01 and box.y1 <= height + 0.01


def test_a_title_that_does_not_fit_would_be_noticed():
    figure = learning_curves.build(made.curves())
    figure.axes[0].set_title("far too long for one column " * 5)
    with pytest.raises(AssertionError):
        test_nothing_is_cut_off(figure)


@pytest.mark.parametrize("figure", [size for size in SIZES if size[1] == style.SINGLE], indirect=True, ids=str)
def test_saved_as_pdf_with_embedded_truetype_fonts_and_as_png(figure, tmp_path):
    pdf, png = style.save(figure, tmp_path / "new" / "figure")
    assert png.read_bytes().startswith(b"\x89PNG")
    content = pdf.read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in _unpacked(content)
    assert sorted(path.name for path in pdf.parent.iterdir()) == ["figure.pdf", "figure.png"]


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first = style.save(learning_curves.build(made.curves()), tmp_path / "a")
    second = style.save(learning_curves.build(made.curves()), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def _unpacked(pdf: bytes) -> bytes:
    """The content of a PDF with its compressed streams unpacked."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            pass
    return b"".join(parts)

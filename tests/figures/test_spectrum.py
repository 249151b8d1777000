"""The spectrum's figure draws the density, both kinds of edges, the atom and all simulated eigenvalues in its range."""

import numpy as np
import pytest

from figures import spectrum, style
from theory import RandomFeatures


@pytest.fixture(scope="module")
def data():
    return spectrum.spectrum_of(RandomFeatures(4, 8, 0.1), d=20, seed=0)


def lines(axes, **properties):
    kept = [line for line in axes.lines if all(getattr(line, f"get_{k}")() == v for k, v in properties.items())]
    return [np.column_stack(line.get_data()).astype(float) for line in kept]


def test_density_is_drawn_bulk_by_bulk(data):
    panels = spectrum.build(data).axes
    assert len(panels) == 2
    for axes, (lower, upper) in zip(panels, data.edges.values):
        (curve,) = lines(axes, color=style.BLACK)
        here = data.sel({"lambda": slice(lower, upper)})
        np.testing.assert_array_equal(curve, np.column_stack([here["lambda"], here["lambda"] * here.density]))


def test_edges_and_atom_stand_where_they_are(data):
    lowest, highest = spectrum.build(data).axes
    for axes, edges in zip((lowest, highest), data.edges.values):
        assert [line[0, 0] for line in lines(axes, color=style.GREY)] == list(edges)
    drawn = [line[0, 0] for line in lines(lowest, color=style.VERMILION)]
    assert drawn == list(data.attrs["memorization_limit"])
    assert [line[0, 0] for line in lines(lowest, color=style.BLUE)] == list(data.atom.values)
    assert not lines(highest, color=style.BLUE)
    assert "38% of all" in [text.get_text() for text in lowest.texts]


def test_areas_of_the_histogram_are_shares_of_the_eigenvalues(data):
    highest = spectrum.build(data).axes[1]
    share, bins, _ = highest.patches[0].get_data()
    assert np.sum(share * np.diff(np.log(bins))) == pytest.approx(20 / 160)


def test_one_bulk_takes_one_panel():
    data = spectrum.spectrum_of(RandomFeatures(100, 0.5, 0.1), d=20, seed=0)
    assert data.sizes["bulk"] == 1 and data.sizes["atoms"] == 0
    assert len(spectrum.build(data).axes) == 1

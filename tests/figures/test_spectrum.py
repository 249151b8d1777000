"""The spectrum's figure draws the density, both kinds of edges, the atom and all simulated eigenvalues in its range."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import spectrum
from genmem.theory import RandomFeatures
from genmem.theory.network import draw_network


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
    assert drawn == list(data.limit.sel(kind="memorization").values)
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


@pytest.mark.parametrize(("width", "shape"), [(style.SINGLE, (2, 1)), (style.DOUBLE, (1, 2))])
def test_panels_are_stacked_in_one_column_and_side_by_side_in_two(data, width, shape):
    figure = spectrum.build(data, width)
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape


def test_the_histogram_is_of_the_network_and_the_limits_are_the_formulas(data):
    """The eigenvalues' mean is the trace of sampled features; the limits from the activation's constants."""
    model = RandomFeatures(4, 8, 0.1)
    network = draw_network(model, 20, np.random.default_rng(0))
    noised = network.noised(np.repeat(network.x, 500, axis=0), np.random.default_rng(1).standard_normal((40_000, 20)))
    assert data.simulated.mean() == pytest.approx(np.mean(network.features(noised) ** 2), rel=0.01)
    c = model.constants
    expected = [c.s2 + c.v2 * (1 - np.sqrt(2)) ** 2, c.s2 + c.v2 * (1 + np.sqrt(2)) ** 2]
    np.testing.assert_allclose(data.limit.sel(kind="memorization"), expected)
    assert data.mass.sum() + data.atom_weight.sum() == pytest.approx(1)

"""Each figure draws the data it is given: what is checked is the artists' data, not the pixels."""

import numpy as np
import pytest
import xarray
from matplotlib.colors import to_hex

from genmem.figures.drawing import learning_curves, phase_diagram, simulation, style
from genmem.theory.phases import PHASES


def points(axes, **properties):
    """The data of all lines on the axes with the given properties."""
    lines = [line for line in axes.lines if all(getattr(line, f"get_{k}")() == v for k, v in properties.items())]
    return [np.column_stack(line.get_data()).astype(float) for line in lines]


def same(found, x, y):
    return found.shape == (len(x), 2) and np.array_equal(found, np.column_stack([x, y]).astype(float))


def test_learning_curves_draw_the_three_curves(curves):
    losses, score = learning_curves.build(curves).axes
    for axes, name in ((losses, "train"), (losses, "test"), (score, "score")):
        assert any(same(line, curves.tau, curves[name]) for line in points(axes, color=style.LOSS_COLOURS[name]))


@pytest.mark.parametrize("kind", ["gen", "gap", "mem"])
def test_each_time_is_marked_where_it_is(curves, kind):
    curves.attrs[f"tau_{kind}"] = 77.0
    losses, _ = learning_curves.build(curves).axes
    marks = points(losses, color=style.TIME_COLOURS[kind])
    assert len(marks) == 1 and np.all(marks[0][:, 0] == 77.0)


def test_a_time_that_never_comes_is_not_marked_and_leaves_the_window_open(curves):
    curves.attrs["tau_mem"] = np.inf
    losses, _ = learning_curves.build(curves).axes
    assert not points(losses, color=style.TIME_COLOURS["mem"])
    window = losses.patches[0].get_extents().transformed(losses.transData.inverted())
    assert window.x0 == pytest.approx(20) and window.x1 == pytest.approx(curves.tau.values[-1])


def test_simulation_lays_points_over_lines(curves):
    losses, score = simulation.build(curves).axes
    for axes, name in ((losses, "train"), (losses, "test"), (score, "score")):
        line = points(axes, color=style.LOSS_COLOURS[name], linestyle="-")
        dots = points(axes, markeredgecolor=style.LOSS_COLOURS[name], marker="o")
        assert same(line[0], curves.tau, curves[name])
        assert 10 < len(dots[0]) < len(line[0])
        exact = curves[f"simulated_{name}"].sel(tau=dots[0][:, 0])
        assert np.array_equal(dots[0][:, 1], exact)


def test_phase_diagram_colours_each_place_by_its_phase(diagram):
    """Between the grid points too: the phases of the made diagram are known everywhere."""
    mesh = phase_diagram.build(diagram).axes[0].collections[0]
    psi_n, psi_p, phase = phase_diagram.refined(diagram)
    assert np.array_equal(mesh.get_array(), phase)
    n, p = np.meshgrid(psi_n, psi_p)
    expected = np.select([n > 3 * p, 30 * n < 1000], [4, 3], 2)
    assert np.mean(phase != expected) < 1e-3
    for place in ((0, 499), (499, 0), (250, 100), (499, 499)):
        colour = phase_diagram.COLOURS[PHASES[expected[place]]]
        assert to_hex(mesh.to_rgba(mesh.get_array())[place]).upper() == colour


def test_a_phase_diagram_without_exact_lines_shows_the_nearest_grid_point(diagram):
    diagram["psi_n_memorization"][:] = np.nan
    psi_n, psi_p, phase = phase_diagram.refined(diagram, points=40)
    assert np.array_equal(phase, diagram.phase)


def test_underfit_networks_are_bounded_by_tau_gen(diagram):
    diagram["tau_gen"] = 100 * diagram.psi_p + 0 * diagram.psi_n
    late = diagram.tau_gen > 1000
    diagram["phase"] = diagram.phase.where(~late, 1).assign_attrs(diagram.phase.attrs)
    psi_n, psi_p, phase = phase_diagram.refined(diagram)
    assert np.mean((phase == 1) != (psi_p > 10)[:, None]) < 3e-3


def test_phase_diagram_names_the_phases_it_shows_and_no_other(diagram):
    legend = phase_diagram.build(diagram).legends[0]
    shown = {text.get_text() for text in legend.get_texts()}
    phases = {"G: generalization", "M: memorization", "A: architectural regularization"}
    assert shown == {*phases, r"contours of $\tau_{mem}$", r"threshold $n^*(p)$"}


def test_each_phase_is_named_by_a_letter_inside_it(diagram):
    axes = phase_diagram.build(diagram).axes[0]
    letters = {text.get_text(): text.get_position() for text in axes.texts if text.get_weight() == "bold"}
    assert set(letters) == {"G", "M", "A"}
    assert 10 < 30 * letters["M"][0] < 1000 and 30 * letters["G"][0] > 1000
    n, p = letters["A"]
    assert n > 3 * p and letters["G"][0] < 3 * letters["G"][1]


@pytest.mark.parametrize(("width", "shape"), [(style.SINGLE, (3, 1)), (style.DOUBLE, (1, 3))])
def test_several_training_times_are_a_panel_each(diagram, width, shape):
    later = [diagram.assign_coords(tau=tau) for tau in (1000.0, 1e4, 3e4)]
    for at in later[1:]:
        line = np.minimum(float(at.tau) / 30, 3 * at.psi_p)
        at["psi_n_memorization"] = line
        codes = np.where(at.psi_n > at.psi_n_architectural, 4, np.where(at.psi_n < line, 3, 2))
        at["phase"] = at.phase.copy(data=codes if codes.shape == at.phase.shape else codes.T)
    both = xarray.concat(later, "tau", data_vars=["phase", "psi_n_memorization"])
    panels = phase_diagram.build(both, width).axes
    assert panels[0].get_subplotspec().get_gridspec().get_geometry() == shape
    titles = [r"$\tau$ = 1000", r"$\tau$ = $10^{4}$", r"$\tau$ = $3.0\times10^{4}$"]
    assert [axes.get_title() for axes in panels] == titles
    for axes, at in zip(panels, later, strict=True):
        assert np.array_equal(axes.collections[0].get_array(), phase_diagram.refined(at)[2])


def test_contours_of_tau_mem_are_decades_in_their_place(diagram):
    contours = phase_diagram.build(diagram).axes[0].collections[1]
    assert np.array_equal(contours.levels, [1, 2, 3, 4])
    # tau_mem = 30 psi_n: the line of 10^k lies at psi_n = 10^k / 30. Within a grid step of the threshold, where tau_mem
    # usually diverges and here does not, the contours are a guess.
    step = diagram.psi_n.values[1] / diagram.psi_n.values[0]
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        n, p = path.vertices[path.vertices[:, 0] * step**2 < 3 * path.vertices[:, 1]].T
        assert n.size > 10 and np.allclose(np.log10(n * 30), level, atol=0.03)


def test_contours_follow_a_time_that_diverges_at_the_threshold(diagram):
    """tau_mem = 1 / (1/psi_n - 1/psi_n*): known everywhere, so the contours must be right between the grid points."""
    threshold = diagram.psi_n_architectural
    diagram["tau_mem"] = (1 / (1 / diagram.psi_n - 1 / threshold)).where(diagram.psi_n < threshold, np.inf).T
    psi_n, psi_p, _ = phase_diagram.refined(diagram)
    found = phase_diagram.decades(diagram, psi_n, psi_p)
    n, p = np.meshgrid(psi_n, psi_p)
    inside = n < 0.999 * 3 * p
    exact = np.log10(1 / (1 / n[inside] - 1 / (3 * p[inside])))
    assert np.allclose(found[inside].filled(np.nan), exact, atol=0.02)
    assert np.all(np.ma.getmaskarray(found)[n > 1.001 * 3 * p])


def test_a_diagram_without_memorization_has_no_contours(diagram):
    diagram["tau_mem"][:] = np.inf
    assert len(phase_diagram.build(diagram).axes[0].collections) == 1

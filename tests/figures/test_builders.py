"""Each figure draws the data it is given: what is checked is the artists' data, not the pixels."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from empirics.runs import find
from figures import learning_curves, overlay, phase_diagram, samples, simulation, style, training
from tests.figures import made
from theory.phases import PHASES


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
    assert shown == {"generalization", "memorization", "architectural regularization", r"threshold $n^*(p)$"}


def test_contours_of_tau_mem_are_decades_in_their_place(diagram):
    contours = phase_diagram.build(diagram).axes[0].collections[1]
    assert np.array_equal(contours.levels, [1, 2, 3, 4])
    # tau_mem = 30 psi_n: the line of 10^k lies at psi_n = 10^k / 30.
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        assert np.allclose(np.log10(path.vertices[:, 0] * 30), level, atol=0.03)


def test_a_diagram_without_memorization_has_no_contours(diagram):
    diagram["tau_mem"][:] = np.inf
    assert len(phase_diagram.build(diagram).axes[0].collections) == 1


def test_overlay_draws_measured_times_as_markers_and_predicted_ones_as_lines(overlay_figure, overlay):
    axes = overlay_figure.axes[0]
    for event in ("gen", "gap", "mem"):
        here = overlay.sel(event=event)
        lines = points(axes, color=style.TIME_COLOURS[event])
        assert same(lines[0], overlay.n_line, here.predicted)
        assert sorted(lines[1][:, 1]) == sorted(here.measured.values)
        assert np.allclose(lines[1][:, 0], overlay.n, rtol=0.1)


def test_overlay_draws_censored_times_apart_with_an_arrow_each(overlay_figure):
    axes = overlay_figure.axes[0]
    copies = [line for line in axes.lines if line.get_color() == style.TIME_COLOURS["copy"]]
    seen, late = copies[1], copies[2]
    assert len(seen.get_ydata()) == 4 and len(late.get_ydata()) == 2
    assert set(late.get_ydata()) == {1200}
    assert late.get_markerfacecolor() == "white" and seen.get_markerfacecolor() != "white"
    arrows = [text for text in axes.texts if text.arrow_patch is not None]
    assert len(arrows) == 2 and all(arrow.xyann[1] == 1200 and arrow.xy[1] > 1200 for arrow in arrows)


def test_overlay_states_the_map_and_both_exponents(overlay_figure):
    text = overlay_figure.get_suptitle()
    assert "n/64" in text and "16" in text and "12" in text and "1.60" in text
    legend = [entry.get_text() for entry in overlay_figure.legends[0].get_texts()]
    assert any("1.10 [0.90, 1.40]; predicted 1.00" in entry for entry in legend)
    assert any(entry == style.TIME_LABELS["copy"] for entry in legend)  # too few times: no exponent is claimed


@pytest.fixture
def overlay_figure(overlay):
    return globals()["overlay"].build(overlay)


def test_training_draws_the_recorded_losses_and_fractions(runs):
    records = find(runs)
    losses, copies = training.build(records, 0.01).axes
    assert len(losses.lines) == 2 * len(records) and len(copies.lines) == len(records)
    train, test = records[2].loss(0.01)
    assert same(points(losses)[4], records[2].steps, train)
    assert same(points(losses)[5], records[2].steps, test)
    assert same(points(copies)[2], records[2].steps, records[2].f_mem)
    colours = [line.get_color() for line in copies.lines]
    assert np.array_equal(colours[0], colours[1]) and not np.array_equal(colours[1], colours[2])


def test_samples_before_and_after_are_those_of_the_record(runs):
    before, after = samples.before_and_after(find(runs), count=4)
    record = next(r for r in find(runs) if r.config.n == 32)
    assert not before.copied.any() and list(after.copied) == [True, False, True, False]
    assert np.array_equal(after.nearest, record.training_images()[:4])
    assert np.abs(after.generated[after.copied] - after.nearest[after.copied]).max() < 0.01


def test_copies_are_framed_and_only_copies():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 1, 8, 8))
    copied = np.array([False, True, False])
    figure = samples.build([samples.Samples("after", images, images[::-1], copied)])
    framed = [any(isinstance(patch, Rectangle) for patch in axes.patches) for axes in figure.axes]
    assert framed == [False, True, False] * 2
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert np.allclose(shown[0], (images[0, 0] + 1) / 2) and np.allclose(shown[3], (images[2, 0] + 1) / 2)


def test_colour_images_are_shown_in_colour():
    images = np.zeros((1, 3, 8, 8))
    images[0, 0] = 1  # red
    figure = samples.build([samples.Samples("one", images, images, np.array([False]))])
    assert figure.axes[0].images[0].get_array()[0, 0].tolist() == [1, 0.5, 0.5]

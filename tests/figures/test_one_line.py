"""Results drawn in one line: the right figure, with the numbers of the result."""

import numpy as np
import pytest

import genmem
from genmem import LinearDenoiser, RandomFeatures, Spectrum, generate, phase_diagram, plot, simulate
from genmem.figures.drawing import style
from genmem.shared.errors import InputError

MODEL = RandomFeatures(4, 8, 0.1)


def drawn(axes, x, y):
    return any(np.array_equal(line.get_xdata(), x) and np.array_equal(line.get_ydata(), y) for line in axes.get_lines())


def test_curves_in_any_order_with_both_ends():
    tau = np.array([np.inf, 100.0, 1.0, 10.0, 0.0, 1000.0])
    curves = MODEL.learning_curves(tau)
    figure = curves.plot()
    order = [2, 3, 1, 5]
    losses, score = figure.axes
    assert drawn(losses, tau[order], curves.test[order]) and drawn(score, tau[order], curves.score[order])
    assert figure.get_figwidth() == style.SINGLE and curves.plot(width=7.0).get_figwidth() == 7.0


def test_the_times_marked_are_the_curves_own():
    tau = np.geomspace(0.1, 1e5, 200)
    losses = MODEL.learning_curves(tau).plot().axes[0]
    marked = [line.get_xdata()[0] for line in losses.get_lines() if line.get_linestyle() == "--"]
    times = MODEL.timescales()
    assert sorted(marked) == pytest.approx(sorted([times.gen, times.gap, times.mem]), rel=0.02)


def test_each_kind_of_result():
    assert len(plot(simulate(MODEL, d=8, tau=[1.0, 10.0])).axes) == 2
    assert len(LinearDenoiser(2.0).learning_curves([1.0, 10.0], 0.1).plot().axes) == 2
    made = LinearDenoiser(2.0).generated([1.0, 10.0, np.inf])
    distances, shares = made.plot().axes
    assert drawn(distances, [1.0, 10.0], made.kl[:2]) and drawn(shares, [1.0, 10.0], made.agreement[:2])
    assert drawn(distances, [30.0], made.kl[2:])  # at infinity
    assert len(MODEL.generated([1.0, 10.0]).plot().axes) == 1
    samples = generate(RandomFeatures(1, 2, 0.1), 8, [1.0, 5.0], samples=4, steps=4)
    assert drawn(samples.plot().axes[0], [1.0, 5.0], samples.f_mem)
    # KL to data with a direction of no variance is infinite, and not drawn.
    flat = LinearDenoiser(2.0, Spectrum([0.0, 1.0])).generated([1.0, 10.0])
    assert len(flat.plot().axes[0].get_lines()) == 2
    diagram = phase_diagram([1, 4, 16], [4, 16, 64], 0.1, tau=300.0)
    assert plot(diagram).axes[0].get_xlabel().startswith("training points")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda: 3, "a int was given"),
        (lambda: phase_diagram([1, 4], [4, 8], 0.1), "a phase diagram with a tau"),
        (lambda: MODEL.learning_curves(1.0), "one axis of training times"),
        (lambda: MODEL.learning_curves([1.0, np.inf]), "two finite training times"),
    ],
)
def test_anything_else_is_refused(result, words):
    with pytest.raises(InputError, match=words):
        genmem.plot(result())

"""Infinite width in the phase diagram: a row of the data, a strip above the plane."""

import numpy as np
import pytest

from genmem.figures.drawing import phase_diagram
from genmem.figures.drawing.calculations import PSI, regimes, widths
from genmem.shared.errors import InputError
from genmem.theory.problem import Problem


def test_an_axis_that_ends_in_infinity_has_one_row_more():
    assert np.array_equal(widths((0.25, np.inf), 5), [*np.geomspace(0.25, PSI[1], 5), np.inf])
    assert widths((1e4, np.inf), 3)[-2] == pytest.approx(1e7)
    with pytest.raises(InputError, match="psi_p must be a positive number or inf"):
        widths((1.0, -np.inf), 5)


def test_the_strip_is_the_row_at_infinite_width():
    data = regimes(Problem(t=0.1), 1000.0, psi_n=(1, 256), psi_p=(16, np.inf), points=5)
    figure = phase_diagram.build(data)
    (axes,) = figure.axes
    strips = [c for c in axes.collections if c.get_array() is not None and c.get_array().shape == (1, 5)]
    assert len(strips) == 1 and np.array_equal(np.ravel(strips[0].get_array()), data.phase.values[-1])
    assert axes.get_ylim()[1] > PSI[1]
    # Memorization ends where the exact line of the row says.
    sides = strips[0].get_coordinates()[0, :, 0]
    assert np.min(np.abs(sides / float(data.psi_n_memorization[-1]) - 1)) < 1e-6
    assert any("infty" in text.get_text() for text in axes.texts)

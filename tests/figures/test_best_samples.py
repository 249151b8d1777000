"""The samples' best time: the figure's data are the closed form's, and drawn as they are."""

import numpy as np
import pytest

from genmem.figures.drawing import style
from genmem.figures.pictures import best_samples
from genmem.theory import LinearDenoiser
from tests.figures import small_theory


def test_the_data_are_the_closed_forms():
    data = small_theory._data("best_samples")
    for psi_n in data.psi_n.values:
        found, row = LinearDenoiser(float(psi_n)).stopping(), data.sel(psi_n=psi_n)
        assert [float(row[name]) for name in ("best_kl", "best_loss", "rise", "excess")] == pytest.approx(
            [found.kl, found.loss, found.rise, found.excess]
        )
    made = LinearDenoiser(4.0).generated(data.tau.values)
    assert np.allclose(data.kl.sel(shown=4.0), made.kl_noised) and np.allclose(
        data.agreement.sel(shown=4.0), made.agreement
    )


def test_the_loss_stops_too_early_with_few_points_and_too_late_with_many():
    data = small_theory._data("best_samples")
    few, many = data.isel(psi_n=0), data.isel(psi_n=-1)
    assert few.best_loss < few.best_kl and many.best_loss > 100 * many.best_kl
    lines = {line.get_label(): line for line in best_samples.build(data, style.DOUBLE).axes[2].get_lines()}
    assert np.array_equal(lines["samples are best"].get_ydata(), data.best_kl)
    assert np.array_equal(lines["loss is best"].get_ydata(), data.best_loss)

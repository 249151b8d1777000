"""The explorer's calculation: the theory's numbers, and only those that a change of the settings asks for."""

from dataclasses import replace

import numpy as np
import pytest

from genmem.figures.explorer.calculation import (
    COVARIANCES,
    TRAINING_TIMES,
    Calculation,
    Curves,
    Eigenvalues,
    Settings,
    covariance,
)
from genmem.figures.explorer.controls import Controls
from genmem.figures.explorer.refined_regimes import RegimesAtTime
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum
from genmem.theory.phases import PHASES
from tests.tolerances import SAME_NUMBER

TWO_ATOMS = Settings(psi_n=4, psi_p=8, copies=2.0, activation="erf", kind="two atoms", ratio=3.0)


def kinds(results) -> list[type]:
    return [type(result) for result in results]


def test_the_first_answer_is_the_theory():
    curves, plane, eigenvalues = Calculation().answer(TWO_ATOMS)
    model = RandomFeatures(4, 8, 0.1, "erf", Spectrum([0.5, 1.5]), 2.0)
    expected = model.learning_curves(TRAINING_TIMES)
    for name in ("train", "test", "score"):
        assert np.allclose(getattr(curves, name), getattr(expected, name), rtol=SAME_NUMBER)
    assert curves.times == model.timescales()
    assert isinstance(plane, RegimesAtTime)
    mass = sum(np.trapezoid(height / x, x) for x, height in eigenvalues.bulks) + sum(w for _, w in eigenvalues.atoms)
    assert abs(mass - 1) < 1e-3


def test_only_what_changes_is_computed():
    calculation = Calculation()
    assert kinds(calculation.answer(TWO_ATOMS)) == [Curves, RegimesAtTime, Eigenvalues]
    assert kinds(calculation.answer(TWO_ATOMS)) == []
    assert kinds(calculation.answer(replace(TWO_ATOMS, tau=10.0))) == [RegimesAtTime]
    assert kinds(calculation.answer(replace(TWO_ATOMS, psi_n=5.0, tau=10.0))) == [Curves, Eigenvalues]
    # The slider of a covariance that is not chosen moves nothing.
    assert kinds(calculation.answer(replace(TWO_ATOMS, psi_n=5.0, tau=10.0, alpha=2.0))) == []
    assert kinds(calculation.answer(replace(TWO_ATOMS, t=0.2))) == [Curves, RegimesAtTime, Eigenvalues]


def test_gradient_noise_moves_the_curves_and_the_regimes_but_not_the_spectrum():
    calculation = Calculation()
    (_, calm, _), noisy = calculation.answer(TWO_ATOMS), replace(TWO_ATOMS, noise=0.1, tau=30.0)
    curves, plane = calculation.answer(noisy)
    model = RandomFeatures(4, 8, 0.1, "erf", Spectrum([0.5, 1.5]), 2.0)
    kappa = 0.1 * model.critical_gradient_noise
    assert np.array_equal(curves.test, model.learning_curves(TRAINING_TIMES, kappa).test)
    assert curves.times == model.timescales(gradient_noise=kappa)
    assert not np.array_equal(plane.phase, calm.phase)
    *_, plane = calculation.answer(replace(noisy, noise=0.9))
    assert (plane.phase == PHASES.index("no_generalization")).mean() > 0.9


def test_a_moved_network_does_not_begin_the_diagram_anew():
    calculation = Calculation()
    list(calculation.answer(TWO_ATOMS))
    while calculation.refine() is None:
        pass
    list(calculation.answer(replace(TWO_ATOMS, psi_n=9.0)))
    (plane,) = calculation.answer(replace(TWO_ATOMS, psi_n=9.0, tau=5.0))
    assert plane.points == 9 and calculation.unfinished


def test_what_is_refused_leaves_the_next_answer_whole():
    calculation = Calculation()
    list(calculation.answer(TWO_ATOMS))
    with pytest.raises(InputError, match="did you mean 'digits'"):
        list(calculation.answer(replace(TWO_ATOMS, kind="of a data set", data="digit")))
    assert kinds(calculation.answer(replace(TWO_ATOMS, psi_n=9.0))) == [Curves, Eigenvalues]
    with pytest.raises(InputError, match="t must be positive"):
        list(calculation.answer(replace(TWO_ATOMS, t=-1.0)))
    assert kinds(calculation.answer(TWO_ATOMS)) == [Curves, Eigenvalues]


def test_covariances():
    for kind in COVARIANCES[:3]:
        assert abs(covariance(kind, 5.0, 1.5).mean - 1) < 1e-12
    assert covariance("two atoms", 3.0) == Spectrum([0.5, 1.5])
    digits = covariance("of a data set", data="digits")
    from genmem.empirics.data.datasets import load

    pool = load("digits").pool
    assert abs(digits.mean - pool.reshape(len(pool), -1).var(axis=0, ddof=1).mean()) < 1e-5
    with pytest.raises(InputError, match="covariance must be one of"):
        covariance("white")


def test_curves_are_shown_down_to_their_lowest_and_not_up_to_the_end_of_the_rise():
    found = next(iter(Calculation().answer(Settings())))
    low, high = found.shown_losses
    assert low < min(found.train.min(), found.test.min()) and 1 < high < found.test.max()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        TWO_ATOMS,
        Settings(psi_n=0.5, psi_p=40.3, t=0.01, kind="of a data set"),
        Settings(alpha=0.5, copies=128, noise=0.25),
    ],
)
def test_widgets_say_the_settings_they_were_given(settings):
    said = Controls(settings, lambda: None).settings
    for name in ("psi_n", "psi_p", "tau", "t", "copies", "noise", "ratio", "alpha"):
        assert np.isclose(getattr(said, name), getattr(settings, name), rtol=1e-12), name
    assert (said.kind, said.activation, said.data) == (settings.kind, settings.activation, settings.data)


def test_controls_call_once_per_change_and_show_the_slider_of_the_covariance():
    calls = []
    controls = Controls(Settings(), lambda: calls.append(1))
    widgets = {name: controls.column.select_one({"name": name}) for name in ("psi_n", "kind", "ratio", "alpha", "data")}
    assert [widgets[name].visible for name in ("ratio", "alpha", "data")] == [False] * 3
    widgets["kind"].value = "power law"
    assert [widgets[name].visible for name in ("ratio", "alpha", "data")] == [False, True, False]
    controls.set(TWO_ATOMS)
    assert len(calls) == 1 and widgets["ratio"].visible
    controls.move(1e9, 4.0)
    assert controls.settings.psi_n == 1024 and controls.settings.psi_p == 4.0


def test_a_moved_slider_leaves_the_run_and_the_training_time_does_not():
    start = Settings(psi_n=2.0, psi_p=24.3, t=0.01, kind="of a data set")
    controls = Controls(start, lambda: None)
    assert start.same_network(controls.settings) and start.same_network(replace(start, tau=3.0))
    for change in ({"psi_n": 2.2}, {"psi_p": 30.0}, {"t": 0.02}, {"copies": 4.0}, {"kind": "isotropic"}, {"data": "x"}):
        assert not start.same_network(replace(start, **change))


def test_the_width_slider_ends_in_infinity():
    """One step beyond the plane's edge, with curves and without a spectrum of U; back it is the slider's last width."""
    controls = Controls(replace(TWO_ATOMS, psi_p=np.inf), lambda: None)
    assert controls.settings.psi_p == np.inf
    curves, _, eigenvalues = Calculation().answer(controls.settings)
    assert np.isfinite(curves.test).all() and not eigenvalues.bulks
    controls.move(4.0, 1e9)
    assert controls.settings.psi_p == 2.0**10

"""What users mistype ends in one sentence, and what is empty or extreme in an exact answer."""

import numpy as np
import pytest

from genmem.shared.errors import InputError, count, finite, numbers, times
from genmem.theory import RandomFeatures, Spectrum, cost, descend, phase_diagram, simulate
from genmem.theory.noise_average import averaged_curves
from genmem.theory.prediction import prediction
from genmem.theory.prediction_text import as_json, as_table
from genmem.theory.timescales import timescales_of_curves

MODEL = RandomFeatures(4, 8, 0.1)
MISTAKES = [
    (lambda: MODEL.timescales(fractions=(0.1, 0.1, 0.1)), "fractions"),
    (lambda: phase_diagram([1], [1], 0.1, foo=3), "'foo'"),
    (lambda: phase_diagram(["1"], [1], 0.1), "psi_n"),
    (lambda: Spectrum.from_data("x"), "x must"),
    (lambda: Spectrum([True, 2.0]), "eigenvalues"),
    (lambda: Spectrum.power_law("1"), "alpha"),
    (lambda: simulate("m", 10, 0, [1.0]), "model"),
    (lambda: cost("m", 10), "model"),
    (lambda: descend("m", 10, 0, 10, 0.1), "model"),
    (lambda: averaged_curves("m", [1.0]), "model"),
    (lambda: simulate(MODEL, True, 0, [1.0]), "d must"),
    (lambda: RandomFeatures(True, 8, 0.1), "psi_n"),
    (lambda: RandomFeatures(4, "8", 0.1), "psi_p"),
    (lambda: RandomFeatures(4, 8, np.array([0.1])), "t must"),
    (lambda: RandomFeatures(4, 8, 0.1, copies=True), "copies"),
    (lambda: MODEL.learning_curves([True]), "tau"),
    (lambda: MODEL.learning_curves("4"), "tau"),
    (lambda: MODEL.learning_curves(np.array([1 + 1j])), "tau"),
    (lambda: timescales_of_curves([1, 2, 3], [1, 0.5, 1], [1, np.nan, 1]), "NaN"),
    (lambda: prediction(MODEL, (1.0, 1.0)), "increase"),
    (lambda: prediction(MODEL, (-1.0, 1.0)), "tau"),
]


@pytest.mark.parametrize("call, named", MISTAKES)
def test_a_mistake_is_one_sentence(call, named):
    with pytest.raises(InputError, match=named) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [True, np.True_, "4", b"4", None, 1j, np.complex128(1), np.array([4.0]), [4]])
@pytest.mark.parametrize("check", [finite, count])
def test_what_is_no_number_passes_no_check(check, value):
    with pytest.raises(InputError, match="^x must be"):
        check("x", value)


@pytest.mark.parametrize("value", [4, 4.0, np.int8(4), np.float32(4), np.array(4)])
def test_numbers_of_every_kind_pass(value):
    assert finite("x", value) == 4.0 and count("x", value) == 4 and type(count("x", value)) is int
    assert count("seed", 2**60 + 1) == 2**60 + 1
    assert numbers("x", [value, 2]).tolist() == [4.0, 2.0] and times("x", value).shape == ()


def test_no_times_have_no_losses():
    curves = MODEL.learning_curves([])
    assert curves.test.shape == (0,) and curves.modes.shape == (0, 1)
    assert averaged_curves(MODEL, []).test.shape == (0,)


def test_zero_and_infinity_are_training_times():
    curves = prediction(MODEL, (0.0, 10.0, np.inf))
    assert curves.train.values[0] == 1 and curves.test.values[2] == MODEL.learning_curves(np.inf).test
    assert " inf " in as_table(curves) and '"tau": [0.0, 10.0, null]' in as_json(curves)


def test_a_network_that_learns_nothing_has_a_table_too():
    curves = prediction(RandomFeatures(4, 8, 0.1, "cos", center=True))
    assert np.all(np.isfinite(curves.tau)) and np.all(curves.test == 1)

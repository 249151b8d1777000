"""Results as labelled arrays, models as JSON text and back."""

import json

import numpy as np
import pytest

from genmem.shared.errors import InputError
from genmem.theory import LinearDenoiser, RandomFeatures, Spectrum, descend, generate, simulate

MODEL = RandomFeatures(2, 3, 0.1, "erf", Spectrum([0.5, 1.5]), copies=2, ridge=1e-3)


def test_curves_become_a_dataset_with_every_field():
    curves = MODEL.learning_curves([1.0, 10.0, np.inf])
    data = curves.to_xarray()
    assert data.tau.attrs["units"] == "steps x learning rate / d^2"
    assert data.modes.dims == ("tau", "mode") and data.attrs["error"] == curves.error
    for name in ("train", "test", "score", "penalised", "empirical", "bias", "variance", "modes"):
        assert np.array_equal(data[name], getattr(curves, name))
    data.to_netcdf(engine="h5netcdf")  # attributes are such as a file holds


def test_times_of_any_shape_are_dimensions():
    assert MODEL.learning_curves(1.0).to_xarray().train.dims == ()
    data = MODEL.learning_curves(np.ones((2, 3))).to_xarray()
    assert data.train.dims == ("tau_0", "tau_1") and data.tau.shape == (2, 3)


def test_simulations_carry_their_errors_and_sizes():
    run = simulate(MODEL, d=10, seed=3, tau=[1.0, 5.0], draws=2)
    data = run.to_xarray()
    assert np.array_equal(data.test_standard_error, run.standard_error["test"])
    assert data.modes_standard_error.dims == ("tau", "mode") and (data.attrs["d"], data.attrs["seed"]) == (10, 3)
    descent = descend(RandomFeatures(2, 3, 0.1), d=10, seed=0, steps=20, learning_rate=1.0).to_xarray()
    assert descent.attrs["status"] == "finished" and descent.steps.dims == ("tau",)


def test_what_is_generated_carries_its_own_unit_and_copies():
    data = LinearDenoiser(2.0, Spectrum([0.5, 1.5])).generated([1.0, 5.0]).to_xarray()
    assert data.tau.attrs["units"] == "steps x learning rate / d" and data.variance.dims == ("tau", "mode")
    made = generate(RandomFeatures(1, 2, 0.1), 8, [1.0, np.inf], samples=3, steps=4)
    data = made.to_xarray()
    assert np.array_equal(data.f_mem, made.f_mem) and data.samples.dims == ("tau", "sample", "coordinate")
    assert data.training.dims == ("point", "coordinate")


@pytest.mark.parametrize(
    "model", [MODEL, RandomFeatures(), LinearDenoiser(np.inf), LinearDenoiser(2.0, Spectrum([1, 2]))]
)
def test_a_model_comes_back_to_the_last_digit(model):
    text = model.to_json()
    json.loads(text, parse_constant=pytest.fail)  # no Infinity, which is no JSON
    assert type(model).from_json(text) == model


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "text must be JSON"),
        ("[]", "text must be a RandomFeatures"),
        (LinearDenoiser().to_json(), "text must be a RandomFeatures"),
        ('{"model": "RandomFeatures", "psi": 1}', "an argument of RandomFeatures in text"),
        ('{"model": "RandomFeatures", "psi_n": -1}', "psi_n must be positive"),
        ('{"model": "RandomFeatures", "spectrum": [1]}', "spectrum in text must hold"),
    ],
)
def test_another_text_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        RandomFeatures.from_json(text)


def test_a_function_cannot_be_saved():
    with pytest.raises(InputError, match="activation must be a name for a model"):
        RandomFeatures(2, 3, 0.1, activation=np.arctan).to_json()

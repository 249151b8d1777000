"""Agreement of two made-up models that generate the same images until each copies its own half of the data."""

import numpy as np
import pytest

from genmem.empirics.analysis.mapping import images_of_run
from genmem.empirics.data.datasets import load
from genmem.figures.drawing import style
from genmem.figures.pictures import agreement
from genmem.shared.errors import InputError
from genmem.theory import LinearDenoiser, Spectrum
from tests.figures.recorded import write_run


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    root = tmp_path_factory.mktemp("halves")
    return [
        write_run(root, 32, 0, gen=100, mem=480, steps=960, milestones=20, half="first"),
        # Of another seed, whose made-up samples are those of the sampling seed.
        write_run(root, 32, 1, gen=100, mem=480, steps=960, milestones=20, half="second", sampling_seed=0),
    ]


@pytest.fixture(scope="module")
def data(pair):
    return agreement.calculate(pair).isel(pair=0)


def test_models_agree_until_they_copy_their_own_data(data, pair):
    before, after = data.step.values < 480, data.step.values >= 480
    np.testing.assert_allclose(data.agreement[before], 1, atol=1e-6)
    # From then on half of the samples are copies of images that the other model has never seen.
    first, second = (record.training_images()[:16:2].reshape(8, -1) for record in pair)
    centre = pair[0].held_out_images().mean(axis=0).ravel()
    a, b = first - centre, second - centre
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(data.agreement[after], 0.5 + 0.5 * cosines.mean(), atol=2e-3)
    assert (data.agreement_low <= data.agreement + 1e-6).all() and (data.agreement <= data.agreement_high + 1e-6).all()


def test_baselines_stay_where_nothing_is_copied(data):
    after = data.step.values >= 480
    assert (data.unrelated < data.agreement - 0.1).all()
    gain = data.own.sel(half="first") - data.held_out.sel(half="first")
    assert float(gain[~after].max()) < 0.1 < float(gain[after].min())


def test_similarity_to_own_data_is_one_for_exact_copies(data, pair):
    """Half of the samples; the other half keeps what it had before."""
    k = int(np.argmax(data.step.values >= 480))
    step = int(data.step[k])
    samples = pair[1].samples(step).reshape(16, -1)
    images = pair[1].training_images().reshape(32, -1)
    centre = pair[1].held_out_images().mean(axis=0).ravel()
    x, y = samples - centre, images - centre
    cosines = x @ y.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    assert float(data.own.sel(half="second")[k]) == pytest.approx(cosines.max(axis=1).mean(), abs=1e-5)


def test_runs_without_a_partner_are_refused(pair):
    for records in (pair[:1], pair[1:]):
        with pytest.raises(InputError, match="differ in the half and the seed alone"):
            agreement.calculate(records)


@pytest.mark.parametrize("width", [style.SINGLE, style.DOUBLE])
def test_the_figure_draws_agreement_and_both_similarities(pair, width):
    data = agreement.calculate(pair)
    between, within = agreement.build(data, width).axes
    here = data.isel(pair=0)
    drawn = [line.get_ydata() for line in (*between.lines, *within.lines)]
    held_out = here.held_out.mean("half")
    expected = [
        here.agreement,
        here.untrained,
        here.unrelated,
        here.linear,
        here.own.sel(half="first"),
        here.own.sel(half="second"),
        held_out,
    ]
    for line, values in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(line, values)


def test_the_unit_of_time_of_linear_networks_is_found(pair):
    d, spectrum = images_of_run(pair[0])
    steps = np.geomspace(5, 5000, 20)
    truth = LinearDenoiser(32 / d, spectrum).generated(steps / 70).agreement
    laid, unit = agreement.of_linear_networks(pair[0], steps, truth)
    assert unit == pytest.approx(70, rel=0.1) and np.abs(laid - truth).max() < 5e-3
    assert truth[0] > truth[-1] + 0.05


def test_linear_networks_agree_as_the_closed_form_of_the_datas_covariance_says():
    """Against two sample covariances S of 32 digits each: of e^{-2t}S + Delta at t = 0.01, Tr sqrt(G1 G2) / Tr G1."""
    images = load("digits").pool.reshape(-1, 64).astype(float)
    rng, found = np.random.default_rng(0), []
    root = np.linalg.cholesky(np.cov(images, rowvar=False) + 1e-12 * np.eye(64))
    for _ in range(8):
        mu, vectors = zip(
            *(np.linalg.eigh(x.T @ x / 32) for x in rng.standard_normal((2, 32, 64)) @ root.T), strict=True
        )
        first, second = (
            (v * np.sqrt(np.exp(-0.02) * m - np.expm1(-0.02))) @ v.T for m, v in zip(mu, vectors, strict=True)
        )
        found.append(np.trace(first @ second) / np.trace(first @ first))
    theory = LinearDenoiser(32 / 64, Spectrum.from_data(images)).generated(np.inf)
    assert float(theory.agreement) == pytest.approx(np.mean(found), rel=0.01)


def test_a_pair_that_shares_its_seed_is_marked(tmp_path):
    twins = [write_run(tmp_path, 32, 0, gen=100, mem=480, milestones=8, half=half) for half in ("first", "second")]
    drawn = agreement.build(agreement.calculate(twins))
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["n = 32, same seed"]

"""What is finished is kept, what is not is made anew."""

import pytest
import xarray

from genmem.figures.drawing.cached import cached
from tests.figures import made


@pytest.fixture
def counted():
    """A computation that counts how often it is done."""

    def compute():
        compute.calls += 1
        return made.curves()

    compute.calls = 0
    return compute


def test_a_finished_piece_is_not_computed_again(tmp_path, counted):
    path = tmp_path / "piece.nc"
    first = cached(path, {"psi_n": 8}, counted)
    second = cached(path, {"psi_n": 8}, counted)
    assert counted.calls == 1
    xarray.testing.assert_equal(first, second)
    assert second.attrs["tau_mem"] == 800


def test_a_piece_of_another_recipe_is_computed_anew(tmp_path, counted):
    path = tmp_path / "piece.nc"
    cached(path, {"psi_n": 8}, counted)
    cached(path, {"psi_n": 16}, counted)
    cached(path, {"psi_n": 16}, counted)
    assert counted.calls == 2


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_piece_is_computed_anew(tmp_path, counted, keep):
    path = tmp_path / "piece.nc"
    cached(path, {}, counted)
    path.write_bytes(path.read_bytes()[:keep])
    cached(path, {}, counted)
    assert counted.calls == 2 and xarray.load_dataset(path).tau.size == 96


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "piece.nc", {}, interrupted)
    assert not list(tmp_path.iterdir())

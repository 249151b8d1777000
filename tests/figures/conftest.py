import pytest
import xarray

from tests.figures import made


@pytest.fixture
def curves() -> xarray.Dataset:
    return made.curves()


@pytest.fixture
def diagram() -> xarray.Dataset:
    return made.diagram()


@pytest.fixture
def overlay() -> xarray.Dataset:
    return made.overlay()


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder of recorded runs at three n, two seeds each; those at the largest n end before they memorize."""
    from tests.figures.recorded import write_run

    root = tmp_path_factory.mktemp("runs")
    for n in (32, 64, 128):
        for seed in (0, 1):
            write_run(root, n, seed, gen=150 * 1.05**seed, mem=15 * n * 1.1**seed, steps=1500)
    return root

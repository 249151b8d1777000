import pytest
import torch

from empirics.networks import unet
from theory.errors import InputError


@pytest.mark.parametrize(("width", "millions"), [(8, 0.26), (16, 1.01), (32, 4.02), (48, 9.04), (64, 16.05)])
def test_published_numbers_of_parameters(width, millions):
    # Bonnaire et al. (arXiv:2505.17638): U-Nets on grey 32x32 images.
    with torch.device("meta"):
        network = unet(width, channels=1, size=32)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_every_level_but_the_finest_has_attention_and_nothing_drops_out():
    network = unet(8, channels=3, size=16)
    blocks = list(network.down_blocks) + list(network.up_blocks)
    assert [hasattr(block, "attentions") for block in blocks] == [False, True, True, True, True, False]
    assert all(module.p == 0 for module in network.modules() if isinstance(module, torch.nn.Dropout))
    assert network(torch.zeros(2, 3, 16, 16), torch.tensor([0, 999])).sample.shape == (2, 3, 16, 16)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one = unet(8, 1, 8, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    same, other = unet(8, 1, 8, seed=5), unet(8, 1, 8, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match="levels"):
        unet(8, 1, 6, levels=3)

import math
import subprocess
import sys

import pytest
import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.networks.mlp import ResidualMLP
from genmem.empirics.networks.random_features import RandomFeaturesNetwork
from genmem.empirics.networks.unet import unet
from genmem.empirics.processes.diffusion import alphabar
from genmem.empirics.training.networks import network_of
from genmem.shared.errors import InputError


@pytest.mark.parametrize(("width", "millions"), [(8, 0.26), (16, 1.01), (32, 4.02), (48, 9.04), (64, 16.05)])
def test_published_numbers_of_parameters(width, millions):
    # Bonnaire et al. (arXiv:2505.17638): U-Nets on grey 32x32 images.
    with torch.device("meta"):
        network = unet(width, channels=1, size=32)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_the_largest_network_of_the_cifar10_sweeps():
    # Marion and Wu (arXiv:2605.06077) go up to 92 million parameters.
    with torch.device("meta"):
        network = unet(152, channels=3, size=32)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(92, rel=0.02)


def test_every_level_but_the_finest_has_attention_and_nothing_drops_out():
    network = unet(8, channels=3, size=16)
    blocks = list(network.down_blocks) + list(network.up_blocks)
    assert [hasattr(block, "attentions") for block in blocks] == [False, True, True, True, True, False]
    assert all(module.p == 0 for module in network.modules() if isinstance(module, torch.nn.Dropout))
    assert network(torch.zeros(2, 3, 16, 16), torch.tensor([0, 999])).sample.shape == (2, 3, 16, 16)


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match="levels"):
        unet(8, 1, 6, levels=3)


@pytest.mark.parametrize(
    ("network", "shape", "words"),
    [("unet", (1, 8, 8), {"levels": 2}), ("mlp", (8, 1, 1), {"blocks": 3}), ("random-features", (3, 4, 4), {})],
)
def test_every_network_maps_batches_to_noise_and_depends_on_the_seed_alone(network, shape, words):
    config = TrainConfig(network=network, width=16, seed=3, **words)
    x, k = torch.randn(5, *shape), torch.tensor([0, 1, 40, 500, 999])
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one, same = network_of(config, shape), network_of(config, shape)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one(x, k).sample.shape == x.shape
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    other = network_of(TrainConfig(network=network, width=16, seed=4, **words), shape)
    assert any(
        not torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_naming_and_checking_a_network_loads_no_torch():
    code = (
        "import sys; from genmem.empirics.config import TrainConfig; TrainConfig().check(); "
        "assert TrainConfig(network='random-features').is_theory and not TrainConfig().is_theory; "
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_mlp_has_three_residual_blocks_and_knows_the_step():
    network = ResidualMLP(8, width=128, blocks=3)
    x = torch.randn(1, 8, 1, 1).repeat(3, 1, 1, 1)
    out = network(x, torch.tensor([0, 0, 500])).sample
    assert torch.equal(out[0], out[1]) and not torch.allclose(out[0], out[2])
    for block in network.blocks:
        torch.nn.init.zeros_(block["second"].weight)
        torch.nn.init.zeros_(block["second"].bias)
    # Without its blocks only the skip is left.
    expected = network.leave(torch.nn.functional.silu(network.enter(x.flatten(1))))
    torch.testing.assert_close(network(x, torch.tensor([0, 0, 500])).sample.flatten(1), expected)


def test_the_random_features_network_is_the_theorys():
    network = RandomFeaturesNetwork(12, 30)
    assert [name for name, _ in network.named_parameters()] == ["A"] and not network.A.any()
    torch.nn.init.normal_(network.A)
    y, k = torch.randn(4, 3, 2, 2), torch.tensor([40, 40, 136, 136])
    W = network.W * math.sqrt(12)
    assert abs(W.std() - 1) < 0.15
    score = torch.stack([network.A @ torch.tanh(W @ x / math.sqrt(12)) / math.sqrt(30) for x in y.flatten(1)])
    delta = torch.as_tensor(1 - alphabar(), dtype=torch.float32)[k]
    torch.testing.assert_close(network(y, k).sample.flatten(1), -delta.sqrt()[:, None] * score)

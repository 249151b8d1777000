import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

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
    [
        ("unet", (1, 8, 8), {"levels": 2}),
        ("mlp", (8, 1, 1), {"blocks": 3}),
        ("layernorm-mlp", (8, 1, 1), {"blocks": 3}),
        ("random-features", (3, 4, 4), {}),
    ],
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


def test_the_published_mlp_of_the_mixture_written_out():
    network = network_of(TrainConfig(network="layernorm-mlp", width=6, blocks=2), (8, 1, 1))
    weights = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    x, k = torch.randn(3, 8, 1, 1, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 40, 999])
    frequency = 1e-4 ** (np.array([0, 0, 2, 2, 4, 4]) / 6)
    angles = k.numpy()[:, None] * frequency
    embedding = np.where(np.arange(6) % 2, np.sin(angles), np.cos(angles))

    def linear(name, values):
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    hidden = linear("enter", x.double().numpy()[:, :, 0, 0])
    for block in ("blocks.0", "blocks.1"):
        inner = linear(f"{block}.first", hidden + embedding)
        inner = inner * stats.norm.cdf(inner)  # GELU
        total = hidden + linear(f"{block}.second", inner)
        centred = total - total.mean(1, keepdims=True)
        hidden = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    found = network(x, k).sample[:, :, 0, 0].detach().numpy()
    np.testing.assert_allclose(found, linear("leave", hidden), atol=1e-5)
    # 128 wide with three blocks in eight dimensions, as printed by the released code: 102 thousand parameters.
    big = network_of(TrainConfig(network="layernorm-mlp", width=128, blocks=3), (8, 1, 1))
    assert sum(p.numel() for p in big.parameters()) == 2 * 8 * 128 + 128 + 8 + 3 * (2 * (128**2 + 128) + 2 * 128)


def test_whole_channels_drop_out_together():
    config = TrainConfig(width=8, levels=2, blocks=1, dropout=0.5, drop_channels=True)
    network = network_of(config, (1, 8, 8)).train()
    dropped = [module for module in network.modules() if isinstance(module, torch.nn.Dropout2d)]
    single = [m for m in network.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert dropped and not single and all(module.p == 0.5 for module in dropped)
    out = dropped[0](torch.ones(50, 8, 4, 4)).flatten(2)
    assert set(out.unique().tolist()) == {0.0, 2.0} and bool((out == out[..., :1]).all())
    plain = network_of(TrainConfig(width=8, levels=2, blocks=1, dropout=0.5), (1, 8, 8))
    assert not any(isinstance(module, torch.nn.Dropout2d) for module in plain.modules())
    # The weights are the same, and without training so is the output.
    x, k = torch.randn(2, 1, 8, 8), torch.tensor([3, 500])
    assert torch.equal(network.eval()(x, k).sample, plain.eval()(x, k).sample)
    for refused in ({"dropout": 0.0}, {"network": "mlp"}):
        with pytest.raises(InputError, match="dropout must be above 0|drop_channels must be off"):
            TrainConfig(**({"dropout": 0.5, "drop_channels": True} | refused)).check()

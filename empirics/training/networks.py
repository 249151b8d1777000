"""The networks: the U-Net of the memorization studies, a residual MLP, and the score network of the theory.

Each maps noised data (B, C, H, W) and DDPM steps (B,) to an object with `.sample`, the predicted noise (B, C, H, W).
"""

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.diffusion import STEPS, alphabar
from genmem.empirics.randomness import derived_seed
from genmem.shared.errors import InputError

MULTIPLIERS = (1, 2, 4)


def network_of(config: TrainConfig, shape: tuple[int, int, int]) -> nn.Module:
    """The config's network with its initial weights, for data of this shape (C, H, W)."""
    if config.network == "unet":
        return unet(config.width, shape[0], shape[1], config.levels, config.blocks, config.seed, config.dropout)
    with _seeded(config.seed):
        if config.network == "mlp":
            return ResidualMLP(math.prod(shape), config.width, config.blocks)
        return RandomFeaturesNetwork(math.prod(shape), config.width)


def unet(width: int, channels: int, size: int, levels: int = 3, blocks: int = 2, seed: int = 0, dropout: float = 0.0):
    """A `diffusers.UNet2DModel` with self-attention on all levels but the finest.

    With three levels, two blocks and one channel it has 0.26, 1.01, 4.02, 9.04, 16.05 million parameters at width 8, 16, 32, 48, 64
    (Bonnaire et al., arXiv:2505.17638, table of U-Nets); with three channels, as for CIFAR-10, 64 million at width 128
    and 90 million at width 152, the largest size of Marion and Wu (arXiv:2605.06077; they print 92).

    Args:
        width: base width W, a multiple of 4; level l has W * (1, 2, 4)[l] channels.
        channels: channels of the images.
        size: side of the square images in pixels, divisible by 2^(levels - 1).
        levels: resolution levels, 1 to 3.
        blocks: residual blocks per level.
        seed: of the initial weights; torch's global generator is left as it was.
        dropout: probability with which a feature is dropped in training.

    Raises InputError if the side cannot be halved levels - 1 times.
    """
    from diffusers import UNet2DModel

    if size % 2 ** (levels - 1):
        raise InputError(f"levels must let {levels - 1} halvings divide the images' side {size}, but {levels} was given")
    with _seeded(seed):
        return UNet2DModel(
            sample_size=size,
            in_channels=channels,
            out_channels=channels,
            layers_per_block=blocks,
            block_out_channels=tuple(width * multiplier for multiplier in MULTIPLIERS[:levels]),
            down_block_types=("DownBlock2D",) + ("AttnDownBlock2D",) * (levels - 1),
            up_block_types=("AttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
            # Four channels at the finest level share a mean; with one each, the network cannot see an image's brightness.
            norm_num_groups=width // 4,
            attention_head_dim=8,
            dropout=dropout,
        )


class ResidualMLP(nn.Module):
    """Residual blocks of constant width, each told the diffusion step, for low-dimensional data.

    Bonnaire et al. (arXiv:2505.17638) use three blocks of width 128 for the Gaussian mixture; the step enters as a
    sinusoidal embedding.
    """

    def __init__(self, d: int, width: int, blocks: int):
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU())
        self.enter = nn.Linear(d, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"time": nn.Linear(width, width), "first": nn.Linear(width, width), "second": nn.Linear(width, width)})
            for _ in range(blocks)
        )
        self.leave = nn.Linear(width, d)

    def forward(self, x, k):
        time = self.time(_sinusoids(k, self.width))
        hidden = self.enter(x.flatten(1))
        for block in self.blocks:
            inner = block["first"](nn.functional.silu(hidden)) + block["time"](time)
            hidden = hidden + block["second"](nn.functional.silu(inner))
        return Prediction(self.leave(nn.functional.silu(hidden)).view_as(x))


class RandomFeaturesNetwork(nn.Module):
    """The score network of the theory, s(y) = A tanh(W y / sqrt d) / sqrt p: W frozen and Gaussian, A trained from zero.

    It predicts the noise -sqrt(Delta) s(y), so that the denoising error is the theory's loss and, at one diffusion time,
    plain gradient descent with a small learning rate follows the theory's gradient flow, with
    tau = optimizer steps * learning rate / d^2 (Bonnaire et al., arXiv:2505.17638, section 4; theory.RandomFeatures with
    psi_p = p/d, psi_n = n/d). The theory's data have mean zero.
    """

    def __init__(self, d: int, features: int):
        super().__init__()
        self.register_buffer("W", torch.randn(features, d) / math.sqrt(d))
        self.A = nn.Parameter(torch.zeros(d, features))
        deviation = torch.as_tensor(1 - alphabar(), dtype=torch.float32).sqrt()
        # Part of the schedule, not of the network.
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, x, k):
        features = torch.tanh(x.flatten(1) @ self.W.T)
        score = features @ self.A.T / math.sqrt(len(self.W))
        return Prediction((-self.deviation[k][:, None] * score).view_as(x))


class Prediction:
    """What diffusers' models return."""

    def __init__(self, sample):
        self.sample = sample


def _sinusoids(k, width: int):
    """Cosines and sines (B, width) of the diffusion steps, with periods from 2 pi to 2 pi * 1000 steps."""
    half = width // 2
    frequencies = STEPS ** (-torch.arange(half, device=k.device) / half)
    angles = k[:, None] * frequencies
    return nn.functional.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, width - 2 * half))


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights"))
        yield

"""The score network of the theory: noised data (B, C, H, W) and DDPM steps (B,) to `.sample`, the predicted noise."""

import math

import torch
from torch import nn

from genmem.empirics.networks.prediction import Prediction
from genmem.empirics.processes.diffusion import alphabar


def build(config, shape: tuple[int, ...]) -> "RandomFeaturesNetwork":
    """The config's network for data of this shape."""
    return RandomFeaturesNetwork(math.prod(shape), config.width)


class RandomFeaturesNetwork(nn.Module):
    """The score network of the theory, s(y) = A tanh(W y / sqrt d) / sqrt p: W frozen and Gaussian, A trained from
    zero.

    It predicts the noise -sqrt(Delta) s(y), so that the denoising error is the theory's loss and, at one diffusion
    time, plain gradient descent with a small learning rate follows the theory's gradient flow, with
    tau = optimizer steps * learning rate / d^2 (Bonnaire et al., arXiv:2505.17638, section 4; theory.RandomFeatures
    with psi_p = p/d, psi_n = n/d). The theory's data have mean zero.
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

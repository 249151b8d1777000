"""ResNets (He et al., arXiv:1512.03385) up to their last pooled layer, with torchvision's names of the weights."""

import torch
from torch import nn


def _convolution(before: int, after: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)


class _Block(nn.Module):
    """Two 3x3 convolutions or, if `bottleneck`, 1x1, 3x3 and 1x1 with four times the channels at the end."""

    def __init__(self, before: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        after = 4 * width if bottleneck else width
        # The stride sits on the first 3x3 convolution.
        shapes = (
            ((before, width, 1, 1), (width, width, 3, stride), (width, after, 1, 1))
            if bottleneck
            else ((before, width, 3, stride), (width, width, 3, 1))
        )
        self.count = len(shapes)
        for index, shape in enumerate(shapes, start=1):
            self.add_module(f"conv{index}", _convolution(*shape))
            self.add_module(f"bn{index}", nn.BatchNorm2d(shape[1]))
        self.downsample = None
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(_convolution(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        for index in range(1, self.count + 1):
            x = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(x))
            x = (x if index < self.count else x + shortcut).relu()
        return x


class ResNet(nn.Module):
    """Images (N, 3, H, W) to features (N, 512), or (N, 2048) with bottleneck blocks.

    blocks: how many in each of the four stages; (2, 2, 2, 2) is ResNet-18; with bottlenecks, (3, 4, 6, 3) is ResNet-50.
    """

    def __init__(self, bottleneck: bool, blocks: tuple[int, int, int, int]):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for stage, number in enumerate(blocks):
            width = 64 * 2**stage
            layer = []
            for block in range(number):
                layer.append(_Block(channels, width, 2 if stage and not block else 1, bottleneck))
                channels = 4 * width if bottleneck else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, padding=1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return x.mean(dim=(2, 3))

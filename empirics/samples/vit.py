"""Vision transformers (Dosovitskiy et al., arXiv:2010.11929) up to the class token, with timm's names of the weights.

Facebook's DINO and DINOv2 releases have the same names. All sizes follow from the weights: the width, the depth, the
patch and the side of the image from the position embeddings; heads have 64 dimensions, as in every published DINO.
"""

import math

import torch
from torch import nn

_HEAD = 64


class _Attention(nn.Module):
    def __init__(self, width: int, bias: bool):
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count, tokens, width = x.shape
        heads = self.qkv(x).view(count, tokens, 3, width // _HEAD, _HEAD).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*heads)
        return self.proj(mixed.transpose(1, 2).reshape(count, tokens, width))


class _Scale(nn.Module):
    """DINOv2 scales what each block adds."""

    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int, bias: bool, scaled: bool):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attn, self.mlp = _Attention(width, bias), _Mlp(width, hidden)
        self.ls1, self.ls2 = (_Scale(width) if scaled else nn.Identity() for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """Images (N, 3, side, side) to the class token after the last norm (N, width).

    weights: by name, whose shapes decide all sizes; KeyError or ValueError if they are no vision transformer.
    """

    def __init__(self, weights: dict[str, torch.Tensor]):
        super().__init__()
        width, _, patch, _ = weights["patch_embed.proj.weight"].shape
        depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
        positions = weights["pos_embed"].shape[1]
        grid = math.isqrt(positions - 1)
        if grid**2 + 1 != positions or width % _HEAD:
            raise ValueError(f"{positions} positions of width {width} are no class token and a square of patches")
        self.side = grid * patch
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, width))
        hidden = weights["blocks.0.mlp.fc1.weight"].shape[0]
        bias, scaled = "blocks.0.attn.qkv.bias" in weights, "blocks.0.ls1.gamma" in weights
        self.blocks = nn.ModuleList(_Block(width, hidden, bias, scaled) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]

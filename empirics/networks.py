"""The U-Net of the memorization studies, at any width."""

from empirics.randomness import derived_seed
from theory.errors import InputError

MULTIPLIERS = (1, 2, 4)


def unet(width: int, channels: int, size: int, levels: int = 3, blocks: int = 2, seed: int = 0):
    """A `diffusers.UNet2DModel` with self-attention on all levels but the finest and no dropout.

    With three levels, two blocks and one channel it has 0.26, 1.01, 4.02, 9.04, 16.05 million parameters at width 8, 16, 32, 48, 64
    (Bonnaire et al., arXiv:2505.17638, table of U-Nets).

    Args:
        width: base width W, a multiple of 4; level l has W * (1, 2, 4)[l] channels.
        channels: channels of the images.
        size: side of the square images in pixels, divisible by 2^(levels - 1).
        levels: resolution levels, 1 to 3.
        blocks: residual blocks per level.
        seed: of the initial weights; torch's global generator is left as it was.

    Raises InputError if the side cannot be halved levels - 1 times.
    """
    import torch
    from diffusers import UNet2DModel

    if size % 2 ** (levels - 1):
        raise InputError(f"levels must let {levels - 1} halvings divide the images' side {size}, but {levels} was given")
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights"))
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
            dropout=0.0,
        )

"""The U-Net: noised images (B, C, H, W), DDPM steps (B,) to `.sample`, the predicted noise."""

from genmem.shared.errors import InputError

MULTIPLIERS = (1, 2, 4)


def build(config, shape: tuple[int, int, int]):
    """The config's U-Net for images of this shape (C, H, W)."""
    network = unet(config.width, shape[0], shape[1], config.levels, config.blocks, config.dropout)
    return drop_channels(network) if config.drop_channels else network


def drop_channels(network):
    """The same network, in training without whole channels where it would have left out single features."""
    from diffusers.models.resnet import ResnetBlock2D
    from torch import nn

    for module in network.modules():
        if isinstance(module, ResnetBlock2D):
            module.dropout = nn.Dropout2d(module.dropout.p)
    return network


def unet(width: int, channels: int, size: int, levels: int = 3, blocks: int = 2, dropout: float = 0.0):
    """A `diffusers.UNet2DModel` with self-attention on all levels but the finest.

    With three levels, two blocks and one channel it has 0.26, 1.01, 4.02, 9.04, 16.05 million parameters at
    width 8, 16, 32, 48, 64 (Bonnaire et al., arXiv:2505.17638, table of U-Nets); with three channels, as for CIFAR-10,
    64 million at width 128 and 90 million at width 152, the largest size of Marion and Wu (arXiv:2605.06077; they print
    92).

    Args:
        width: base width W, a multiple of 4; level l has W * (1, 2, 4)[l] channels.
        channels: channels of the images.
        size: side of the square images in pixels, divisible by 2^(levels - 1).
        levels: resolution levels, 1 to 3.
        blocks: residual blocks per level.
        dropout: probability with which a feature is dropped in training.

    Raises InputError if the side cannot be halved levels - 1 times.
    """
    from diffusers import UNet2DModel

    if size % 2 ** (levels - 1):
        raise InputError(
            f"levels must let {levels - 1} halvings divide the side {size} of images, but {levels} was given"
        )
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
        # The middle has attention too; with one level of width 4 it has no eight channels for a head.
        attention_head_dim=min(8, width * MULTIPLIERS[levels - 1]),
        dropout=dropout,
    )

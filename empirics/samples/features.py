"""Feature spaces: what a distance or a similarity between images is measured in. Each has a name for tables.

- `pixels`: the image itself;
- `random-conv`: a fixed random convolutional network, the same on every machine, nothing to download. Random features
  of this kind see edges and textures; their distances are not those of a trained network, hence the name;
- `resnet18:FILE`, `resnet50:FILE`: the last pooled layer of a ResNet whose weights lie in a local safetensors file with
  torchvision's names (timm's ResNets have the same);
- `sscd:FILE`: the copy detector of Pizzi et al. (arXiv:2202.10261), as they publish it: TorchScript, FILE.pt;
- `dino:FILE`: a self-supervised network of Caron et al. (arXiv:2104.14294) or of its second version (arXiv:2304.07193):
  a vision transformer, or a ResNet-50, in safetensors with timm's names; or any TorchScript file.

The last two are self-supervised: in their features a fixed threshold on similarity means something. TorchScript is a
program: load files that you trust.
"""

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genmem.empirics.randomness import generator
from genmem.shared.errors import InputError, known

PIXELS, RANDOM_CONV = "pixels", "random-conv"
RESNETS = {"resnet18": (False, (2, 2, 2, 2)), "resnet50": (True, (3, 4, 6, 3))}
SELF_SUPERVISED = ("sscd", "dino")
_SSCD_SIDE = 288
_WIDTHS = (32, 64, 64)
_BATCH = 256
_RESNET_SIDE = 224
# The statistics of ImageNet that these networks were trained with, for pixels in [0, 1].
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class FeatureSpace:
    """A map from images (N, C, H, W) in [-1, 1] to features (N, F), both float32 arrays."""

    name: str
    """For tables and folders; a network from a file carries the beginning of the file's hash."""
    network: Callable | None = dataclasses.field(default=None, repr=False, compare=False)
    """On tensors; None for the pixels themselves."""

    @property
    def self_supervised(self) -> bool:
        """Whether similarities are those of a network that learned, without labels, to tell pictures apart."""
        return self.name.partition("-")[0] in SELF_SUPERVISED

    def __call__(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, np.float32)
        if self.network is None:
            return images.reshape(len(images), -1)
        import torch

        with torch.no_grad():
            return torch.cat([self.network(batch) for batch in torch.from_numpy(images).split(_BATCH)]).numpy()


def feature_space(text: str) -> FeatureSpace:
    """The space called `text`; raises InputError for an unknown name or a file that is not of that architecture."""
    kind, colon, path = text.partition(":")
    if kind in (*RESNETS, *SELF_SUPERVISED) and colon:
        return _space_of_file(kind, Path(path))
    known("features", text, (PIXELS, RANDOM_CONV, *(f"{name}:FILE" for name in (*RESNETS, *SELF_SUPERVISED))))
    return FeatureSpace(PIXELS) if text == PIXELS else FeatureSpace(RANDOM_CONV, random_conv)


def random_conv(images):
    """Features (N, 64): three random 3x3 convolutions with ReLU, each followed by 2x2 averaging; then the mean.

    The weights are He-normal, drawn from a fixed seed for each number of channels.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d

    for layer, width in enumerate(_WIDTHS):
        channels = images.shape[1]
        random = generator(0, f"{RANDOM_CONV} {channels}", layer)
        weights = torch.randn((width, channels, 3, 3), generator=random) * (2 / (9 * channels)) ** 0.5
        images = conv2d(images, weights, padding=1).relu()
        if min(images.shape[2:]) > 1:
            images = avg_pool2d(images, 2)
    return adaptive_avg_pool2d(images, 1).flatten(1)


def _space_of_file(kind: str, path: Path) -> FeatureSpace:
    import torch
    from torch.nn.functional import interpolate

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"features must name a file of weights, but {str(path)!r} cannot be read: {error}") from None
    if kind == "sscd" or kind == "dino" and path.suffix != ".safetensors":
        network, side = _torchscript(content, path), _SSCD_SIDE if kind == "sscd" else _RESNET_SIDE
    else:
        network, side = _of_weights(kind, content, path)
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))

    def features(images):
        images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        images = interpolate(images, size=side, mode="bilinear", antialias=True)
        return network(((images + 1) / 2 - mean) / deviation)

    return FeatureSpace(f"{kind}-{hashlib.sha256(content).hexdigest()[:8]}", features)


def _torchscript(content: bytes, path: Path):
    import torch

    try:
        return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"features must name a TorchScript file, but {str(path)!r} is none: {reason}") from None


def _of_weights(kind: str, content: bytes, path: Path):
    """The network whose weights a safetensors file holds, and the side of the images that it takes."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from genmem.empirics.samples.resnet import ResNet
    from genmem.empirics.samples.vit import VisionTransformer

    try:
        weights = load(content)
    except SafetensorError as error:
        raise InputError(f"features must name a safetensors file, but {str(path)!r} cannot be read: {error}") from None
    # Neither the classifier nor the head and the mask token of self-supervised training are features.
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith(("fc.", "head.", "mask_token"))}
    try:
        if kind == "dino" and "conv1.weight" not in weights:
            network = VisionTransformer(weights).eval()
            side = network.side
        else:
            network, side = ResNet(*RESNETS["resnet50" if kind == "dino" else kind]).eval(), _RESNET_SIDE
        network.load_state_dict(weights)
    except (RuntimeError, KeyError, ValueError) as error:
        lines = str(error).splitlines()
        reason = lines[1 if len(lines) > 1 else 0].strip()
        raise InputError(f"features must hold the weights of a {kind}, but {str(path)!r} does not: {reason}") from None
    return network, side

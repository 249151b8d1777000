import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from genmem.empirics.samples.features import RESNETS, feature_space
from genmem.empirics.samples.resnet import ResNet
from genmem.shared.errors import InputError
from tests import tolerances


def images(count=6, channels=1, side=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, channels, side, side)).astype(np.float32)


def test_pixels_are_the_image():
    x = images(channels=3)
    np.testing.assert_array_equal(feature_space("pixels")(x), x.reshape(6, -1))


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 32), (1, 1)])
def test_the_random_network_is_the_same_each_time_and_tells_images_apart(channels, side):
    x = images(channels=channels, side=side)
    found = feature_space("random-conv")(x)
    torch.manual_seed(1)
    np.testing.assert_array_equal(found, feature_space("random-conv")(x))
    assert found.shape == (6, 64) and np.linalg.matrix_rank(found - found.mean(0)) == (2 if side == 1 else 5)
    # In batches or one by one.
    np.testing.assert_allclose(
        np.concatenate([feature_space("random-conv")(x[i : i + 1]) for i in range(6)]),
        found,
        rtol=tolerances.FLOAT32,
        atol=tolerances.FLOAT32,
    )


def test_the_random_network_is_the_same_on_every_machine():
    found = feature_space("random-conv")(np.ones((1, 1, 8, 8), np.float32))[0, :4]
    assert found == pytest.approx([0.12443817, 0.10275716, 0.13268967, 0.09481432], abs=tolerances.FLOAT32)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    torch.manual_seed(0)
    network = ResNet(*RESNETS["resnet18"])
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    # As torchvision and timm store it: with the classifier.
    save_file(network.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, path)
    return path


def test_the_published_sizes_of_resnets():
    # torchvision's counts, without the classifiers of 513 000 and 2 049 000 parameters.
    for name, total, classifier in (("resnet18", 11_689_512, 513_000), ("resnet50", 25_557_032, 2_049_000)):
        with torch.device("meta"):
            network = ResNet(*RESNETS[name])
        assert sum(p.numel() for p in network.parameters()) == total - classifier


def test_resnet50_has_torchvisions_names():
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in ResNet(*RESNETS["resnet50"]).state_dict().items()}
    assert shapes["layer1.0.conv1.weight"] == (64, 64, 1, 1) and shapes["layer2.0.conv2.weight"] == (128, 128, 3, 3)
    assert shapes["layer4.0.downsample.0.weight"] == (2048, 1024, 1, 1)
    assert shapes["layer4.2.bn3.running_var"] == (2048,)


def test_a_network_from_a_file(weights_file):
    space = feature_space(f"resnet18:{weights_file}")
    assert space.name.startswith("resnet18-") and len(space.name) == len("resnet18-") + 8
    x = images(2)
    found = space(x)
    assert found.shape == (2, 512)
    # Grey images are the same as three equal channels, and the file's weights matter.
    np.testing.assert_allclose(space(np.repeat(x, 3, 1)), found, rtol=tolerances.FLOAT32)
    from safetensors.torch import load_file

    other = load_file(weights_file)
    other["conv1.weight"] *= 1.5
    save_file(other, weights_file.with_name("other.safetensors"))
    changed = feature_space(f"resnet18:{weights_file.with_name('other.safetensors')}")
    assert changed.name != space.name and not np.allclose(changed(x), found)


def transformer_weights(width=128, depth=2, patch=4, grid=3, scaled=False):
    """Random weights in timm's layout."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return 0.3 * torch.randn(shape, generator=random)

    weights = {"patch_embed.proj.weight": draw(width, 3, patch, patch), "patch_embed.proj.bias": draw(width)}
    weights |= {"cls_token": draw(1, 1, width), "pos_embed": draw(1, grid**2 + 1, width)}
    for k in range(depth):
        shapes = {"norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,)}
        shapes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
        for name, shape in shapes.items():
            weights |= {f"blocks.{k}.{name}.weight": draw(*shape), f"blocks.{k}.{name}.bias": draw(shape[0])}
        if scaled:
            weights |= {f"blocks.{k}.ls{i}.gamma": draw(width) for i in (1, 2)}
    return weights | {"norm.weight": draw(width), "norm.bias": draw(width)}


def test_a_vision_transformer_is_that_of_torch(tmp_path):
    """Against torch's own encoder, whose attention keeps queries, keys and values of all heads in the same order."""
    weights = transformer_weights()
    save_file(weights | {"head.weight": torch.zeros(10, 128)}, tmp_path / "dino.safetensors")
    space = feature_space(f"dino:{tmp_path / 'dino.safetensors'}")
    assert space.self_supervised and space.name.startswith("dino-")
    x = images(3, channels=3, side=12)
    pixels = ((torch.from_numpy(x) + 1) / 2 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    kernel = weights["patch_embed.proj.weight"].flatten(1)
    patches = torch.nn.functional.unfold(pixels, 4, stride=4).transpose(1, 2) @ kernel.T
    patches = patches + weights["patch_embed.proj.bias"]
    tokens = torch.cat([weights["cls_token"].expand(3, -1, -1), patches], dim=1) + weights["pos_embed"]
    for k in range(2):
        layer = torch.nn.TransformerEncoderLayer(
            128, 2, 512, dropout=0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        theirs = {"attn.qkv.": "self_attn.in_proj_", "attn.proj.": "self_attn.out_proj.", "mlp.fc1.": "linear1."}
        theirs |= {"mlp.fc2.": "linear2.", "norm1.": "norm1.", "norm2.": "norm2."}
        state = {
            f"{new}{part}": weights[f"blocks.{k}.{old}{part}"]
            for old, new in theirs.items()
            for part in ("weight", "bias")
        }
        layer.load_state_dict(state)
        with torch.no_grad():
            tokens = layer.train()(tokens)
    expected = torch.nn.functional.layer_norm(tokens[:, 0], (128,), weights["norm.weight"], weights["norm.bias"], 1e-6)
    np.testing.assert_allclose(space(x), expected.numpy(), rtol=1e-3, atol=1e-4)


def test_the_second_version_scales_what_each_block_adds(tmp_path):
    weights = transformer_weights(depth=1, scaled=True)
    found = {}
    for scale in (0.0, 1.0):
        scaled = {name: scale * tensor if "gamma" in name else tensor for name, tensor in weights.items()}
        save_file(scaled, tmp_path / "dino.safetensors")
        found[scale] = feature_space(f"dino:{tmp_path / 'dino.safetensors'}")(images(2, 3, 12))
    # Without its block, the class token alone is left.
    token = weights["cls_token"][0, 0] + weights["pos_embed"][0, 0]
    alone = torch.nn.functional.layer_norm(token, (128,), weights["norm.weight"], weights["norm.bias"], 1e-6)
    np.testing.assert_allclose(found[0.0], alone.expand(2, -1), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found[1.0], found[0.0])


@pytest.mark.parametrize(("kind", "side"), [("sscd", 288), ("dino", 224)])
def test_a_torchscript_file_sees_images_of_its_size(kind, side, tmp_path):
    class Means(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x.mean(dim=(2, 3)), torch.full((x.shape[0], 1), float(x.shape[3]))], dim=1)

    torch.jit.script(Means()).save(str(tmp_path / "model.pt"))
    space = feature_space(f"{kind}:{tmp_path / 'model.pt'}")
    x = np.full((2, 1, 8, 8), 0.5, np.float32)
    normal = (0.75 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(space(x), np.tile([*normal, side], (2, 1)), rtol=1e-5)
    assert space.self_supervised and not feature_space("pixels").self_supervised


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sscd:{file}", "must name a TorchScript file"),
        ("dino:{file}", "weights of a dino.*does not: "),
        ("dino:/no/such/file", "cannot be read"),
        ("pixel", "did you mean 'pixels'"),
        ("resnet18", "did you mean 'resnet18:FILE'"),
        ("resnet18:/no/such/file", "cannot be read"),
        ("resnet50:{file}", "weights of a resnet50.*does not: "),
        ("resnet18:{pickle}", "cannot be read"),
    ],
)
def test_a_space_that_is_none(text, words, weights_file, tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=words) as error:
        feature_space(text.format(file=weights_file, pickle=tmp_path / "weights.pt"))
    assert "\n" not in str(error.value)

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


@pytest.mark.parametrize(
    ("text", "words"),
    [
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

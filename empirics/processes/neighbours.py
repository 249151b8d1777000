"""Which training data lie nearest to a sample, by Euclidean distance."""

_CANDIDATES = 8
_CHUNK = 1024


def nearest_two(samples, images):
    """Distances (S,) of each sample to its nearest and second nearest image, and the index (S,) of the nearest.

    The product |x|^2 + |y|^2 - 2 x.y finds a few candidates; their distances are then computed from the differences,
    since the product loses all digits where it matters most, at exact copies.

    Args:
        samples: tensor (S, C, H, W).
        images: tensor (n, C, H, W), n at least 2, on the same device.
    """
    import torch

    images = images.flatten(1)
    half_norms = images.square().sum(1) / 2
    first, second, index = [], [], []
    for chunk in samples.flatten(1).split(_CHUNK):
        candidates = (half_norms - chunk @ images.T).topk(min(_CANDIDATES, len(images)), largest=False).indices
        exact = (chunk[:, None] - images[candidates]).square().sum(2).sqrt()
        distances, order = exact.sort(dim=1)
        first.append(distances[:, 0])
        second.append(distances[:, 1])
        index.append(candidates.gather(1, order[:, :1])[:, 0])
    return torch.cat(first), torch.cat(second), torch.cat(index)

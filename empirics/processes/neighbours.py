"""Which training data lie nearest to a sample, by Euclidean distance."""

_CANDIDATES = 8
_CHUNK = 1024


def nearest_two(samples, images, groups=None):
    """Distances (S,) of each sample to its nearest and second nearest image, and the index (S,) of the nearest.

    The product |x|^2 + |y|^2 - 2 x.y finds a few candidates; their distances are then computed from the differences,
    since the product loses all digits where it matters most, at exact copies.

    Args:
        samples: tensor (S, C, H, W).
        images: tensor (n, C, H, W), n at least 2, on the same device.
        groups: tensor (n,) that numbers the images' groups of duplicates, at least two. The second nearest is then the
            nearest image of another group than the nearest's: copies of one picture are no sign of not being copied.
    """
    import torch

    images = images.flatten(1)
    half_norms = images.square().sum(1) / 2
    first, second, index = [], [], []
    for chunk in samples.flatten(1).split(_CHUNK):
        squares = half_norms - chunk @ images.T
        distances, order = _nearest(chunk, images, squares)
        first.append(distances[:, 0])
        index.append(order[:, 0])
        if groups is not None:
            same = groups == groups[order[:, :1]]
            # No further candidates than there are images of other groups.
            others = len(groups) - int(same.sum(1).max())
            distances, _ = _nearest(chunk, images, squares.masked_fill(same, torch.inf), others)
        second.append(distances[:, 0 if groups is not None else 1])
    return torch.cat(first), torch.cat(second), torch.cat(index)


def _nearest(chunk, images, squares, most: int = _CANDIDATES):
    """The distances (S, k) of the few nearest images to each sample, increasing, and their indices (S, k)."""
    candidates = squares.topk(min(_CANDIDATES, most, len(images)), largest=False).indices
    exact = (chunk[:, None] - images[candidates]).square().sum(2).sqrt()
    distances, order = exact.sort(dim=1)
    return distances, candidates.gather(1, order)

"""How close generated images are to training images, and which fraction of them is memorized."""

import numpy as np

THRESHOLD = 1 / 3
BOOTSTRAP_DRAWS = 1000
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


def memorized_fraction(d1: np.ndarray, d2: np.ndarray, threshold: float = THRESHOLD) -> tuple[float, float, float]:
    """f_mem, the fraction of samples with d1/d2 < threshold, and its 95 % bootstrap interval.

    d1, d2 (S,): distances to the nearest and second nearest training image (Bonnaire et al., arXiv:2505.17638; they use
    1/3). The interval is the percentile interval of 1000 bootstrap draws with a fixed seed; resampling S samples with
    replacement and counting the memorized ones is a binomial draw. A sample equal to both (d1 = d2 = 0) is memorized.
    """
    memorized = d1 < threshold * d2
    memorized |= d2 == 0
    fraction = memorized.mean()
    draws = np.random.default_rng(0).binomial(len(memorized), fraction, BOOTSTRAP_DRAWS) / len(memorized)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(fraction), float(low), float(high)

"""Counter-based randomness: every draw is a pure function of (seed, purpose, index).

No generator lives longer than one use, so that a resumed run needs no generator state to draw the same numbers.
"""

import hashlib


def derived_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed for the draw number `index` of `purpose`, independent between purposes and indices."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, purpose: str, index: int = 0, device="cpu"):
    """A fresh torch.Generator on `device` for the draw number `index` of `purpose`."""
    import torch

    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, index))

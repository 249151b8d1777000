"""What is recorded of a network at one moment of its training."""

import numpy as np

from genmem.empirics.config import TrainConfig
from genmem.empirics.processes.diffusion import STEPS, ddim, ddim_log_density, denoising_errors, step_of_time
from genmem.empirics.randomness import generator
from genmem.empirics.samples.metrics import nearest_two
from genmem.empirics.training.batches import Batches

_BATCH = 512


class Probe:
    """Measures a network with the same images and the same noise each time, so that curves in training time are smooth.

    Args:
        config: of the run.
        images: tensor (n, C, H, W), the training images.
        held_out: tensor (N, C, H, W).
        batches: of the training, all on the device of the network.
        bound: largest absolute value of a pixel, None if there is none.
    """

    def __init__(self, config: TrainConfig, images, held_out, batches: Batches, bound: float | None):
        self.config = config
        self.batches = batches
        self.bound = bound
        self.images = images
        self.held_out = held_out
        self.test_images = held_out[: config.test_images]
        self.loss_steps = [step_of_time(t) for t in config.loss_times]

    def measure(self, network) -> dict[str, np.ndarray]:
        """The record of this moment.

        - train_loss (T, n), test_loss (T, N): each image's loss at each of the config's T times, mean over the draws;
        - train_average (n,), test_average (N,): the loss averaged over all diffusion times, stratified over the draws (with
          a train_time: over that one);
        - copies_loss (n,), if the noise copies are fixed: the loss on them, which is what the optimizer lowers;
        - log_density (S,), for the mixture: of the samples under the law that the network generates;
        - samples (S, C, H, W), uint8 for pixels in [-1, 1], else float32;
        - d1, d2 (S,) distances to the two nearest training images, index (S,) of the nearest; d_held_out (S,) distance to
          the nearest held-out image.
        """
        import torch

        network.eval()
        with torch.no_grad():
            record = {}
            for split, images in (("train", self.images), ("test", self.test_images)):
                draws, seed = self.config.loss_draws, self.config.seed
                at_times = [image_losses(network, images, k, draws, seed, split) for k in self.loss_steps]
                record[f"{split}_loss"] = torch.stack(at_times)
                record[f"{split}_average"] = (
                    at_times[0] if self.config.train_time else image_losses(network, images, None, draws, seed, split)
                )
            if self.config.copies:
                record["copies_loss"] = self._copies_losses(network)
            samples = self._samples(network)
            record["d1"], record["d2"], record["index"] = nearest_two(samples, self.images)
            record["d_held_out"] = nearest_two(samples, self.held_out)[0]
            record["samples"] = samples
            if self.config.data == "gmm" and self.config.samples:
                record["log_density"] = self._log_density(network)
            if self.bound == 1:
                record["samples"] = ((samples.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        network.train()
        return {name: tensor.cpu().numpy() for name, tensor in record.items()}

    def _copies_losses(self, network):
        """Loss (n,) of each training image, mean over its noise copies."""
        n = self.config.n
        draws = zip(*(part.split(n) for part in self.batches.copies), strict=True)
        return sum(_errors(network, self.images, k, noise) for k, noise in draws) / self.config.copies

    def _samples(self, network):
        import torch

        if not self.config.samples:
            return torch.empty(0, *self.images.shape[1:], device=self.images.device)
        return generated(network, self._noise(), self.config.sampling_steps, self.bound)

    def _log_density(self, network):
        import torch

        steps = self.config.sampling_steps
        return torch.cat([ddim_log_density(network, batch, steps) for batch in self._noise().split(_BATCH)])

    def _noise(self):
        own, given = self.config.seed, self.config.sampling_seed
        return sampling_noise(own if given is None else given, self.config.samples, self.images)


def image_losses(network, images, k: int | None, draws: int, seed: int, split: str, batch_size: int = _BATCH):
    """Loss (N,) of each of the images (N, C, H, W), mean over `draws` draws of noise that are the same at each call.

    k: the DDPM step; None: all steps, stratified over the draws. seed, split: what the noise is drawn from. Leaves
    torch's global generator as it is. batch_size: images in one call of the network.
    """
    import torch

    total = torch.zeros(len(images), device=images.device)
    for draw in range(draws):
        random = generator(seed, f"loss {split} {k}", draw, images.device)
        noise = torch.randn(images.shape, generator=random, device=images.device)
        if k is None:
            place = (draw + torch.rand(len(images), generator=random, device=images.device)) / draws
            steps = (place * STEPS).long().clamp(max=STEPS - 1)
        else:
            steps = torch.full((len(images),), k, device=images.device)
        total += _errors(network, images, steps, noise, batch_size)
    return total / draws


def sampling_noise(seed: int, count: int, images):
    """The noise (count, C, H, W) that samples start from, for images (N, C, H, W) and on their device."""
    import torch

    random = generator(seed, "samples", device=images.device)
    return torch.randn((count, *images.shape[1:]), generator=random, device=images.device)


def generated(network, noise, steps: int, bound: float | None, batch_size: int = _BATCH):
    """Images (S, C, H, W) generated from noise (S, C, H, W) by `steps` steps of DDIM, in batches."""
    import torch

    return torch.cat([ddim(network, batch, steps, bound) for batch in noise.split(batch_size)])


def _errors(network, images, k, noise, batch_size=_BATCH):
    import torch

    parts = zip(images.split(batch_size), k.split(batch_size), noise.split(batch_size), strict=True)
    return torch.cat([denoising_errors(network, *part) for part in parts])

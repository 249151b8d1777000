"""What does a run cost beyond the arithmetic: our loop against a bare PyTorch loop?

Baseline: a plain PyTorch loop with the same network, batch size, optimizer and precision, that draws its batch,
diffusion steps and noise from one global generator and keeps no record. Our loop draws each batch from (seed, step),
watches for divergence and reports each step. Both run in turn, a few steps at a time, in one process on one
thread, in processor time, so that whatever else the machine does counts for neither; nor do milestones, which the
baseline lacks.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import tempfile
import time

import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.processes.diffusion import STEPS, alphabar
from genmem.empirics.training.loop import train
from genmem.empirics.training.networks import network_of

BLOCK, BLOCKS = 10, 40
COMMON = {
    "milestones": 2,
    "first_milestone": 1,
    "steps": BLOCK * BLOCKS,
    "test_images": 2,
    "loss_draws": 1,
    "sampling_steps": 1,
    "samples": 2,
}
CASES = {
    "digits, U-Net W = 4, 2 levels, 1 block, B = 32": TrainConfig(width=4, levels=2, blocks=1, batch_size=32, **COMMON),
    "digits, U-Net W = 8, 2 levels, 1 block, B = 64": TrainConfig(width=8, levels=2, blocks=1, **COMMON),
    "the mixture, MLP width 128, 3 blocks, B = 512": TrainConfig(
        data="gmm", network="mlp", width=128, blocks=3, n=4096, batch_size=512, **COMMON
    ),
}


class Bare:
    """The loop one would write by hand, some steps at a time."""

    def __init__(self, config: TrainConfig):
        self.images = torch.from_numpy(datasets.training_images(config))
        self.size = config.batch_size
        self.network = network_of(config, self.images.shape[1:])
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.signal = torch.as_tensor(alphabar(), dtype=torch.float32)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            batch = self.images[torch.randint(len(self.images), (self.size,))]
            k = torch.randint(STEPS, (self.size,))
            noise = torch.randn_like(batch)
            signal = self.signal[k].view(-1, 1, 1, 1)
            noised = signal.sqrt() * batch + (1 - signal).sqrt() * noise
            loss = torch.nn.functional.mse_loss(self.network(noised, k).sample, noise)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


def compare(config: TrainConfig) -> tuple[float, float]:
    """Milliseconds per step of the bare loop and of ours: medians over blocks."""
    bare = Bare(config)
    bare.run(BLOCK)
    spent = {"bare": [], "ours": []}
    started = None

    def on_step(step: int) -> None:
        nonlocal started
        if step % BLOCK:
            return
        now = time.process_time()
        # The first block holds the first milestone.
        if step > BLOCK:
            spent["ours"].append(now - started)
        bare.run(BLOCK)
        started = time.process_time()
        spent["bare"].append(started - now)

    with tempfile.TemporaryDirectory() as directory:
        # The last block ends in the last milestone.
        train(config, directory, on_step)
    spent["ours"].pop()
    return tuple(1e3 * statistics.median(spent[name]) / BLOCK for name in ("bare", "ours"))


def main() -> None:
    print(f"ms of processor time per optimizer step, median of {BLOCKS} blocks of {BLOCK} steps each")
    print(f"{'':50} {'bare':>8} {'ours':>8} {'ours / bare':>12}")
    for label, config in CASES.items():
        bare, ours = compare(config)
        print(f"{label:50} {bare:8.2f} {ours:8.2f} {ours / bare:12.3f}")


if __name__ == "__main__":
    main()

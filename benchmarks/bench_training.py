"""What does a run cost beyond the arithmetic: a step inside a sweep against a bare PyTorch step?

Baseline: a plain PyTorch loop with the same network, batch size, optimizer and precision, that draws its batch,
diffusion steps and noise from one global generator and keeps no record; in a process of its own that knows nothing of
Dask. A step of ours is the one that users get from `genmem sweep`: in a worker that Dask started, which draws each
batch from (seed, step), watches for divergence, reports how far it is and lets itself be stopped. The two take turns,
some steps at a time, on one thread each, and are measured in processor time, so that whatever else the machine does
counts for neither; nor do milestones, which the baseline lacks.

Ours should be at most 1.03 times as long.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch

from genmem.empirics.config import TrainConfig
from genmem.empirics.data import datasets
from genmem.empirics.processes.diffusion import STEPS, alphabar
from genmem.empirics.training.cluster import connected
from genmem.empirics.training.networks import network_of
from genmem.empirics.training.sweeps import train_in_worker
from genmem.empirics.training.watching import Watcher

BLOCK, BLOCKS = 10, 12
# Runs in the worker, each beside as many blocks of the baseline.
ROUNDS = 4
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
    "8x8 colour, U-Net W = 16, 2 levels, 1 block, B = 64": TrainConfig(
        data="patches", pixels=8, width=16, levels=2, blocks=1, **COMMON
    ),
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


class Stopwatch(Watcher):
    """The processor time of each block of steps, without the first and the last, in which milestones are."""

    def __init__(self):
        self.blocks, self._started = [], None

    def after_step(self, step: int, loss) -> None:
        if step % BLOCK:
            return
        now = time.process_time()
        if self._started is not None:
            self.blocks.append(now - self._started)
        self._started = now


def in_worker(config: TrainConfig) -> list[float]:
    """In a worker: one run as a sweep trains it; the processor time of its blocks."""
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as directory:
        train_in_worker(config, Path(directory), "bench", "cpu", watchers=[stopwatch])
    return stopwatch.blocks[:-1]


def in_turns(client, config: TrainConfig) -> tuple[float, float]:
    """Milliseconds per step of the bare loop and of ours: medians over blocks."""
    bare = Bare(config)
    bare.run(BLOCK)
    spent: dict[str, list[float]] = {"bare": [], "ours": []}
    for seed in range(ROUNDS):
        for _ in range(BLOCKS - 2):
            started = time.process_time()
            bare.run(BLOCK)
            spent["bare"].append(time.process_time() - started)
        run = dataclasses.replace(config, seed=seed)
        spent["ours"] += client.submit(in_worker, run, pure=False).result()
    return tuple(1e3 * statistics.median(spent[name]) / BLOCK for name in ("bare", "ours"))


def main() -> None:
    torch.set_num_threads(1)
    print(f"ms of processor time per optimizer step, median of {ROUNDS * (BLOCKS - 2)} blocks of {BLOCK} steps each")
    print(f"{'':50} {'bare':>8} {'ours':>8} {'ours / bare':>12}")
    with connected(None, 1) as client:
        for label, config in CASES.items():
            bare, ours = in_turns(client, config)
            print(f"{label:50} {bare:8.2f} {ours:8.2f} {ours / bare:12.3f}")


if __name__ == "__main__":
    main()

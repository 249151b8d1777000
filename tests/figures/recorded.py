"""Runs on disk with curves of known times, as empirics records them, made without training."""

import dataclasses
from pathlib import Path

import numpy as np

from genmem.empirics.analysis import fidelity
from genmem.empirics.config import TrainConfig
from genmem.empirics.records import runs, store
from genmem.empirics.samples.features import RANDOM_CONV

BASE_LOSS, FALL = 0.2, 0.8


def write_run(root: Path, n: int, seed: int, gen: float, mem: float, steps: int = 4000, **config) -> runs.RunRecord:
    """Record a run on digits with a test loss within 5 % of its best near step `gen`, and risen by 10 % near `mem`.

    From `mem` on, every second sample is an exact copy of a training image. The distances SWD and FID are made up too.
    """
    config = TrainConfig(
        **{"n": n, "seed": seed, "steps": steps, "milestones": 60, "samples": 16, "test_images": 8} | config
    )
    directory = root / config.key
    images = _training_images(config)
    rng = np.random.default_rng(seed if config.sampling_seed is None else config.sampling_seed)
    facts = {"key": config.key, "config": dataclasses.asdict(config), "status": "finished", "wall_time": 1.0}
    facts |= {"parameters": 26_000, "device": "cpu", "versions": {"genmem": "0.1.0"}}
    with runs.open_for_writing(directory, config):
        for step in config.milestone_steps():
            train, test = losses(step, gen, mem)
            index = np.arange(16) % n
            copied = (np.arange(16) % 2 == 0) & (step >= mem)
            shown = np.where(copied[:, None, None, None], images[index], rng.uniform(-1, 1, images[index].shape))
            milestone = {
                "train_loss": np.full((len(config.loss_times), n), train, np.float32),
                "test_loss": np.full((len(config.loss_times), 8), test, np.float32),
                "train_average": np.full(n, train, np.float32),
                "test_average": np.full(8, test, np.float32),
                "samples": ((shown + 1) * 127.5).round().astype(np.uint8),
                "d1": np.where(copied, 0.1, 0.9),
                "d2": np.ones(16),
                "index": index,
                "d_held_out": np.ones(16),
            }
            runs.write_milestone(directory, step, milestone)
            if step:
                _write_metrics(directory, config, step, distances(step, gen))
        runs.write_facts(directory, facts)
    return runs.load(directory)


def distances(step, gen: float) -> float:
    """The distance of the samples to held-out images, within 5 % of its lowest value after `gen`."""
    return 0.02 + 0.1 * np.exp(-step * np.log(100) / gen)


def _write_metrics(directory: Path, config: TrainConfig, step: int, distance: float) -> None:
    """What genmem.empirics.analysis.fidelity stores, so that tests need not compute it."""
    arrays = {
        "similarity": np.full(16, 0.5),
        "nearest": np.zeros(16, np.int32),
        "similarity_held_out": np.full(16, 0.4),
    }
    facts = {
        "identity": {"key": config.key, "step": step, "space": RANDOM_CONV, "recipe": fidelity._RECIPE},
        "distances": dict.fromkeys(fidelity._NAMES, (distance, 0.05 * distance)),
        "real": dict.fromkeys(fidelity.DISTANCES, (0.02, 0.001)),
        "threshold": 0.45,
    }
    path = directory / "metrics" / RANDOM_CONV / f"{step:09d}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    store.save(path, arrays, facts)


def losses(step, gen: float, mem: float):
    """Train and test loss: an exponential fall with 5 % left at `gen`, and a linear rise that reaches 10 % at `mem`."""
    fall = FALL * np.exp(-step * np.log(20) / gen)
    return BASE_LOSS + fall, BASE_LOSS + fall + 0.1 * FALL * step / mem


def _training_images(config: TrainConfig) -> np.ndarray:
    from genmem.empirics.data import datasets

    return datasets.training_images(config)

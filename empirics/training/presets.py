"""Sets of runs with a name: the demonstration, this project's own measurements, and the published protocols.

A preset is a list of configs without repetition; which data sets and hours each needs is in docs/experiments.md.
"""

import dataclasses
from typing import Literal

from genmem.empirics.config import TrainConfig
from genmem.empirics.training.grids import Grid

Preset = Literal[
    "bonnaire-celeba-like",
    "marion-wu-cifar10",
    "favero-cifar10",
    "gmm",
    "digits-cpu",
    "patches-cpu",
    "cifar10-cpu",
    "grammar-cpu",
    "cifar10-gpu",
]

# The smallest U-Net and the shortest runs on which all times show within minutes on two cores. Runs last 25 n steps,
# so that each sees its training images equally often; the largest n has one seed, as it takes half of the time.
_DIGITS = TrainConfig(
    data="digits",
    width=16,
    levels=2,
    blocks=1,
    learning_rate=2e-3,
    batch_size=64,
    first_milestone=20,
    test_images=256,
    samples=128,
    sampling_steps=20,
)
DIGITS_DEMO = [
    dataclasses.replace(_DIGITS, n=n, seed=seed, steps=25 * n, milestones=milestones)
    for n, milestones, seeds in ((32, 13, 2), (64, 15, 2), (128, 17, 1))
    for seed in range(seeds)
]


def _halves(config: TrainConfig) -> list[TrainConfig]:
    """Two runs on disjoint halves of the data that have nothing in common but the noise they generate from."""
    return [
        dataclasses.replace(config, half="first"),
        dataclasses.replace(config, half="second", seed=config.seed + 1, sampling_seed=config.noise_seed),
    ]


def _digits_cpu() -> list[TrainConfig]:
    """n by W, then batch size, learning rate and full batch around one of its runs: 45 minutes on two cores."""
    base = dataclasses.replace(_DIGITS, milestones=12, test_images=128, loss_draws=3)
    # Wider networks memorize in fewer steps, and a step of theirs takes longer.
    by_width = [
        config
        for width, per_image in ((4, 20), (8, 18), (16, 14))
        for config in Grid((32, 64, 128, 256), (width,), seeds=(0, 1), steps_per_image=per_image).configs(base)
    ]
    middle = dataclasses.replace(base, n=64)
    # Small batches need more steps, about as 1/B.
    by_batch = [
        dataclasses.replace(middle, batch_size=size, steps=steps)
        for size, steps in ((16, 3200), (32, 1792), (128, 576))
    ]
    by_rate = Grid(learning_rates=(1e-3, 4e-3), steps_per_image=14).configs(middle)
    full_batch = [dataclasses.replace(base, n=n, batch_size=n, steps=steps) for n, steps in ((32, 800), (128, 1280))]
    halves = _halves(dataclasses.replace(middle, steps=14 * 64))
    return [*by_width, *by_batch, *by_rate, *full_batch, *halves, *_until_copies(base)]


def _until_copies(base: TrainConfig) -> list[TrainConfig]:
    """Runs two to three times as long, in which copies appear; of other seeds, to be replicates of the shorter ones."""
    base = dataclasses.replace(base, milestones=14)
    middle = dataclasses.replace(base, n=64, seed=2)
    by_size = [
        config
        for width, sizes, per_image in ((8, (32, 64), 75), (16, (32, 64, 128), 32))
        for config in Grid(sizes, (width,), seeds=(2, 3), steps_per_image=per_image).configs(base)
    ]
    by_batch = [
        dataclasses.replace(middle, batch_size=size, steps=steps)
        for size, steps in ((16, 6144), (32, 4096), (128, 1408))
    ]
    return [*by_size, *by_batch, *Grid(learning_rates=(1e-3, 4e-3), steps_per_image=32).configs(middle)]


def _patches_cpu() -> list[TrainConfig]:
    """Colour crops of photographs at three n: 20 minutes on two cores.

    Images of 3072 numbers are memorized much later than digits: so few of them that their losses part within 500 n
    steps.
    """
    base = TrainConfig(
        data="patches",
        width=16,
        levels=3,
        blocks=1,
        learning_rate=2e-3,
        batch_size=8,
        milestones=12,
        first_milestone=20,
        loss_times=(0.01, 0.1),
        loss_draws=2,
        test_images=64,
        samples=64,
        sampling_steps=20,
    )
    return Grid(ns=(4, 8, 16), steps_per_image=500).configs(base)


def _cifar10_cpu() -> list[TrainConfig]:
    """CIFAR-10 at 8x8 pixels over n and W, in the order in which the picture fills: about sixteen hours of one core.

    A run lasts 1.4 times the step at which copies are expected (2.5 times at W = 32 and small n, where the loss at
    t = 0.1 rises late), or 20 000 steps where none are.
    """
    base = TrainConfig(
        data="cifar10",
        pixels=8,
        levels=2,
        blocks=1,
        learning_rate=2e-3,
        batch_size=64,
        milestones=32,
        first_milestone=20,
        loss_draws=3,
        test_images=512,
        samples=512,
        sampling_steps=20,
    )

    def runs(width: int, steps: dict[int, int], seed: int = 0) -> list[TrainConfig]:
        return [dataclasses.replace(base, width=width, n=n, steps=s, seed=seed) for n, s in steps.items()]

    wide, middle = {64: 2200, 128: 5100, 256: 6600}, {64: 2500, 128: 5000, 256: 10_000}
    one = dataclasses.replace(base, width=32, n=256)
    pair = _halves(dataclasses.replace(base, width=32, n=128, steps=3000, sampling_seed=0))
    return [
        *runs(32, wide),
        *runs(16, middle),
        *runs(32, wide, seed=1),
        *runs(8, {64: 20_000, 256: 20_000}),
        *runs(32, {512: 12_500}),
        *runs(16, {512: 14_000}),
        *runs(16, middle, seed=1),
        *runs(32, wide, seed=2),
        *pair,
        dataclasses.replace(one, batch_size=16, steps=25_000),
        dataclasses.replace(one, batch_size=256, steps=1700),
        *runs(32, {1024: 24_000}),
        *runs(16, {1024: 24_000}),
        *runs(4, {64: 20_000, 256: 20_000}),
        *runs(64, {64: 850, 128: 2000, 256: 4500}),
        *runs(8, {128: 20_000, 512: 20_000, 1024: 20_000}),
        *runs(8, {64: 20_000, 128: 20_000, 256: 20_000}, seed=1),
        *runs(4, {128: 20_000, 512: 20_000, 1024: 20_000}),
        *runs(32, {512: 12_500}, seed=1),
        *runs(16, {512: 14_000}, seed=1),
    ]


def _grammar_cpu() -> list[TrainConfig]:
    """Strings of random grammars over P, in the order in which the picture fills: under three hours of one core.

    Runs last 8 P steps, about twice the step at which copies appear. Masked diffusion, whose exact floor is known and
    whose samples are cheap; at the end the published process, uniform, at three P.
    """
    base = TrainConfig(
        process="masked",
        network="tree-unet",
        width=64,
        learning_rate=1e-2,
        batch_size=64,
        milestones=16,
        first_milestone=30,
        loss_times=(0.5,),
        loss_draws=3,
        test_images=512,
        samples=512,
        sampling_steps=100,
    )

    def runs(sizes: tuple[int, ...], seed: int = 0, rules: tuple[int, ...] = (4, 3), depth: int = 3, **other):
        return [
            dataclasses.replace(
                base,
                data=f"grammar:v=8,m={m},s=2,L={depth}",
                levels=depth,
                n=n,
                steps=max(1500, 8 * n),
                seed=seed,
                **other,
            )
            for m in rules
            for n in sizes
        ]

    return [
        *runs((64, 256, 1024)),
        *runs((128, 512)),
        *runs((64, 128, 256, 512), seed=1),
        *runs((2048,)),
        *runs((1024,), seed=1),
        *runs((256, 1024), rules=(3,), depth=4),
        *runs((4096,)),
        *runs((2048,), seed=1),
        *runs((4096,), rules=(3,), depth=4),
        *runs((64, 256, 1024), rules=(4,), process="uniform"),
        *runs((8192,)),
        *runs((4096,), seed=1),
        *runs((8192,), seed=1),
        *runs((8192,), rules=(3,), depth=4),
    ]


def _cifar10_gpu() -> list[TrainConfig]:
    """tau_mem over a factor 8 of n on CIFAR-10 at 16x16, two seeds, then at 32x32, for one GPU that several runs share.

    Meant to take 25 minutes of an H100 up to 16x16, which nobody has tried yet. At 32x32 runs last twice as long.
    """
    base = TrainConfig(
        data="cifar10",
        pixels=16,
        width=32,
        levels=3,
        blocks=1,
        learning_rate=2e-3,
        batch_size=128,
        precision="bf16",
        milestones=32,
        first_milestone=50,
        loss_draws=3,
        test_images=1024,
        samples=512,
        sampling_steps=20,
    )
    steps = {512: 6_000, 1024: 14_000, 2048: 32_000, 4096: 76_000}
    small = [dataclasses.replace(base, n=n, steps=s, seed=seed) for seed in (0, 1) for n, s in steps.items()]
    large = [dataclasses.replace(base, pixels=32, n=n, steps=2 * s) for n, s in steps.items()]
    return [*small, *large]


def _bonnaire() -> list[TrainConfig]:
    """n at W = 32 and W at n = 1024, by SGD as published; the same n by Adam (arXiv:2505.17638, section 3).

    Range, dropout, lowest step, sampling and milestones are those of the released code.
    """
    base = TrainConfig(
        data="folder:celeba",
        range="centered",
        width=32,
        dropout=0.1,
        drop_channels=True,
        lowest_step=1,
        milestone_grid="released",
        ddim_grid="linear",
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.95,
        test_images=2048,
        samples=10_000,
        sampling_steps=200,
    )
    # Copies appear at about 300 n steps at W = 32, and later by 32/W in narrower networks.
    sizes = [2**k for k in range(7, 16)]
    by_size = [_bonnaire_run(base, n, 32) for n in sizes]
    by_width = [_bonnaire_run(base, 1024, width) for width in (8, 16, 48, 64)]
    # Adam needs fewer steps.
    adam = dataclasses.replace(base, optimizer="adam", learning_rate=1e-4)
    by_adam = [
        dataclasses.replace(_bonnaire_run(adam, n, 32), steps=max(200_000, 100 * n)) for n in (512, 1024, 2048, 4096)
    ]
    return [*by_size, *by_width, *by_adam]


def _bonnaire_run(base: TrainConfig, n: int, width: int) -> TrainConfig:
    steps = max(2_000_000, round(340 * n * max(1, 32 / width)))
    return dataclasses.replace(base, n=n, width=width, batch_size=min(n, 512), steps=steps)


def _marion_wu() -> list[TrainConfig]:
    """N, B, learning rate and W around one run (arXiv:2605.06077); all at the same normalised number of steps."""
    base = TrainConfig(
        data="cifar10",
        n=2048,
        width=128,
        batch_size=128,
        learning_rate=1e-4,
        first_milestone=500,
        test_images=2048,
        samples=2_000,
        sampling_steps=100,
        precision="bf16",
    )
    points = [
        *Grid(ns=(2048, 4096, 8192, 16384)).configs(base),
        *Grid(batch_sizes=(16, 32, 64, 128, 256)).configs(base),
        *Grid(learning_rates=(1e-5, 3e-5, 1e-4)).configs(base),
        *Grid(widths=(32, 64, 128, 152)).configs(base),
    ]
    runs = [
        dataclasses.replace(c, steps=round(100 * c.n * (128 / c.batch_size) * (1e-4 / c.learning_rate))) for c in points
    ]
    return list(dict.fromkeys(runs))


def _favero() -> list[TrainConfig]:
    """Pairs of models on disjoint halves of CIFAR-10, at four sizes (arXiv:2505.16959, section 3)."""
    base = TrainConfig(
        data="cifar10",
        width=128,
        batch_size=128,
        learning_rate=1e-4,
        first_milestone=500,
        test_images=2048,
        samples=2_000,
        sampling_steps=100,
        precision="bf16",
    )
    sizes = Grid(ns=(2048, 4096, 8192, 16384), steps_per_image=100)
    return [run for config in sizes.configs(base) for run in _halves(config)]


def _gmm() -> list[TrainConfig]:
    """n by the residual MLP in eight dimensions, three seeds, by SGD and by Adam.

    arXiv:2505.17638, appendix on Gaussian mixtures, and the released code.
    """
    base = TrainConfig(
        data="gmm",
        balanced=True,
        network="layernorm-mlp",
        width=128,
        blocks=3,
        lowest_step=1,
        momentum=0.95,
        steps=4_000_000,
        first_milestone=100,
        milestones=40,
        test_images=2048,
        samples=2_000,
        sampling_steps=100,
        ddim_grid="linear",
    )
    return [
        dataclasses.replace(base, n=n, seed=seed, batch_size=min(n, 512), optimizer=optimizer, learning_rate=rate)
        for optimizer, rate in (("sgd", 6e-3), ("adam", 6e-4))
        for n in (128, 256, 512, 1024, 2048, 4096)
        for seed in range(3)
    ]


PRESETS: dict[Preset, list[TrainConfig]] = {
    "bonnaire-celeba-like": _bonnaire(),
    "marion-wu-cifar10": _marion_wu(),
    "favero-cifar10": _favero(),
    "gmm": _gmm(),
    "digits-cpu": _digits_cpu(),
    "patches-cpu": _patches_cpu(),
    "cifar10-cpu": _cifar10_cpu(),
    "grammar-cpu": _grammar_cpu(),
    "cifar10-gpu": _cifar10_gpu(),
}

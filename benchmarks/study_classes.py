"""When is the difference of two classes' means learned: by the theory, and in one drawn network. Usage:

    python benchmarks/study_classes.py [cifar-10-binary.tar.gz]

Two classes of the digits, and of CIFAR-10 in grey at 8 x 8 if its archive is named. Times are those at which half of
the target is reached, in steps x learning rate / d^2.
"""

import sys
from pathlib import Path

import numpy as np

from genmem.theory import RandomFeatures, Spectrum, simulate

TAU = np.geomspace(3e-3, 3e3, 60)
PSI_P, T = 4, 0.1


def half(share: np.ndarray) -> float:
    """Where a rising share (K,) of TAU passes one half."""
    k = int(np.argmax(share >= 0.5))
    return (
        float(np.exp(np.interp(0.5, share[k - 1 : k + 1], np.log(TAU[k - 1 : k + 1])))) if share[k] >= 0.5 else np.nan
    )


def study(name: str, x: np.ndarray, labels: np.ndarray, pair: tuple[int, int]) -> None:
    kept = np.random.default_rng(0).permutation(np.flatnonzero(np.isin(labels, pair)))
    x, labels = x[kept] - x[kept].mean(axis=0), labels[kept]
    d = x.shape[1]
    x /= np.sqrt(np.mean(x**2))
    train, rest = x[: len(x) // 2], x[len(x) // 2 :]
    # In the basis in which the simulation gives its modes.
    lam, vectors = np.linalg.eigh(np.cov(rest.T, bias=True))
    lam, vectors = np.maximum(lam[::-1], 0), vectors[:, ::-1]
    along = x[labels == pair[0]].mean(axis=0) - x[labels == pair[1]].mean(axis=0)
    weight = (along / np.linalg.norm(along) @ vectors) ** 2
    model = RandomFeatures(len(train) / d, PSI_P, T, spectrum=Spectrum.from_data(x))
    target = model.target_modes_at(lam)
    closed = model.learning_curves(TAU, modes_at=lam).modes
    drawn = simulate(model, seed=0, tau=TAU, data=train, held_out=rest).modes
    times = [half(modes @ w / (target @ w)) for w in (weight, np.full(d, 1 / d)) for modes in (closed, drawn)]
    print(
        f"{name} {pair[0]} and {pair[1]}: n = {len(train)}, d = {d}, lambda along the difference {lam @ weight:.1f}; "
        "half learned at {:.2f} (theory), {:.2f} (measured); over all directions {:.1f}, {:.1f}".format(*times)
        + f"; tau_gen = {model.timescales().gen:.0f}"
    )


def main(archive: str | None = None) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for pair in ((0, 1), (3, 8)):
        study("digits", digits.data, digits.target, pair)
    if archive is None:
        return
    from genmem.empirics.data.cifar10 import read

    images, labels, _, _ = read(Path(archive))
    for pair in ((0, 1), (3, 8)):
        place = np.concatenate([np.flatnonzero(labels == label)[:600] for label in pair])
        grey = images[place].mean(axis=1).reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)).reshape(-1, 64)
        study("CIFAR-10", grey, labels[place], pair)


if __name__ == "__main__":
    main(*sys.argv[1:2])

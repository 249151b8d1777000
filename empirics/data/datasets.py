"""Images to train on and images held out, by name.

    digits          8x8 handwritten digits of scikit-learn
    patches         32x32 colour crops of photographs (photographs.py)
    cifar10         CIFAR-10 (cifar10.py)
    cifar10:PATH    an archive, or an extracted folder, of the same layout
    gmm             two-component Gaussian mixture in eight dimensions (synthetic.py)
    gaussian:NAME   Gaussian vectors with the mean and covariance of another data set's pool
    gaussian:PATH   Gaussian vectors of mean zero with the covariance (d, d) in a .npy file
    folder:PATH     images of one size in a folder; its subfolders are classes (image_files.py)
    npy:PATH        an array of images (N, C, H, W) or of vectors (N, d)
    text            the English of Python's own reference (text.py), in windows of 64 characters
    text:PATH       any text in UTF-8, in the same windows
    text8           100 million characters of Wikipedia
    grammar:v=8,m=4,s=2,L=3   strings of a random grammar (grammar.py); with ,seed=1 at the end, of other rules

A PATH holds from any directory; see places.py. The held-out images of a data set are the same for every seed and are
never in its training pool.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genmem.empirics.config import Half, TrainConfig
from genmem.empirics.data import views
from genmem.empirics.data.places import found, md5_of
from genmem.empirics.randomness import derived_seed
from genmem.shared.errors import InputError, known

DIGITS_HELD_OUT = 512
GRAMMAR_POOL, GRAMMAR_HELD_OUT = 2**17, 2**11
STRING_PROCESSES = ("masked", "uniform")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images as float32 arrays (N, C, H, W), labels as integers (N,). A vector of dimension d has the shape (d, 1, 1).

    For another process than the Gaussian, data are whatever it takes: strings, say, as integers (N, length).
    """

    name: str
    pool: np.ndarray
    pool_labels: np.ndarray
    held_out: np.ndarray
    held_out_labels: np.ndarray
    bound: float | None = 1.0
    """Largest absolute value of a pixel; None if values are unbounded."""
    processes: tuple[str, ...] = ("gaussian",)
    """The processes that know data of this kind."""
    symbols: int | None = None
    """Of strings: how many symbols there are, 0 ... symbols - 1. None for numbers."""
    log_density: Callable[[np.ndarray], np.ndarray] | None = None
    """Natural logarithm (N,) of the density at data (N, ...) from which these were drawn; None if it is not known."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one datum, as a network is told it: (C, H, W) of images, (length, symbols) of strings."""
        return self.pool.shape[1:] if self.symbols is None else (*self.pool.shape[1:], self.symbols)

    @property
    def vectors(self) -> np.ndarray:
        """The pool as numbers: itself, or of strings (N, length, symbols), one where a symbol is and zero elsewhere."""
        return self.pool if self.symbols is None else np.eye(self.symbols, dtype=np.float32)[self.pool]

    def subset(self, n: int, seed: int, half: Half = "all", balanced: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The n training images (n, C, H, W) of this seed and their labels (n,).

        For one seed the subsets are nested: the smaller is the beginning of the larger. half: draw from one half of the
        pool; the halves do not depend on the seed. balanced: the numbers of images of each class differ by one at most.
        Raises InputError if there are fewer than n such images.
        """
        order = np.random.default_rng(derived_seed(seed, "subset")).permutation(len(self.pool))
        what = f"the training pool of {self.name}"
        if half != "all":
            split = np.random.default_rng(derived_seed(0, "halves")).permutation(len(self.pool))
            in_half = np.zeros(len(self.pool), bool)
            in_half[split[: len(split) // 2] if half == "first" else split[len(split) // 2 :]] = True
            order, what = order[in_half[order]], f"the {half} half of {what}"
        if balanced:
            order, what = _in_rounds(order, self.pool_labels), f"the balanced part of {what}"
        if n > len(order):
            raise InputError(f"n must be at most {len(order)}, {what}, but {n} was given")
        return self.pool[order[:n]], self.pool_labels[order[:n]]

    def centered(self) -> "Dataset":
        """The same data less the mean image of the pool."""
        mean = self.pool.mean(axis=0, dtype=np.float64).astype(np.float32)
        bound = None if self.bound is None else 2 * self.bound
        known = self.log_density
        density = None if known is None else lambda x: known(x + mean)
        return dataclasses.replace(
            self, pool=self.pool - mean, held_out=self.held_out - mean, bound=bound, log_density=density
        )


def load(name: str, recorded: Path | None = None) -> Dataset:
    """The data set called `name`; raises InputError for an unknown name, or for data that cannot be used.

    recorded: where its files were when a run was trained on them (see `source`), the first place to look.
    """
    kind, _, argument = name.partition(":")
    if not argument:
        return NAMED[known("data", name, [*NAMED, *(f"{kind}:..." for kind in WITH_ARGUMENT)])]()
    return WITH_ARGUMENT[known("data", kind, WITH_ARGUMENT)](argument, recorded)


def source(name: str, recorded: Path | None = None) -> dict[str, str]:
    """Where the files of a data set are, absolute, and the MD5 of their contents; empty if its name is no path.

    Part of a run's record, but not of its key: the same files elsewhere make the same run.
    """
    from genmem.empirics.data import cifar10, image_files

    kind, _, argument = name.partition(":")
    if not argument or kind == "grammar" or kind == "gaussian" and not argument.endswith(".npy"):
        return {}
    path = found(argument, "a file or folder", recorded)
    files = {"cifar10": cifar10.files, "folder": image_files.files}.get(kind, lambda path: [path])(path)
    return {"path": str(path.resolve()), "md5": md5_of(files)}


def of_config(config: TrainConfig, recorded: Path | None = None) -> Dataset:
    """The data of a run as its options have them: some classes, fewer pixels, grey, another range, centered.

    recorded: as in `load`.
    """
    data = load(config.data, recorded)
    if config.process not in data.processes:
        allowed = " or ".join(data.processes)
        raise InputError(f"process must be {allowed} for the data {data.name}, but {config.process!r} was given")
    if data.pool.ndim != 4:
        _only_for_images(config, data)
    if config.classes:
        data = views.of_classes(data, config.classes)
    if config.pixels:
        data = views.reduced(data, config.pixels)
    if config.grey:
        data = views.grey(data)
    if config.deduplicate:
        data = views.deduplicated(data)
    if config.range == "centered":
        data = views.unit_range(data, training_images(config, data))
    return data.centered() if config.center else data


def _only_for_images(config: TrainConfig, data: Dataset) -> None:
    for field in dataclasses.fields(TrainConfig):
        if field.name in ("center", "pixels", "grey", "range", "flip") and getattr(config, field.name) != field.default:
            raise InputError(
                f"{field.name} must be left out for the data {data.name}, which are no images, but "
                f"{getattr(config, field.name)!r} was given"
            )


def training_images(config: TrainConfig, data: Dataset | None = None) -> np.ndarray:
    """The training images (n, C, H, W) of a run; `data` saves loading `of_config(config)` again."""
    return (data or of_config(config)).subset(config.n, config.seed, config.half, config.balanced)[0]


def digest(*arrays: np.ndarray) -> str:
    """Hexadecimal digits that change with the images."""
    hashed = hashlib.sha256()
    for array in arrays:
        hashed.update(f"{array.shape}".encode())
        hashed.update(np.ascontiguousarray(array))
    return hashed.hexdigest()


def split(name: str, images: np.ndarray, labels: np.ndarray, held_out: int, bound: float | None = 1.0) -> Dataset:
    """A data set with `held_out` of the images set apart, always the same ones."""
    order = np.random.default_rng(derived_seed(0, "held out")).permutation(len(images))
    out, pool = order[:held_out], order[held_out:]
    return Dataset(name, images[pool], labels[pool], images[out], labels[out], bound)


def digits() -> Dataset:
    """The 1797 handwritten 8x8 digits of scikit-learn's `load_digits`, 512 of them held out."""
    from sklearn.datasets import load_digits

    source = load_digits()
    images = (source.images.astype(np.float32) / 8 - 1)[:, None]
    return split("digits", images, source.target, DIGITS_HELD_OUT)


def patches() -> Dataset:
    """Crops of photographs; see photographs.py."""
    from genmem.empirics.data.photographs import crops

    return Dataset("patches", *crops())


def cifar10(argument: str = "", recorded: Path | None = None) -> Dataset:
    """CIFAR-10, 50 000 images and 10 000 held out, or what an archive or folder of its layout holds; see cifar10.py."""
    from genmem.empirics.data.cifar10 import archive, at, read

    return Dataset("cifar10", *read(at(argument, recorded) if argument else archive()))


def gmm() -> Dataset:
    """Samples of the Gaussian mixture; see synthetic.py."""
    from genmem.empirics.data.synthetic import MIXTURE

    pool, pool_labels = MIXTURE.draw(32_768, seed=0)
    return Dataset("gmm", pool, pool_labels, *MIXTURE.draw(4_096, seed=1), bound=None, log_density=MIXTURE.log_density)


def gaussian(argument: str, recorded: Path | None = None) -> Dataset:
    """Gaussian data with the first two moments of a named data set, or with the covariance in a .npy file."""
    from genmem.empirics.data.synthetic import (
        GAUSSIAN_HELD_OUT,
        GAUSSIAN_POOL,
        covariance_from_file,
        gaussian_vectors,
        root,
    )

    if argument.endswith(".npy"):
        factor = root(covariance_from_file(found(argument, "a .npy file with a covariance", recorded)))
        mean, shape = 0.0, (factor.shape[1], 1, 1)
    else:
        named = NAMED[known("data", argument, NAMED)]()
        if named.symbols is not None:
            raise InputError(f"data must name images or vectors after gaussian:, but {argument!r} was given, strings")
        source = named.pool
        shape, flat = source.shape[1:], source.reshape(len(source), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        factor = (flat - mean) / np.sqrt(len(flat))
    vectors = gaussian_vectors(GAUSSIAN_POOL + GAUSSIAN_HELD_OUT, mean, factor, seed=0).reshape(-1, *shape)
    return split(f"gaussian:{argument}", vectors, np.zeros(len(vectors), int), GAUSSIAN_HELD_OUT, bound=None)


def folder(argument: str, recorded: Path | None = None) -> Dataset:
    """Images of a folder; see image_files.py."""
    from genmem.empirics.data.image_files import held_out_of, read_folder

    images, labels = read_folder(found(argument, "a folder of images", recorded))
    return split(f"folder:{argument}", images, labels, held_out_of(len(images)))


def npy(argument: str, recorded: Path | None = None) -> Dataset:
    """An array of images or vectors; see image_files.py."""
    from genmem.empirics.data.image_files import held_out_of, read_array

    images, bound = read_array(found(argument, "a .npy file", recorded))
    return split(f"npy:{argument}", images, np.zeros(len(images), int), held_out_of(len(images)), bound)


def grammar(argument: str, recorded: Path | None = None) -> Dataset:
    """Strings of a grammar without repetition, labelled by their root; a quarter is held out, or 2048."""
    from genmem.empirics.data.grammar import named

    rules = named(argument)
    number = min(rules.count, GRAMMAR_POOL + GRAMMAR_HELD_OUT)
    strings = rules.sample(number, seed=0, replace=False).astype(np.int16)
    out, roots = min(GRAMMAR_HELD_OUT, number // 4), rules.roots(strings)
    parts = strings[out:], roots[out:], strings[:out], roots[:out]
    return Dataset(f"grammar:{argument}", *parts, bound=None, processes=STRING_PROCESSES, symbols=rules.v)


def text(argument: str = "", recorded: Path | None = None) -> Dataset:
    """Windows of a text file, or of the text that comes with Python; see text.py."""
    from genmem.empirics.data.text import of_file, of_python

    if not argument:
        return _of_text("text", of_python())
    return _of_text(f"text:{argument}", of_file(found(argument, "a text file", recorded)))


def text8() -> Dataset:
    """Windows of text8; see text.py."""
    from genmem.empirics.data.text import text8

    return _of_text("text8", text8())


def _of_text(name: str, characters: str) -> Dataset:
    from genmem.empirics.data.text import SYMBOLS, windows

    pool, out = windows(characters, name)
    parts = pool, np.zeros(len(pool), int), out, np.zeros(len(out), int)
    return Dataset(name, *parts, bound=None, processes=STRING_PROCESSES, symbols=len(SYMBOLS))


def _in_rounds(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`order` rearranged so that one image of each class comes in each round, as long as every class has one left."""
    of_class = [order[labels[order] == label] for label in np.unique(labels)]
    rounds = min(len(members) for members in of_class)
    place = {index: at for at, index in enumerate(order.tolist())}
    return np.array(
        [
            index
            for each in zip(*(members[:rounds].tolist() for members in of_class), strict=True)
            for index in sorted(each, key=place.__getitem__)
        ],
        dtype=int,
    )


NAMED = {"digits": digits, "patches": patches, "cifar10": cifar10, "gmm": gmm, "text": text, "text8": text8}
WITH_ARGUMENT = {
    "cifar10": cifar10,
    "gaussian": gaussian,
    "folder": folder,
    "npy": npy,
    "grammar": grammar,
    "text": text,
}

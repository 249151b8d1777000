"""The configuration of one training run: it is the config, the command line's help and the key of the record."""

import dataclasses
import hashlib
import json
import types
from pathlib import PurePosixPath
from typing import Literal, Union, get_args, get_origin, get_type_hints

from genmem.empirics.networks.table import NETWORKS
from genmem.empirics.processes.table import PROCESSES
from genmem.shared.errors import InputError, count, finite, known, positive

Half = Literal["all", "first", "second"]
Range = Literal["symmetric", "centered"]
Optimizer = Literal["adam", "sgd"]
Precision = Literal["float32", "bf16"]
DdimGrid = Literal["trailing", "linear"]
MilestoneGrid = Literal["log", "released"]


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One run. Two runs with equal configs are the same run; its key is a hash of the values that differ from the
    defaults."""

    data: str = "digits"
    """Data set: digits, patches, cifar10, cifar10:PATH, gmm, gaussian:WHAT, folder:PATH, npy:PATH text,
    text:PATH, text8 or grammar:v=8,m=4,s=2,L=3 (see empirics/data/datasets.py)."""
    n: int = 64
    """Number of training images; for one seed, the images of a smaller n are among those of a larger n."""
    seed: int = 0
    """Draws the training images, the initial weights, the noise and the batches."""
    balanced: bool = False
    """As many training images of each class, up to one."""
    half: Half = "all"
    """Draw the training images from one half of the pool; the two halves are disjoint and the same for every seed."""
    center: bool = False
    """Subtract the mean image of the training pool."""
    classes: tuple[int, ...] = ()
    """Take images of these labels only; all if none is given."""
    pixels: int = 0
    """Side to which images are reduced, by the mean over blocks; 0: as they are."""
    grey: bool = False
    """Turn colour images into grey ones."""
    range: Range = "symmetric"
    """Pixels in [-1, 1], or in [0, 1] less the training images' mean per channel (and samples are not clipped then)."""
    process: str = "gaussian"
    """What noise does to the data, and what is learned of it (see empirics/processes/table.py): gaussian; masked or
    uniform, of strings."""
    deduplicate: bool = False
    """Leave out of the training pool what is there twice, and what is held out too, near duplicates included."""
    network: str = "unet"
    """unet; mlp, a residual MLP for vectors; or random-features, the score network of the theory (one train_time, A = 0
    at first); of strings, tree-unet, with the shape of a grammar, or transformer."""
    width: int = 8
    """Base width W of the U-Net, a multiple of 4 (its levels have W, 2W, 4W channels); hidden width of the MLP; number
    of random features."""
    levels: int = 3
    """Resolution levels of the U-Net (1 to 3); each halves the image's side."""
    blocks: int = 2
    """Residual blocks per level of the U-Net, or of the MLP."""
    dropout: float = 0.0
    """Probability with which the U-Net drops a feature in training; 0: no dropout."""
    drop_channels: bool = False
    """Drop whole channels in place of single features."""
    optimizer: Optimizer = "adam"
    """Adam (betas 0.9, 0.999) or SGD with momentum."""
    learning_rate: float = 1e-3
    """Learning rate."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly to its value; 0: constant."""
    momentum: float = 0.95
    """Momentum of SGD; Adam ignores it."""
    batch_size: int = 64
    """Images per optimizer step; B = n (times the noise copies, if any) is the full batch, and beyond it images repeat.
    """
    copies: int = 0
    """Noise copies of each training image, drawn once, steps included; 0: fresh noise at each optimizer step."""
    flip: bool = False
    """Mirror each image of a batch with probability one half."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights that is measured in their place; 0: the weights
    themselves."""
    train_time: float = 0.0
    """Train at this Ornstein-Uhlenbeck time only (its nearest DDPM step), without generating; 0: at all times."""
    lowest_step: int = 0
    """The lowest DDPM step that is trained, of 0 to 999."""
    steps: int = 10_000
    """Optimizer steps of the whole run."""
    milestones: int = 40
    """Number of log-spaced steps at which losses and samples are recorded; the last one is the last step."""
    first_milestone: int = 8
    """The first of these steps; 1 if a run with the default has no more steps than that."""
    milestone_grid: MilestoneGrid = "log"
    """log, or released: the steps of the released code of Bonnaire et al., multiples of 250 up to 10 000 and then of
    5000, 45 of them up to ten million, whatever `milestones` says."""
    loss_times: tuple[float, ...] = (0.01, 0.1)
    """Ornstein-Uhlenbeck times t at which the train and test loss are recorded; the first defines the run's curves."""
    loss_draws: int = 5
    """Fixed noise draws per image in the recorded losses."""
    test_images: int = 512
    """Held-out images in the recorded test loss; all of them if there are fewer."""
    samples: int = 256
    """Images generated at each milestone, always from the same noise; 0 with a train_time."""
    sampling_steps: int = 50
    """Deterministic DDIM steps per generated image."""
    ddim_grid: DdimGrid = "trailing"
    """trailing: from the noisiest DDPM step, evenly, and on to the clean image; linear: evenly from step 999 to step 0,
    where it ends (one call of the network fewer)."""
    sampling_seed: int | None = None
    """Draws the noise that samples start from; by default the seed does. Networks compared sample by sample share it,
    and nothing else: two on disjoint halves of the data have different seeds and one sampling_seed."""
    precision: Precision = "float32"
    """Arithmetic of the network."""
    tf32: bool = False
    """On a CUDA GPU, multiply float32 numbers with the 10 bits of TF32; off: with all 23, in convolutions too."""
    channels_last: bool = False
    """Keep the channels of a pixel next to each other in memory."""
    compile: bool = False
    """Compile the optimizer steps' network; on a CUDA GPU into CUDA graphs, for networks bound by kernel launches."""
    stop: float = 0.0
    """Stop before the network memorizes, judged at the milestones, at the latest when f_mem exceeds this fraction (its
    lower 95 % bound), and keep the weights with the lowest test loss; 0: train for all steps."""

    def __post_init__(self) -> None:
        if isinstance(self.data, str):
            object.__setattr__(self, "data", _one_spelling(self.data))

    def check(self) -> None:
        """Raise InputError for a value that no run can have. What depends on the data set is checked with the data.

        Not in __post_init__: there the command line's parser would catch the error and wrap it in words of its own.
        """
        for name in (
            "width",
            "levels",
            "blocks",
            "batch_size",
            "steps",
            "first_milestone",
            "loss_draws",
            "test_images",
            "sampling_steps",
        ):
            count(name, getattr(self, name))
        for name in ("seed", "samples", "copies", "warmup", "pixels", "lowest_step"):
            count(name, getattr(self, name), least=0)
        if self.sampling_seed is not None:
            count("sampling_seed", self.sampling_seed, least=0)
        for label in self.classes:
            count("classes", label, least=0)
        for name in ("momentum", "dropout", "ema", "stop"):
            if not 0 <= finite(name, getattr(self, name)) < 1:
                raise InputError(f"{name} must be at least 0 and below 1, but {getattr(self, name)!r} was given")
        # The second nearest training image must exist, for f_mem.
        count("n", self.n, least=2)
        count("milestones", self.milestones, least=2)
        positive("learning_rate", self.learning_rate)
        if not self.loss_times:
            raise InputError("loss_times must hold at least one time, but none was given")
        for name, allowed in (
            ("half", get_args(Half)),
            ("range", get_args(Range)),
            ("optimizer", get_args(Optimizer)),
            ("precision", get_args(Precision)),
            ("ddim_grid", get_args(DdimGrid)),
            ("milestone_grid", get_args(MilestoneGrid)),
            ("process", PROCESSES),
            ("network", NETWORKS),
        ):
            known(name, getattr(self, name), allowed)
        network = NETWORKS[self.network]
        if self.process not in network.processes:
            raise InputError(
                f"network must be one for the process {self.process}, but {self.network!r} was given, "
                f"which is for {' and '.join(network.processes)}"
            )
        PROCESSES[self.process].check(self)
        network.check(self)
        if self.stop and not self.samples:
            raise InputError(f"stop must be 0 without samples to find copies in, but {self.stop!r} was given")
        self._check_train_time()
        if self.first_milestone >= self.steps and self.first_milestone != TrainConfig.first_milestone:
            raise InputError(
                f"first_milestone must be below steps = {self.steps}, but {self.first_milestone!r} was given"
            )

        if self.compile and self.dropout:
            raise InputError(
                "compile must be off with dropout, which is drawn anew at each step, but dropout "
                f"{self.dropout!r} was given"
            )

    def _check_train_time(self) -> None:
        if not self.train_time:
            return
        if self.samples:
            raise InputError(
                f"samples must be 0 with a train_time, as all times generate, but {self.samples!r} was given"
            )
        if self.loss_times != (self.train_time,):
            raise InputError(
                f"loss_times must be the train_time {self.train_time:g} alone, but "
                f"{', '.join(map(str, self.loss_times))} was given"
            )

    @property
    def noise_seed(self) -> int:
        """The seed of the noise that samples start from."""
        return self.seed if self.sampling_seed is None else self.sampling_seed

    @property
    def is_theory(self) -> bool:
        """Whether the network is the theory's own, whose losses a closed form knows."""
        return NETWORKS[self.network].theory

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that change with any value: a hash of the values that differ from the defaults.

        So a field can be added without new keys for old runs, provided its default is what was done before it existed.
        For the same reason a default never changes.
        """
        return self.key_of(self.data)

    def key_of(self, data: str) -> str:
        """The key with the data's path spelled like this, as records made before there was one spelling have it."""
        values = {
            field.name: _plain(field, getattr(self, field.name))
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        if "data" in values:
            values["data"] = data
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def milestone_steps(self) -> list[int]:
        """Step 0 and the steps at which the run is measured, increasing, without repetition; the last one is the
        last."""
        if self.milestone_grid == "released":
            return sorted({0, self.steps, *(step for step in _released_milestones() if step < self.steps)})
        first = self.first_milestone if self.first_milestone < self.steps else 1
        ratio = self.steps / first
        exponents = (i / (self.milestones - 1) for i in range(self.milestones))
        return sorted({0, *(round(first * ratio**exponent) for exponent in exponents)})


def _released_milestones() -> list[int]:
    """The training times at which the released code of Bonnaire et al. generates samples (generate.py there)."""

    def spaced(start: float, end: float, count: int, unit: int) -> set[int]:
        ratio = (end / start) ** (1 / (count - 1))
        return {unit * round(start * ratio**k / unit) for k in range(count)}

    every = spaced(251, 1e4, 10, 250) | spaced(1e4, 1e6, 90, 5000) | spaced(1e6, 1e7, 20, 5000)
    return sorted(every)[::2]


def from_json(values: dict) -> TrainConfig:
    """The config that `dataclasses.asdict` turned into JSON; raises InputError for an unknown field or a wrong type.

    A missing field is one that did not exist when the run was made: it has its default.
    """
    unknown = values.keys() - {field.name for field in dataclasses.fields(TrainConfig)}
    if unknown:
        raise InputError(
            f"a run's config holds the unknown field {sorted(unknown)[0]!r}; was it made by a newer genmem?"
        )
    hints = get_type_hints(TrainConfig)
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise InputError(f"a run's config must hold {_words(hints[name])} for {name}, but it holds {value!r}")
    return TrainConfig(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _plain(field: dataclasses.Field, value):
    """The value as it enters the key: 1 and 1.0 are the same learning rate."""
    if isinstance(value, tuple):
        return [float(entry) for entry in value]
    return float(value) if isinstance(field.default, float) else value


def _one_spelling(data: str) -> str:
    """A data set's name with its path in one spelling: folder:./photos/ and folder:photos are the same data."""
    kind, _, path = data.partition(":")
    return f"{kind}:{PurePosixPath(path)}" if path else data


def _fits(value, hint) -> bool:
    """Whether a value read from JSON is of a field's type."""
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(entry, get_args(hint)[0]) for entry in value)
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        return "a list of numbers"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text", types.NoneType: "null"}[
        hint
    ]

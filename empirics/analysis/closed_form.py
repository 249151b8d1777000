"""A trained random-features network beside the closed form for the covariance of its images: nothing is fitted.

Known are n, d, the number of features p, the diffusion time, the covariance of the data's whole pool, and the unit of
time: tau = steps x learning rate / d^2, with momentum m the learning rate / (1 - m). Between the two stand the exact
dynamics of finite networks, so that each cause of a difference is seen alone:

    trained     - on_images     the optimizer: finite learning rate, batches, drawn noise
    on_images   - on_gaussian   the data: these images and not Gaussian vectors of their covariance
    on_gaussian - closed_form   the size: finite d, n, p

Of the first the closed form knows a part: what the gradient noise of its batches adds (genmem.theory.gradient_noise).
"""

import dataclasses

import numpy as np

from genmem.empirics.data import datasets
from genmem.empirics.processes.diffusion import step_of_time, time_of_step
from genmem.empirics.records.runs import RunRecord
from genmem.shared.errors import InputError
from genmem.theory import RandomFeatures, Spectrum, simulate
from genmem.theory.timescales import Timescales, timescales_of_curves

STAGES = ("trained", "on_images", "on_gaussian", "closed_form")
_DRAWS = 4
# A direction with more than this many times the median variance stands out of the bulk.
_OUTLIER = 10.0


@dataclasses.dataclass(frozen=True)
class BesidePrediction:
    """The losses of one run and of its prediction at the same training times.

    model: the problem of the theory. steps (K,): optimizer steps; tau (K,): the theory's time. train, test: losses by
    stage (see the head of the module), each (K,), with fresh noise on the training images. times: the three times by
    stage, in units of tau. outliers: how many directions have over ten times the median variance (of those with any),
    and outlier_share, their share of the variance. kurtosis: mean excess kurtosis of the images along the directions of
    the covariance, weighted by variance; zero for Gaussian data. gradient_noise: learning rate / (batch size x d) of
    the run, over 1 - momentum; noise_adds: what it adds to the closed form's test loss (K,), inf where it diverges.
    """

    record: RunRecord
    model: RandomFeatures
    d: int
    steps: np.ndarray
    tau: np.ndarray
    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    times: dict[str, Timescales]
    outliers: int
    outlier_share: float
    kurtosis: float
    gradient_noise: float
    noise_adds: np.ndarray

    def differences(self, split: str) -> dict[str, float]:
        """The largest absolute difference between neighbouring stages over all times, by 'one - other'."""
        curves = self.train if split == "train" else self.test
        pairs = zip(STAGES, STAGES[1:], strict=False)
        return {f"{one} - {other}": float(np.abs(curves[one] - curves[other]).max()) for one, other in pairs}


def beside_prediction(record: RunRecord, draws: int = _DRAWS) -> BesidePrediction:
    """Set a run of the random-features network beside its prediction.

    draws: finite networks averaged in each simulation. Raises InputError for another network, an optimizer other than
    SGD, or data that are not centered, as the theory's are.
    """
    config = record.config
    for name, needed, fits in (
        ("network", "random-features", config.is_theory),
        ("optimizer", "sgd", config.optimizer == "sgd"),
        ("center", True, config.center),
    ):
        if not fits:
            given = getattr(config, name)
            raise InputError(f"the closed form is about runs with {name} {needed}, but {given!r} was given")
    data = record.data()
    pool, held_out = (images.reshape(len(images), -1).astype(float) for images in (data.pool, data.held_out))
    images = datasets.training_images(config, data).reshape(config.n, -1).astype(float)
    d = pool.shape[1]
    t = float(time_of_step(step_of_time(config.train_time)))
    model = RandomFeatures(
        config.n / d, config.width / d, t, "tanh", Spectrum.from_data(pool), copies=config.copies or np.inf
    )
    steps = record.steps
    tau = steps * config.learning_rate / (1 - config.momentum) / d**2
    simulated = {
        "on_images": simulate(model, seed=config.seed, tau=tau, data=images, held_out=held_out, draws=draws),
        "on_gaussian": simulate(model, d, seed=config.seed, tau=tau, draws=draws),
    }
    predicted = model.learning_curves(tau)
    measured_train, measured_test = record.loss(config.train_time)
    # At fresh noise the empirical loss is the train loss; with fixed copies it is the one that both record.
    theory = simulated | {"closed_form": predicted}
    train = {"trained": measured_train} | {stage: curves.empirical for stage, curves in theory.items()}
    test = {"trained": measured_test} | {stage: curves.test for stage, curves in theory.items()}
    times = {stage: timescales_of_curves(tau, train[stage], test[stage], initial=1.0) for stage in STAGES}
    noise = config.learning_rate / (1 - config.momentum) / (config.batch_size * d)
    added = np.full(tau.shape, np.inf)
    if not model.diverges(noise):
        added = model.learning_curves(tau, noise).test - predicted.test
    return BesidePrediction(record, model, d, steps, tau, train, test, times, *_shape_of(pool), noise, added)


def comparison_table(comparison: BesidePrediction, rows: int = 12) -> str:
    """Measured and predicted losses, the three times, and where the two differ, in words and numbers."""
    c = comparison
    m = c.model
    lines = [
        f"data {c.record.config.data}: n = {c.record.config.n}, d = {c.d}, p = {c.record.config.width}; "
        f"psi_n = {m.psi_n:.3g}, psi_p = {m.psi_p:.3g}, t = {m.t:.3g}; nothing is fitted"
    ]
    lines.append(
        f"{'step':>9} {'tau':>9}  "
        + "  ".join(f"{f'{split} {stage}':>19}" for split in ("train", "test") for stage in ("trained", "closed_form"))
    )
    for k in np.unique(np.linspace(0, c.steps.size - 1, rows).round().astype(int)):
        values = (c.train["trained"], c.train["closed_form"], c.test["trained"], c.test["closed_form"])
        lines.append(f"{c.steps[k]:>9} {c.tau[k]:>9.3g}  " + "  ".join(f"{curve[k]:>19.4f}" for curve in values))
    lines += ["", f"{'':12} {'tau_gen':>9} {'tau_gap':>9} {'tau_mem':>9}   (units of tau; inf: not within the run)"]
    for stage in STAGES:
        times = c.times[stage]
        lines.append(f"{stage:<12} " + " ".join(f"{value:>9.4g}" for value in (times.gen, times.gap, times.mem)))
    lines += ["", "largest difference between neighbouring stages", f"{'':26} {'train':>7} {'test':>7}"]
    train, test = c.differences("train"), c.differences("test")
    causes = ("the optimizer: step size, batches, drawn noise", "the data: not Gaussian", "the size: finite d, n, p")
    for pair, cause in zip(train, causes, strict=True):
        lines.append(f"{pair:26} {train[pair]:>7.4f} {test[pair]:>7.4f}   {cause}")
    lines.append(
        f"of the first the gradient noise, kappa = {c.gradient_noise:.3g}, adds {c.noise_adds.max():.4f} to the closed "
        f"form's test loss at most, and {c.noise_adds[-1]:.4f} at the end"
    )
    lines.append(
        f"{c.outliers} of {c.d} directions have over {_OUTLIER:g} times the median variance and hold "
        f"{c.outlier_share:.0%} of all; mean excess kurtosis {c.kurtosis:.2f}"
    )
    return "\n".join(lines)


def _shape_of(pool: np.ndarray) -> tuple[int, float, float]:
    """Number of outlying directions, their share of the variance, and the mean excess kurtosis weighted by variance."""
    centered = pool - pool.mean(axis=0)
    variances, vectors = np.linalg.eigh(np.cov(centered, rowvar=False))
    lively = variances > 1e-9 * variances[-1]
    variances, vectors = variances[lively], vectors[:, lively]
    out = variances > _OUTLIER * np.median(variances)
    coordinates = centered @ vectors / np.sqrt(variances)
    excess = (coordinates**4).mean(axis=0) - 3
    return int(out.sum()), float(variances[out].sum() / variances.sum()), float(excess @ variances / variances.sum())

"""One noise convention for theory and experiment: Ornstein-Uhlenbeck time t and DDPM step k.

x_t = e^{-t} x + sqrt(1 - e^{-2t}) noise is the DDPM marginal with alphabar(k) = e^{-2t}
(Ho et al., arXiv:2006.11239, eq. 4; T = 1000, linear beta from 1e-4 to 2e-2).
"""

import functools

import numpy as np

from genmem.shared.errors import InputError, positive

STEPS = 1000
BETA_START, BETA_END = 1e-4, 2e-2


@functools.cache
def alphabar() -> np.ndarray:
    """Signal power (1000,) left after DDPM step k = 0 ... 999."""
    return np.cumprod(1 - np.linspace(BETA_START, BETA_END, STEPS))


def time_of_step(k):
    """Ornstein-Uhlenbeck time t = -1/2 log alphabar(k) of the DDPM step(s) k."""
    return -0.5 * np.log(alphabar()[k])


def step_of_time(t: float) -> int:
    """The DDPM step whose time is nearest to t in log t; raises InputError if t lies outside the schedule.

    Steps are counted from 0, as in diffusers: t = 0.01 is k = 40, t = 0.1 is k = 136 (the 137th step).
    """
    times = time_of_step(np.arange(STEPS))
    if not times[0] <= positive("t", t) <= times[-1]:
        raise InputError(f"t must lie between {times[0]:.2g} and {times[-1]:.2g}, but {t!r} was given")
    return int(np.argmin(np.abs(np.log(times / t))))


def noised(images, k, noise):
    """x_k = sqrt(alphabar(k)) images + sqrt(1 - alphabar(k)) noise, tensors (B, ...) and DDPM steps k (B,)."""
    signal = _signal(images.device)[k].view(-1, *[1] * (images.ndim - 1))
    return signal.sqrt() * images + (1 - signal).sqrt() * noise


def denoising_errors(network, images, k, noise):
    """Denoising score matching error of each image, by noise prediction: mean over pixels of |noise - prediction|^2.

    Args:
        network: maps (noised images, steps) to an object with `.sample`, as diffusers' models do.
        images, noise: tensors (B, C, H, W).
        k: DDPM steps (B,), integers.

    Returns a tensor (B,). A network that predicts zero has error 1 in the mean, the theory's loss at tau = 0.
    """
    prediction = network(noised(images, k, noise), k).sample
    return (prediction.float() - noise).square().mean(dim=tuple(range(1, noise.ndim)))


@functools.cache
def _signal(device):
    """alphabar as a tensor (1000,) on a device, copied there once."""
    import torch

    return torch.as_tensor(alphabar(), dtype=torch.float32, device=device)


def ddim(network, noise, steps: int, bound: float | None = 1.0, grid: str = "trailing"):
    """Images (B, C, H, W) generated from `noise` by deterministic DDIM (Song et al., arXiv:2010.02502, eta = 0).

    The predicted image is clipped to [-bound, bound], the pixel range (None: not at all), and the noise recomputed from
    it: at the noisiest step the signal is 1/157 of the noise, so that a small error of the network would throw the
    sample far off. Clipping without recomputing (diffusers' default) drifts away as steps are added; with it f_mem
    hardly changes from 20 steps on.
    grid: "trailing" spacing includes the noisiest step, and the last one leads to the clean image. "linear" spacing
    goes from step 999 to step 0 and ends there, in steps - 1 calls of the network, as in the released code of Bonnaire
    et al. (arXiv:2505.17638).
    """
    scheduler = _scheduler(steps, bound, grid)
    images = noise
    for k in scheduler.timesteps.tolist():
        images = _ddim_step(network, scheduler, k, images)
    return images


def ddim_log_density(network, noise, steps: int, grid: str = "trailing"):
    """Natural logarithm (B,) of the density with which `ddim` without a bound generates its image of each `noise`.

    Each step is a smooth map, so that the law of what is generated is known exactly, by the change of variables: the
    normal density of the noise, less the log determinants of all steps, where no two noises give the same image, as
    along the probability flow. noise: tensor (B, C, H, W). As each step takes a backward pass for each of the C H W
    values, this is for data of few dimensions.
    """
    import torch

    scheduler = _scheduler(steps, None, grid)
    images = noise
    total = torch.distributions.Normal(0.0, 1.0).log_prob(noise).flatten(1).sum(1)
    for k in scheduler.timesteps.tolist():
        with torch.enable_grad():
            images = images.detach().requires_grad_()
            after = _ddim_step(network, scheduler, k, images)
            # The network treats each image by itself, so that one pass gives a row of every image's Jacobian.
            rows = [
                torch.autograd.grad(value.sum(), images, retain_graph=True)[0].flatten(1)
                for value in after.flatten(1).unbind(1)
            ]
        total = total - torch.linalg.slogdet(torch.stack(rows, dim=1)).logabsdet
        images = after
    return total.detach()


def _scheduler(steps: int, bound: float | None, grid: str):
    from diffusers import DDIMScheduler

    if grid == "linear":
        return _Linear(steps, bound)
    scheduler = DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=BETA_START,
        beta_end=BETA_END,
        clip_sample=bound is not None,
        clip_sample_range=bound or 1.0,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(steps)
    return scheduler


def _ddim_step(network, scheduler, k: int, images):
    prediction = network(images, images.new_full((len(images),), k, dtype=int)).sample.float()
    if isinstance(scheduler, _Linear):
        return scheduler.step(prediction, k, images)
    return scheduler.step(prediction, k, images, eta=0.0, use_clipped_model_output=True).prev_sample


class _Linear:
    """DDIM on whole steps that are evenly spaced from the last to the first, both included (`timesteps` without it)."""

    def __init__(self, steps: int, bound: float | None):
        grid = np.linspace(0, STEPS - 1, steps, dtype=int)[::-1]
        self.timesteps, self.bound = grid[:-1], bound
        self._next = dict(zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True))

    def step(self, prediction, k: int, images):
        now, then = float(alphabar()[k]), float(alphabar()[self._next[k]])
        clean = (images - (1 - now) ** 0.5 * prediction) / now**0.5
        if self.bound is not None:
            clean = clean.clamp(-self.bound, self.bound)
            prediction = (images - now**0.5 * clean) / (1 - now) ** 0.5
        return then**0.5 * clean + (1 - then) ** 0.5 * prediction

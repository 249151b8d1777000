import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genmem.empirics.networks.unet import unet
from genmem.empirics.processes import diffusion
from genmem.empirics.processes.gaussian import Gaussian
from genmem.shared.errors import InputError
from tests import tolerances


def optimal_noise_prediction(points):
    """The minimiser of the loss on a finite training set: the posterior mean of the noise, in closed form."""

    def network(x, k):
        signal = torch.as_tensor(diffusion.alphabar(), dtype=torch.float64)[k].view(-1, 1)
        x, y = x.flatten(1).double(), points.flatten(1).double()
        squares = (x[:, None] - signal.sqrt()[:, :, None] * y).square().sum(2)
        weights = torch.softmax(-squares / (2 * (1 - signal)), dim=1)
        noise = (x - signal.sqrt() * (weights @ y)) / (1 - signal).sqrt()
        return SimpleNamespace(sample=noise.float().view(len(x), *points.shape[1:]))

    return network


def test_times_and_steps_are_those_of_diffusers_and_of_the_papers():
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=2e-2)
    np.testing.assert_allclose(diffusion.alphabar(), scheduler.alphas_cumprod.numpy(), rtol=tolerances.FLOAT32)
    assert diffusion.step_of_time(0.01) == 40 and diffusion.step_of_time(0.1) == 136
    for k in (0, 1, 40, 500, 999):
        assert diffusion.step_of_time(float(diffusion.time_of_step(k))) == k


@pytest.mark.parametrize("t", [1e-6, 6.0, -1.0, math.nan])
def test_a_time_outside_the_schedule_is_refused(t):
    with pytest.raises(InputError, match="t must"):
        diffusion.step_of_time(t)


def test_the_loss_of_a_network_that_predicts_zero_is_the_noise_itself():
    images, noise = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    zero = lambda x, k: SimpleNamespace(sample=torch.zeros_like(x))  # noqa: E731
    errors = diffusion.denoising_errors(zero, images, torch.tensor([0, 1, 500, 999]), noise)
    torch.testing.assert_close(errors, noise.square().mean(dim=(1, 2, 3)))


def test_images_are_noised_as_diffusers_noises_them():
    from diffusers import DDPMScheduler

    images, noise, k = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8), torch.tensor([0, 40, 137, 999])
    seen = []

    def network(x, k):
        seen.append(x)
        return SimpleNamespace(sample=noise)

    errors = diffusion.denoising_errors(network, images, k, noise)
    expected = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=2e-2).add_noise(images, noise, k)
    torch.testing.assert_close(seen[0], expected)
    assert torch.equal(errors, torch.zeros(4))


def test_sampling_a_gaussian_with_its_exact_score_gives_its_variance():
    # For data N(0, s^2) the probability flow maps noise to s times noise (up to alphabar at the last step).
    spread = 0.2  # so that no predicted image leaves the pixel range

    def network(x, k):
        signal = torch.as_tensor(diffusion.alphabar(), dtype=torch.float32)[k].view(-1, 1, 1, 1)
        return SimpleNamespace(sample=x * (1 - signal).sqrt() / (signal * spread**2 + 1 - signal))

    noise = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    errors = [
        (diffusion.ddim(network, noise, steps) - spread * noise).square().mean().sqrt() for steps in (10, 20, 500)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < tolerances.DDIM_500


def test_the_optimal_empirical_denoiser_generates_its_training_points():
    points = torch.rand(16, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    samples = diffusion.ddim(optimal_noise_prediction(points), noise, 50)
    nearest = (samples[:, None] - points[None]).flatten(2).norm(dim=2).min(1).values
    between = (points[:, None] - points[None]).flatten(2).norm(dim=2)
    assert nearest.median() < 0.01 * between[between > 0].min()


def test_sampling_a_unet_is_deterministic():
    noise = torch.randn(2, 1, 8, 8)
    network = unet(8, 1, 8, levels=2).eval()
    with torch.no_grad():
        assert torch.equal(diffusion.ddim(network, noise, 3), diffusion.ddim(network, noise, 3))


def curved_network(d):
    """A smooth network of d values that mixes them, different at each diffusion step."""
    matrix = torch.randn(d, d, generator=torch.Generator().manual_seed(0)) / d**0.5

    def network(x, k):
        inner = x.flatten(1) @ matrix.T + k[:, None] / 1000
        return SimpleNamespace(sample=(torch.tanh(inner) + 0.3 * x.flatten(1)).view_as(x))

    return network


def test_log_density_of_samples_is_the_change_of_variables_of_the_whole_map():
    noise = torch.randn(5, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    network = curved_network(3)
    with torch.no_grad():
        found = diffusion.ddim_log_density(network, noise, 7)
    for x, log_density in zip(noise, found, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda z: diffusion.ddim(network, z.view(1, 3, 1, 1), 7, bound=None).flatten(), x.flatten()
        )
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum() - torch.linalg.slogdet(jacobian).logabsdet
        assert log_density == pytest.approx(float(expected), rel=1e-4)


def test_log_density_integrates_to_one():
    """In one dimension the density itself can be summed over the generated points."""

    def network(x, k):
        signal = torch.as_tensor(diffusion.alphabar(), dtype=torch.float32)[k].view(-1, 1, 1, 1)
        # That of normal data, bent.
        return SimpleNamespace(sample=(1 - signal).sqrt() * x + 0.5 * signal.sqrt() * torch.tanh(3 * x))

    noise = torch.linspace(-8, 8, 4001)[:, None, None, None]
    with torch.no_grad():
        x = diffusion.ddim(network, noise, 10, bound=None).flatten()
        density = diffusion.ddim_log_density(network, noise, 10).exp()
    assert (x.diff() > 0).all()
    assert torch.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
    # Far from normal, whose density at its top is 0.399 over its standard deviation.
    assert abs(density.max() * torch.trapezoid(density * x**2, x).sqrt() - 0.399) > 0.02


@pytest.mark.parametrize("bound", [None, 1.0])
def test_the_linear_grid_ends_at_the_first_step(bound):
    """Against the update of Song et al. written out, on the published grid of whole steps."""
    spread, calls = 0.3, []

    def network(x, k):
        calls.append(int(k[0]))
        signal = float(diffusion.alphabar()[int(k[0])])
        return SimpleNamespace(sample=(1 - signal) ** 0.5 * x / (signal * spread**2 + 1 - signal))

    noise = torch.randn((64, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    found = diffusion.ddim(network, noise, 21, bound, "linear")
    grid = [int(999 * k / 20) for k in range(20, -1, -1)]
    assert calls == grid[:-1] and grid[-1] == 0
    x = noise.double().numpy()
    for now, then in zip(grid, grid[1:], strict=False):
        a, b = diffusion.alphabar()[now], diffusion.alphabar()[then]
        eps = np.sqrt(1 - a) * x / (a * spread**2 + 1 - a)
        clean = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
        if bound:
            clean = np.clip(clean, -bound, bound)
            eps = (x - np.sqrt(a) * clean) / np.sqrt(1 - a)
        x = np.sqrt(b) * clean + np.sqrt(1 - b) * eps
    np.testing.assert_allclose(found.numpy(), x, atol=2e-4)


def test_training_begins_at_the_lowest_step():
    process = Gaussian(1.0, lowest=1)
    random = torch.Generator().manual_seed(0)
    drawn = process.draw_levels(20_000, random)
    assert int(drawn.min()) == 1 and int(drawn.max()) == 999
    levels = process.levels(torch.linspace(0, 1 - 1e-6, 2000))
    assert int(levels.min()) == 1 and int(levels.max()) == 999
    counts = torch.bincount(levels)[1:]
    assert int(counts.min()) >= 1 and int(counts.max()) <= 4

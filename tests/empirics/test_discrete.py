"""Discrete processes by enumeration: all noised strings of small alphabets, all strings of small grammars."""

import functools
import itertools

import numpy as np
import pytest
import torch

from genmem import Grammar
from genmem.empirics.networks.transformer import Transformer
from genmem.empirics.networks.tree_unet import TreeUNet
from genmem.empirics.processes.discrete import drawn
from genmem.empirics.processes.masked import LEAST, Masked
from genmem.empirics.processes.uniform import STEPS, Uniform, kept
from genmem.empirics.randomness import generator
from genmem.empirics.training.milestones import generated, losses, sampling_start
from tests import tolerances

SYMBOLS = 3


def transition(k: int) -> np.ndarray:
    """q(x_k | x_{k-1}) as a matrix, from the schedule alone."""
    beta = 0.001 + 0.099 * k / 200
    return (1 - beta) * np.eye(SYMBOLS) + beta / SYMBOLS


def test_the_uniform_posterior_is_bayes_with_products_of_transition_matrices():
    process = Uniform(symbols=SYMBOLS)
    for early, late in ((0, 1), (4, 5), (10, 50), (199, 200)):
        to_early = functools.reduce(np.matmul, map(transition, range(1, early + 1)), np.eye(3))
        between = functools.reduce(np.matmul, map(transition, range(early + 1, late + 1)), np.eye(3))
        assert kept()[late] == pytest.approx(1 - 3 * (to_early @ between)[0, 1], rel=1e-9)
        for clean, noised in itertools.product(range(SYMBOLS), repeat=2):
            exact = to_early[clean] * between[:, noised] / (to_early @ between)[clean, noised]
            guess = torch.eye(SYMBOLS)[None, [clean]]
            levels = torch.tensor([late])
            found = process.before(torch.tensor([[noised]]), guess, levels, torch.tensor([early]))[0, 0]
            np.testing.assert_allclose(found, exact, atol=2e-6)
        evidence = process.evidence(torch.tensor([[1]]), torch.tensor([late]))[0, 0]
        np.testing.assert_allclose(evidence, (to_early @ between)[:, 1], atol=1e-6)


def test_the_uniform_errors_are_the_divergence_written_out():
    process = Uniform(symbols=SYMBOLS)
    random = np.random.default_rng(0)
    guess = random.dirichlet(np.ones(SYMBOLS))
    clean, noised, k = 2, 0, 7
    kinds = {a: process.before(*_one(noised, a, k)).double().numpy()[0, 0] for a in range(SYMBOLS)}
    mixed = sum(guess[a] * kinds[a] for a in range(SYMBOLS))
    expected = STEPS * np.sum(kinds[clean] * np.log(kinds[clean] / mixed))
    network = lambda evidence, levels: torch.from_numpy(np.log(guess)).expand(1, 1, SYMBOLS)  # noqa: E731
    draw = torch.tensor([[[0.9999], [noised / SYMBOLS + 0.1]]])  # drawn anew, and this symbol
    found = process.errors(network, torch.tensor([[clean]]), torch.tensor([k]), draw)
    assert found.item() == pytest.approx(expected, rel=1e-4)
    # At the last step back the divergence is -log p(x | x_1).
    one = process.errors(network, torch.tensor([[clean]]), torch.tensor([1]), draw)
    shares = np.array([guess[a] / _likelihood(a, noised, 1) for a in range(SYMBOLS)])
    assert one.item() == pytest.approx(-STEPS * np.log(shares[clean] * _likelihood(clean, noised, 1)), rel=1e-4)


def _one(noised, clean, k):
    return torch.tensor([[noised]]), torch.eye(SYMBOLS)[None, [clean]], torch.tensor([k]), torch.tensor([k - 1])


def _likelihood(a, j, k):
    return kept()[k] * (a == j) + (1 - kept()[k]) / SYMBOLS


@pytest.mark.parametrize("process", [Masked(symbols=SYMBOLS), Uniform(symbols=SYMBOLS)], ids=lambda p: p.name)
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_noise_takes_the_value_of_a_symbol_with_the_probability_of_its_time(process, t):
    clean = torch.ones((20_000, 2), dtype=torch.long)
    level = process.level(t)
    random = generator(0, "noise")
    noised = process.noise(clean, torch.full((len(clean),), level), process.draw_noise(clean.shape, random))
    share = (noised == 1).double().mean().item()
    lost = t if process.name == "masked" else (1 - kept()[level]) * (1 - 1 / SYMBOLS)
    assert abs(1 - share - lost) < tolerances.STANDARD_ERRORS * np.sqrt(lost * (1 - lost) / 40_000)
    assert process.name == "masked" or abs(1 - kept()[level] - t) < 0.05
    levels = process.draw_levels(1000, random)
    assert levels.min() >= process.levels(torch.zeros(1)).item()
    assert levels.double().mean().item() == pytest.approx(process.levels(torch.tensor([0.5])).item(), rel=0.1)


def test_with_exact_posteriors_the_masked_bound_is_the_entropy_of_the_grammar():
    grammar = Grammar(3, 2, 2, 2)
    strings = torch.from_numpy(grammar.derived(np.arange(grammar.count)))
    process = Masked(symbols=3)
    found = losses(process, grammar.denoiser(), strings, None, 400, 0, "test")
    error = (found.std() / np.sqrt(len(found))).item()
    assert found.mean().item() == pytest.approx(np.log(grammar.count) / 4, abs=4 * error + 2 * LEAST)
    uniform = losses(Uniform(symbols=3), grammar.denoiser(), strings, None, 100, 0, "test").mean().item()
    # A bound for the other process, too, above the entropy by what factorised steps cost.
    assert np.log(grammar.count) / 4 - 0.05 < uniform < np.log(grammar.count) / 4 + 0.3
    # No other guess does better: mixing a tenth of ignorance into it costs.
    for each in (process, Uniform(symbols=3)):
        worse = lambda e, t: (0.9 * grammar.denoiser()(e, t).exp() + 0.1 / 3).log()  # noqa: E731
        level = each.level(0.5)
        pair = [losses(each, network, strings, level, 20, 0, "x").mean() for network in (grammar.denoiser(), worse)]
        assert pair[1] > pair[0] + 0.01


@pytest.mark.parametrize("process", [Masked(symbols=3), Uniform(symbols=3)], ids=lambda p: p.name)
def test_the_exact_denoiser_generates_the_grammar_with_equal_probabilities(process):
    from scipy.stats import chisquare

    grammar = Grammar(3, 2, 2, 2)
    strings = torch.from_numpy(grammar.derived(np.arange(grammar.count)))
    start = sampling_start(process, 0, 1500, strings, 200)
    samples = generated(process, grammar.denoiser(), start, 200)
    again = generated(process, grammar.denoiser(), start[:100], 200)
    assert torch.equal(samples[:100], again)  # a pure function of the start
    valid = grammar.levels(samples.numpy())[:, -1] == 1
    # Symbols that change in one step are independent: some strings in a hundred are spoilt by that.
    assert valid.mean() > 0.93
    _, counts = np.unique(samples.numpy()[valid], axis=0, return_counts=True)
    assert len(counts) == grammar.count and chisquare(counts).pvalue > 1e-3


def test_distances_are_hammings_and_samples_keep_their_symbols():
    random = np.random.default_rng(0)
    samples, training = (torch.from_numpy(random.integers(5, size=(size, 7))) for size in (9, 30))
    process = Masked(symbols=5)
    apart = (samples[:, None] != training[None]).sum(2)
    d1, d2, index = process.distances(samples, training)
    assert torch.equal(d1, apart.amin(1).float()) and torch.equal(d2, apart.sort(1)[0][:, 1].float())
    assert torch.equal(apart.gather(1, index[:, None])[:, 0].float(), d1)
    groups = torch.arange(30) // 10
    d1, d2, index = process.distances(samples, training, groups)
    others = apart.masked_fill(groups == groups[index][:, None], 99)
    assert torch.equal(d2, others.amin(1).float())
    assert process.packed(samples).dtype == torch.uint8 and Masked(symbols=300).packed(samples).dtype == torch.int16


def test_uniform_numbers_draw_symbols_with_their_probabilities():
    probabilities = torch.tensor([0.2, 0.0, 0.5, 0.3])
    which = (torch.arange(1000) + 0.5) / 1000
    counts = torch.bincount(drawn(probabilities.expand(1000, 4), which), minlength=4)
    assert counts.tolist() == [200, 0, 500, 300]
    assert drawn(probabilities[None], torch.tensor([1.0])).tolist() == [3]


@pytest.mark.parametrize("network", [TreeUNet(5, 8, 2, 3), Transformer(8, 5, 8, 2)], ids=lambda n: type(n).__name__)
def test_each_guess_depends_on_all_symbols_and_strings_do_not_mix(network):
    evidence = torch.rand((4, 8, 5), requires_grad=True)
    logits = network(evidence, torch.zeros(4))
    assert logits.shape == evidence.shape
    [gradient] = torch.autograd.grad(logits[1, 2].square().sum(), evidence)
    assert (gradient[1].abs().amax(1) > 0).all() and (gradient[[0, 2, 3]] == 0).all()


def test_the_tree_network_has_features_of_the_order_of_one_and_the_parameters_of_its_tree():
    torch.manual_seed(0)
    network = TreeUNet(8, 256, 2, 3)
    logits = network(torch.eye(8)[torch.randint(8, (64, 8))], torch.zeros(64))
    assert 0.3 / 16 < logits.std() * np.sqrt(512) / 16 < 3  # the read-out is divided by its fan-in, not its root
    w = 256
    assert sum(p.numel() for p in network.parameters()) == 8 * w + 3 * 2 * w * w + 5 * 2 * w * w + 6 * w + 2 * w * 8

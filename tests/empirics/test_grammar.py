"""The grammar against what can be counted: all strings of small grammars, and rates and sums by hand."""

import itertools
import time

import numpy as np
import pytest

from genmem import Grammar
from genmem.empirics.data import datasets
from genmem.empirics.data.grammar import named
from genmem.shared.errors import InputError
from tests import tolerances

SMALL = [Grammar(2, 2, 2, 2), Grammar(3, 2, 2, 2, seed=1), Grammar(2, 2, 3, 2, seed=2), Grammar(4, 3, 2, 1)]
GRAMMARS = [*SMALL, Grammar(8, 3, 2, 3), Grammar(5, 4, 3, 2), Grammar(3, 1, 2, 4, seed=4)]


def derivations(grammar: Grammar, symbol: int, level: int) -> list[tuple[int, ...]]:
    """All strings that a symbol makes, by recursion over the rules."""
    if level == 0:
        return [(symbol,)]
    return [
        sum(parts, ())
        for rule in grammar.rules[level - 1, symbol].tolist()
        for parts in itertools.product(*(derivations(grammar, child, level - 1) for child in rule))
    ]


def everything(grammar: Grammar) -> list[tuple[int, ...]]:
    return [string for root in range(grammar.v) for string in derivations(grammar, root, grammar.L)]


@pytest.mark.parametrize("grammar", SMALL, ids=repr)
def test_the_strings_are_those_of_the_rules_and_each_is_there_once(grammar):
    strings = everything(grammar)
    assert len(strings) == len(set(strings)) == grammar.count
    assert {tuple(s) for s in grammar.derived(np.arange(grammar.count)).tolist()} == set(strings)
    assert {tuple(s) for s in grammar.sample(grammar.count, 5, replace=False).tolist()} == set(strings)
    # Valid at the top are these and no others, of all strings that there are.
    if grammar.v**grammar.length < 10_000:
        all_strings = np.array(list(itertools.product(range(grammar.v), repeat=grammar.length)))
        valid = grammar.levels(all_strings)[:, -1] == 1
        assert {tuple(s) for s in all_strings[valid].tolist()} == set(strings)
        np.testing.assert_allclose(grammar.levels(all_strings).mean(axis=0), grammar.chance(), rtol=1e-12)
        roots = grammar.roots(all_strings)
        assert (roots[~valid] == -1).all()
        assert np.bincount(roots[valid]).tolist() == [grammar.count // grammar.v] * grammar.v


@pytest.mark.parametrize("grammar", GRAMMARS, ids=repr)
def test_sampled_strings_obey_all_levels_and_noise_obeys_them_by_chance(grammar):
    assert (grammar.levels(grammar.sample(500, seed=1)) == 1).all()
    assert all(
        len({tuple(rule) for rule in rules.reshape(-1, grammar.s)}) == grammar.v * grammar.m for rules in grammar.rules
    )
    noise = np.random.default_rng(0).integers(grammar.v, size=(40_000, grammar.length))
    found = grammar.levels(noise)
    # By hand: v m of the v^s tuples have a symbol above them.
    rate = grammar.v * grammar.m / grammar.v**grammar.s
    assert grammar.chance()[0] == pytest.approx(rate)
    error = np.sqrt(grammar.chance() * (1 - grammar.chance()) / len(noise)) + 1e-9
    assert (abs(found.mean(axis=0) - grammar.chance()) < tolerances.STANDARD_ERRORS * error).all()
    assert (np.diff(found, axis=1) <= 1e-12).all()  # a block of a level holds only valid ones


def test_each_derivation_is_equally_likely():
    from scipy.stats import chisquare

    grammar = Grammar(3, 2, 2, 2)
    strings, counts = np.unique(grammar.sample(24_000, seed=3), axis=0, return_counts=True)
    assert len(strings) == grammar.count == 24
    assert chisquare(counts).pvalue > 1e-3
    # And without replacement, where the first strings of many draws are as likely.
    firsts = np.concatenate([grammar.sample(3, seed, replace=False) for seed in range(800)])
    assert chisquare(np.unique(firsts, axis=0, return_counts=True)[1]).pvalue > 1e-3


def test_a_wrong_symbol_breaks_the_levels_above_it_and_no_others():
    grammar = Grammar(8, 3, 2, 3)
    [string] = grammar.sample(1, seed=0)
    pair = next(
        pair
        for pair in itertools.product(range(8), repeat=2)
        if pair not in set(map(tuple, grammar.rules[0].reshape(-1, 2)))
    )
    string[2:4] = pair
    assert grammar.levels([string]).tolist() == [[3 / 4, 1 / 2, 0]]


@pytest.mark.parametrize("grammar", SMALL, ids=repr)
def test_belief_propagation_is_the_sum_over_all_strings(grammar):
    random = np.random.default_rng(7)
    evidence = random.random((6, grammar.length, grammar.v)) ** 3
    evidence[1, :2] = 1  # nothing seen
    evidence[2] = np.eye(grammar.v)[grammar.sample(1)[0]]  # all seen
    evidence[3, 0] = np.eye(grammar.v)[0]
    strings = np.array(everything(grammar))
    weights = np.prod(evidence[:, np.arange(grammar.length), strings], axis=2)
    marginals = np.stack([weights @ (strings == a) for a in range(grammar.v)], axis=2)
    total = weights.sum(axis=1)
    marginals = np.divide(marginals, total[:, None, None], out=np.zeros_like(marginals), where=total[:, None, None] > 0)
    found, log_evidence = grammar.beliefs(evidence)
    np.testing.assert_allclose(found, marginals, atol=1e-12)
    np.testing.assert_allclose(np.exp(log_evidence), total / len(strings), rtol=1e-12)


def test_evidence_that_no_string_has_gives_zeros_and_long_strings_do_not_underflow():
    grammar = Grammar(4, 1, 2, 1)
    absent = next(p for p in itertools.product(range(4), repeat=2) if list(p) not in grammar.rules[0, :, 0].tolist())
    assert (grammar.posterior(np.eye(4)[[absent]]) == 0).all()
    deep = Grammar(8, 3, 2, 10)
    string = deep.sample(1)
    np.testing.assert_array_equal(deep.posterior(1e-3 * np.eye(8)[string]), np.eye(8)[string])


def test_a_million_strings_take_seconds_and_counts_are_exact():
    grammar = Grammar(8, 4, 2, 3)
    started = time.process_time()
    strings = grammar.sample(1_000_000, seed=0)
    assert (grammar.levels(strings[:200_000]) == 1).all()
    assert time.process_time() - started < 30  # two to three on one core; a loop over strings takes minutes
    assert grammar.count == 131_072 and Grammar(8, 4, 2, 6).count == 8 * 4**63
    assert len(np.unique(Grammar(8, 8, 2, 5).sample(1000, replace=False), axis=0)) == 1000  # too many to number
    assert (Grammar(8, 3, 2, 3).rules == Grammar(8, 3, 2, 4).rules[:3]).all()
    assert (Grammar(8, 3, 2, 3).rules != Grammar(8, 3, 2, 3, seed=1).rules).any()


def test_data_of_a_grammar_are_strings_that_do_not_repeat():
    data = datasets.load("grammar:v=8,m=3,s=2,L=3")
    grammar = named("v=8,m=3,s=2,L=3")
    assert data.symbols == 8 and data.pool.shape[1:] == (8,)
    everything = np.concatenate([data.pool, data.held_out])
    assert len(np.unique(everything, axis=0)) == len(everything) == grammar.count
    assert (grammar.roots(data.pool) == data.pool_labels).all()
    assert len(datasets.load("grammar:v=2,m=2,s=2,L=2").held_out) == 4  # a quarter of 16
    assert repr(named("v=8,m=3,s=2,L=3,seed=1")) == "Grammar(v=8, m=3, s=2, L=3, seed=1)"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Grammar(8, 9, 2, 3), r"m must be at most v\^\(s-1\) = 8, or rules were ambiguous, but 9 was given"),
        (lambda: Grammar(1, 1, 2, 3), "v must be a whole number of at least 2"),
        (lambda: Grammar(8, 4, 1, 3), "s must be a whole number of at least 2"),
        (lambda: Grammar(8, 4, 2, 0), "L must be a whole number of at least 1"),
        (lambda: Grammar(8, 4, 10, 2), r"v\^s must be at most"),
        (lambda: Grammar(8, 4, 2, 30), r"s\^L must be at most"),
        (lambda: SMALL[0].sample(17, replace=False), "n must be at most 16, the number of strings of Grammar"),
        (lambda: SMALL[0].levels(np.zeros((3, 5), int)), r"strings must have the shape \(n, 4\), s\^L = 2\^2, but"),
        (lambda: SMALL[0].levels([[0, 1, 2, 0]]), "strings must hold the symbols 0 to 1, but 2 was given"),
        (lambda: SMALL[0].levels([[0, 1, 0.5, 0]]), "strings must hold the symbols 0 to 1, but 0.5 was given"),
        (lambda: SMALL[0].levels("abcd"), "strings must be an array of whole numbers"),
        (lambda: SMALL[0].derived([16]), "places must be whole numbers from 0 to 15"),
        (lambda: SMALL[0].posterior(np.ones((1, 4, 3))), r"evidence must have the shape \(n, 4, 2\)"),
        (lambda: datasets.load("grammar:v=8"), "data must be a grammar as grammar:v=8,m=4,s=2,L=3"),
        (lambda: datasets.load("grammar:v=8,m=4,L=3,s=2"), "data must be a grammar as"),
        (lambda: datasets.load("grammar:v=8,m=9,s=2,L=3"), "m must be at most"),
        (lambda: datasets.load("grammar"), "did you mean 'grammar:...'"),
        (lambda: datasets.load("grammar:v=2,m=2,s=2,L=2").subset(13, 0), "n must be at most 12, the training pool of"),
    ],
)  # fmt: skip
def test_what_no_grammar_has_is_refused_in_one_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call()

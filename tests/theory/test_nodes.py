"""The rational rule for functions of U at one time: against the functions themselves, and Talbot's contour."""

import numpy as np
import pytest

from genmem.theory.nodes import COARSE, FINE, nodes, talbot

X = np.concatenate([np.geomspace(1e-9, 1e12, 4001)])


def applied(rule, weights, x=X):
    """sum_j w_j / (x - z_j) over the nodes and their conjugates, at c tau = 1."""
    return 2 * (weights / (x[:, None] - rule.directions)).sum(axis=1).real


@pytest.mark.parametrize("count, error", [(COARSE, 1e-12), (FINE, 1e-13)])
def test_the_flow_is_known_relative_to_itself_at_every_rate(count, error):
    rule, flow = nodes(count), np.expm1(-X) / X
    np.testing.assert_allclose(applied(rule, rule.weights), flow, rtol=2.5 * error)
    # The derivative by log tau, relative to the largest that f may have: 1/x.
    assert np.max(np.abs(applied(rule, rule.slopes) + np.exp(-X)) * (1 + X)) < 60 * error


@pytest.mark.parametrize("count", [COARSE, FINE])
def test_products_at_one_time_are_sums_over_its_nodes(count):
    """f_{2 tau} and f_tau^2 of a number x, whose T = 1/(x - Z) has the derivative T^2."""
    rule = nodes(count)
    t = 1 / (X[:, None] - rule.directions)
    turn = rule.square * rule.directions * t**2
    twice = 2 * (rule.train * t + turn).sum(axis=1).real
    np.testing.assert_allclose(twice, np.expm1(-2 * X) / X, rtol=1e-11)
    square = 2 * (((rule.train - 2 * rule.weights - rule.square) * t + turn) / rule.directions).sum(axis=1).real
    # A ridge below x multiplies it.
    assert np.max(np.abs(square - (np.expm1(-X) / X) ** 2) * X) < 2e-12


def test_fewer_nodes_than_on_a_contour_for_the_same_error():
    """Fourteen poles do what takes Talbot's contour twenty-two nodes: the error falls by 9.3 a pole, not by 3.9."""
    flow = np.expm1(-X) / X
    errors = []
    for count in (COARSE, 22):
        directions, weights = talbot(count)
        errors.append(np.max(np.abs(2 * (weights / (X[:, None] - directions)).sum(axis=1).real - flow) * (1 + X)))
    ours = np.max(np.abs(applied(nodes(), nodes().weights) - flow) * (1 + X))
    assert errors[0] > 1e3 * ours and errors[1] > 0.1 * ours

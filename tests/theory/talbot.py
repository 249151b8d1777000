"""Talbot's contour as a rule for the package's own loops: another way from resolvents to a training time."""

from genmem.theory.nodes import Nodes, assembled, talbot


def rule(count: int) -> Nodes:
    directions, weights = talbot(count)
    return assembled(-directions, weights, -directions * weights)

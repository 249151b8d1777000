"""The random hierarchy model: strings whose truth is known at every level.

A probabilistic context-free grammar with random rules (Cagnetta et al., arXiv:2307.02129; as data of a diffusion model:
Sclocchi et al., arXiv:2402.16991, and Favero et al., arXiv:2505.16959). A root symbol of level L is replaced by s
symbols of level L-1, each of those by s of level L-2, down to the s^L symbols of a string, which are of level 0. Each
of the v symbols of a level has m rules, and no two rules of a level have the same right-hand side: a string has one
derivation, and parsing goes upward by a table.

Belief propagation on the tree of derivations gives the law of every symbol behind any noise that is independent from
symbol to symbol, which makes it the best denoiser there is.
"""

import functools
from collections.abc import Sequence

import numpy as np

from genmem.empirics.randomness import derived_seed
from genmem.shared.errors import InputError, count, numbers

# What the parsing table of a level may hold.
_MOST_TUPLES = 2**24
_CHUNK = 2**18
_TINY = 1e-300
# Of derivations that can be numbered.
_NUMBERED = 2**62


class Grammar:
    """Strings of s^L symbols 0 ... v-1, made by L levels of random rules; each derivation is equally likely.

        grammar = Grammar(v=8, m=3, s=2, L=3)
        strings = grammar.sample(1000, seed=0)          # integers (1000, 8)
        grammar.levels(strings)                         # ones (1000, 3): all levels are obeyed
        grammar.count                                   # 17496 strings in all

    Args:
        v: symbols of each level, at least 2.
        m: rules of each symbol, at most v^(s-1), as no two rules of a level may agree.
        s: symbols that replace one, at least 2.
        L: levels.
        seed: draws the rules.

    Raises InputError for other values. `rules` (L, v, m, s): rules[l - 1, a, k] are the s symbols of level l-1 that the
    rule k puts in the place of the symbol a of level l.
    """

    def __init__(self, v: int, m: int, s: int, L: int, seed: int = 0):
        self.v, self.m, self.s, self.L = count("v", v, 2), count("m", m), count("s", s, 2), count("L", L)
        self.seed = count("seed", seed, 0)
        if self.m > self.v ** (self.s - 1):
            raise InputError(
                f"m must be at most v^(s-1) = {self.v ** (self.s - 1)}, or rules were ambiguous, but {m!r} was given"
            )
        if self.v**self.s > _MOST_TUPLES:
            raise InputError(f"v^s must be at most {_MOST_TUPLES}, but v = {self.v} and s = {self.s} were given")
        if self.s**self.L > 2**16:
            raise InputError(f"s^L must be at most {2**16}, but s = {self.s} and L = {self.L} were given")
        # Level by level, so that the rules of a deeper grammar begin with those of a shallower one.
        drawn = [
            np.random.default_rng(derived_seed(self.seed, "rules", level)).choice(
                self.v**self.s, (self.v, self.m), replace=False
            )
            for level in range(1, self.L + 1)
        ]
        powers = self.v ** np.arange(self.s)[::-1]
        self.rules = np.array(drawn)[..., None] // powers % self.v

    def __repr__(self) -> str:
        return f"Grammar(v={self.v}, m={self.m}, s={self.s}, L={self.L}, seed={self.seed})"

    @property
    def length(self) -> int:
        """Symbols of a string, s^L."""
        return self.s**self.L

    @property
    def count(self) -> int:
        """How many strings there are: v m^((s^L - 1) / (s - 1)), exact."""
        return self.v * self.m ** ((self.length - 1) // (self.s - 1))

    def sample(self, n: int, seed: int = 0, replace: bool = True) -> np.ndarray:
        """Strings (n, s^L), integers; without repetition if `replace` is false.

        Raises InputError if there are fewer than n strings and none may be repeated.
        """
        n = count("n", n, 0)
        random = np.random.default_rng(derived_seed(count("seed", seed, 0), "strings"))
        if replace:
            return self._drawn(n, random)
        if n > self.count:
            raise InputError(f"n must be at most {self.count}, the number of strings of {self}, but {n} was given")
        if self.count < _NUMBERED:
            return self.derived(random.choice(self.count, n, replace=False))
        strings = self._drawn(n, random)
        while len(kept := np.sort(np.unique(strings, axis=0, return_index=True)[1])) < n:
            strings = np.concatenate([strings[kept], self._drawn(n - len(kept), random)])
        return strings

    def derived(self, places: Sequence[int] | np.ndarray) -> np.ndarray:
        """The strings (n, s^L) in these places (n,), 0 ... count - 1, of the list of all derivations.

        Raises InputError for another place, and for a grammar with 2^62 strings or more.
        """
        rest = np.asarray(places)
        if self.count >= _NUMBERED:
            raise InputError(f"a grammar must have fewer than 2^62 strings to number them, but {self} has {self.count}")
        if (
            rest.ndim != 1
            or rest.size
            and not (rest.dtype.kind in "iu" and 0 <= rest.min() and rest.max() < self.count)
        ):
            raise InputError(f"places must be whole numbers from 0 to {self.count - 1}, but {places!r} was given")
        rest, symbols = np.divmod(rest, self.v)
        symbols = symbols[:, None]
        for level in range(self.L, 0, -1):
            chosen = np.empty_like(symbols)
            for node in range(symbols.shape[1]):
                rest, chosen[:, node] = np.divmod(rest, self.m)
            symbols = self.rules[level - 1, symbols, chosen].reshape(len(symbols), -1)
        return symbols

    def levels(self, strings) -> np.ndarray:
        """The share (n, L) of each string's s^(L-l) blocks of s^l symbols that derive from some symbol of level l.

        strings (n, s^L). The last column is full validity, 0 or 1. A block counts only if all its parts do. Raises
        InputError for strings of another length or other symbols.
        """
        strings = self._checked(strings)
        found = np.empty((len(strings), self.L))
        for start in range(0, len(strings), _CHUNK):
            symbols = strings[start : start + _CHUNK]
            for level, parents in enumerate(self._parents):
                symbols = _parsed(symbols, parents, self.v, self.s)
                found[start : start + _CHUNK, level] = (symbols < self.v).mean(axis=1)
        return found

    def roots(self, strings) -> np.ndarray:
        """The symbol (n,) of level L from which each of the strings (n, s^L) derives; -1 for one that is not valid."""
        symbols = self._checked(strings)
        for parents in self._parents:
            symbols = _parsed(symbols, parents, self.v, self.s)
        return np.where(symbols[:, 0] < self.v, symbols[:, 0], -1)

    def chance(self) -> np.ndarray:
        """The shares (L,) of `levels` on average over uniform noise: (m v^(1-s))^(1 + s + ... + s^(l-1)) at level l.

        A block of level 1 is one of v m tuples among v^s, and its symbol is then uniform; and so on upward.
        """
        at_one = self.m * self.v / self.v**self.s
        return np.array([at_one ** ((self.s**level - 1) // (self.s - 1)) for level in range(1, self.L + 1)])

    def posterior(self, evidence: np.ndarray) -> np.ndarray:
        """P(x_i = a | evidence), shape (n, s^L, v): belief propagation on the tree, exact.

        evidence (n, s^L, v): likelihood of what was observed at each place for each symbol there, up to a factor; ones
        where nothing was seen. Zeros throughout for a string whose evidence no string of the grammar has.
        """
        return self.beliefs(evidence)[0]

    def beliefs(self, evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`posterior` and, per string (n,), the logarithm of the evidence's mean over the grammar's strings."""
        upward = np.asarray(evidence, float)
        if upward.ndim != 3 or upward.shape[1:] != (self.length, self.v):
            raise InputError(
                f"evidence must have the shape (n, {self.length}, {self.v}) for {self}, but {upward.shape} was given"
            )
        log_scale = np.zeros(len(upward))
        ups = []
        for level in range(1, self.L + 1):
            children = upward.reshape(len(upward), -1, self.s, self.v)
            scale = children.max(axis=3, keepdims=True)
            children = np.divide(children, scale, out=np.zeros_like(children), where=scale > 0)
            with np.errstate(divide="ignore"):
                log_scale += np.log(scale).sum(axis=(1, 2, 3))
            ups.append(children)
            upward = self._of_children(children, level).prod(axis=-1).mean(axis=-1)
        with np.errstate(divide="ignore"):
            log_evidence = log_scale + np.log(upward[:, 0].mean(axis=-1))
        downward = np.full((len(upward), 1, self.v), 1 / self.v)
        for level in range(self.L, 0, -1):
            children = ups[level - 1]
            # Of each rule: what comes from above, times what the other children say.
            messages = self._of_children(children, level)
            below = np.empty_like(children)
            for place in range(self.s):
                others = np.delete(messages, place, axis=-1).prod(axis=-1) * downward[..., None]
                below[:, :, place] = others.reshape(*others.shape[:2], -1) @ self._lands_on[level - 1][place]
            downward = below.reshape(len(below), -1, self.v)
            downward = _normalized(downward)
        return _normalized(downward * ups[0].reshape(downward.shape)), log_evidence

    def denoiser(self):
        """The Bayes-optimal network: called with evidence (B, s^L, v) and levels (B,), tensors, as networks of strings.

        It gives the logarithms of `posterior`. No network has a lower loss at any level of either process of strings
        (genmem.empirics.processes), on average over the grammar's strings.
        """
        import torch

        def exact(evidence, levels):
            beliefs = self.posterior(evidence.detach().cpu().double().numpy())
            return torch.from_numpy(np.log(np.maximum(beliefs, _TINY))).to(evidence.device)

        return exact

    def _of_children(self, children: np.ndarray, level: int) -> np.ndarray:
        """Of children (n, nodes, s, v): what each symbol's rules (n, nodes, v, m, s) find in their places."""
        places = np.arange(self.s)
        return children[:, :, places, self.rules[level - 1]]

    @functools.cached_property
    def _parents(self) -> list[np.ndarray]:
        """For each level and each s-tuple of symbols below, read as a number in base v, the symbol above; v: none."""
        tables = []
        for rules in self.rules:
            table = np.full(self.v**self.s, self.v, np.int32)
            table[rules @ self.v ** np.arange(self.s)[::-1]] = np.arange(self.v)[:, None]
            tables.append(table)
        return tables

    @functools.cached_property
    def _lands_on(self) -> list[np.ndarray]:
        """For each level and place, a matrix (v m, v) of the symbol that each rule puts there."""
        eye = np.eye(self.v)
        return [np.moveaxis(eye[rules.reshape(-1, self.s)], 1, 0) for rules in self.rules]

    def _drawn(self, n: int, random: np.random.Generator) -> np.ndarray:
        parts = []
        for start in range(0, n, _CHUNK):
            size = min(_CHUNK, n - start)
            symbols = random.integers(self.v, size=(size, 1))
            for level in range(self.L, 0, -1):
                chosen = random.integers(self.m, size=symbols.shape)
                symbols = self.rules[level - 1, symbols, chosen].reshape(size, -1)
            parts.append(symbols)
        return np.concatenate(parts) if parts else np.empty((0, self.length), int)

    def _checked(self, strings) -> np.ndarray:
        array = np.asarray(strings)
        if array.dtype.kind not in "iu":
            array = numbers("strings", strings, "an array of whole numbers")
        if array.ndim != 2 or array.shape[1] != self.length:
            raise InputError(
                f"strings must have the shape (n, {self.length}), s^L = {self.s}^{self.L}, but {array.shape} was given"
            )
        if array.size and not (0 <= array.min() and array.max() < self.v and (array == array.astype(int)).all()):
            raise InputError(
                f"strings must hold the symbols 0 to {self.v - 1}, but {_stranger(array, self.v)} was given"
            )
        return array.astype(int)


def named(argument: str) -> Grammar:
    """The grammar of v=8,m=4,s=2,L=3 or of v=8,m=4,s=2,L=3,seed=1; raises InputError for any other form.

    One grammar has one spelling, as names are part of a run's key.
    """
    values = dict(part.partition("=")[::2] for part in argument.split(","))
    if (
        list(values) not in (["v", "m", "s", "L"], ["v", "m", "s", "L", "seed"])
        or not all(text.isascii() and text.isdigit() and text == str(int(text)) for text in values.values())
        or values.get("seed") == "0"
        or argument != ",".join(f"{name}={value}" for name, value in values.items())
    ):
        raise InputError(
            "data must be a grammar as grammar:v=8,m=4,s=2,L=3 or, with other rules of the same sizes, "
            f"grammar:v=8,m=4,s=2,L=3,seed=1, but {'grammar:' + argument!r} was given"
        )
    return Grammar(**{name: int(text) for name, text in values.items()})


def _parsed(symbols: np.ndarray, parents: np.ndarray, v: int, s: int) -> np.ndarray:
    """The symbols (n, nodes) above the symbols (n, nodes s); v where there is none, or one below is none."""
    children = symbols.reshape(len(symbols), -1, s)
    valid = (children < v).all(axis=2)
    code = np.where(valid[..., None], children, 0) @ v ** np.arange(s)[::-1]
    return np.where(valid, parents[code], v)


def _normalized(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def _stranger(array: np.ndarray, v: int):
    return array[(array < 0) | (array >= v) | (array != array.astype(int))].flat[0]

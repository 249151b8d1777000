"""What processes on strings of symbols share: what noise leaves known of a symbol, drawing, and Hamming distances.

A network of strings is called with the evidence (B, length, symbols), the probability of each symbol at each place
given what is seen at that place alone, all symbols being as likely before; and with the levels (B,). It gives logits
(B, length, symbols) of the clean symbols given all that is seen. So one network fits every process here, and so does
belief propagation (genmem.empirics.data.grammar), which needs the evidence and nothing else.

A time t of a config, 0 < t < 1, is the probability with which a symbol has lost its value. Losses are in nats per
symbol; averaged over all levels they bound -log p(string) / length from above.
"""

import abc

import numpy as np

from genmem.empirics.processes.process import Process
from genmem.shared.errors import InputError

_CHUNK = 1024
_REFERENCES = 2**15
# Probabilities below it are rounding.
TINY = 1e-30


class Discrete(Process):
    """Strings (B, length) of integers 0 ... symbols - 1."""

    copies_are_exact = True
    check_time = 0.5

    @classmethod
    def check(cls, config) -> None:
        for name in ("loss_times", "train_time"):
            given = getattr(config, name)
            for t in given if name == "loss_times" else (given,) if given else ():
                if not 0 < t < 1:
                    raise InputError(f"{name} must lie between 0 and 1 for the process {cls.name}, but {t!r} was given")

    name: str

    @abc.abstractmethod
    def evidence(self, noised, levels):
        """P(symbol | noised symbol), shape (B, length, symbols), where all symbols are as likely before."""

    def clean(self, array: np.ndarray):
        import torch

        return torch.from_numpy(np.asarray(array, np.int64))

    def predicted(self, network, noised, levels):
        """Probabilities (B, length, symbols) of the clean symbols, as the network has them."""
        return network(self.evidence(noised, levels), levels).float().softmax(-1)

    def distances(self, samples, training, groups=None):
        """Hamming: places in which two strings differ.

        Equal symbols are counted by a product of ones and zeros, which is exact in float32.
        """
        import torch

        def ones(strings):
            return torch.nn.functional.one_hot(strings, self.symbols).float().flatten(1)

        # A million windows of text do not fit as ones and zeros at once.
        parts = [ones(part) for part in training.split(_REFERENCES)] if len(training) <= _REFERENCES else None
        near, index = [], []
        for chunk in samples.split(_CHUNK):
            seen = ones(chunk)
            equal = torch.cat([seen @ part.T for part in parts or map(ones, training.split(_REFERENCES))], dim=1)
            best, order = equal.topk(1 if groups is not None else 2)
            if groups is not None:
                others = equal.masked_fill(groups == groups[order], -1).amax(1, keepdim=True)
                best = torch.cat([best, others], dim=1)
            near.append(training.shape[1] - best)
            index.append(order[:, 0])
        distances = torch.cat(near)
        return distances[:, 0], distances[:, 1], torch.cat(index)

    def packed(self, samples):
        import torch

        return samples.to(torch.uint8 if self.symbols <= 256 else torch.int16)


def drawn(probabilities, which):
    """The symbols (...) that uniform numbers `which` (...) draw from probabilities (..., symbols)."""
    ends = probabilities.cumsum(-1)
    # Sums of float32 need not end at one.
    return (which[..., None] * ends[..., -1:] >= ends).sum(-1).clamp(max=probabilities.shape[-1] - 1)

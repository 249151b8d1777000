"""What a network of the Gaussian process returns, as diffusers' models do."""


class Prediction:
    """The predicted noise, in `sample`."""

    def __init__(self, sample):
        self.sample = sample

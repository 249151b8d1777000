"""The commands: each is the function of its name in the module of its name, imported when it is called.

They parse, call and print; what they call is in the rooms of the three packages.
"""

import importlib
from collections.abc import Callable

# What `genmem --help` shows: by what one wants to do, then in the order in which one does it.
GROUPS = {
    "predict, in closed form": {
        "predict": "learning curves, and the times of generalization and memorization",
        "phase-diagram": "where a network generalizes and where it memorizes, over its size and the data's",
        "simulate": "one finite network, solved exactly, beside the prediction",
        "generate": "what exactly trained networks generate from images: copies, without an optimizer",
        "explore": "the theory on a local page with sliders",
    },
    "measure, on trained networks": {
        "train": "train one network and record when it generalizes and when it memorizes",
        "sweep": "train many: a grid of sizes, or a named set of runs",
        "runs": "how far each run is",
        "measure": "the times of recorded runs, and how they grow with data, width, batch and learning rate",
        "membership": "from when on losses tell which images were trained on",
        "stopping": "where `--stop` would have ended recorded runs",
        "export": "copy the records without the weights, to keep or to pass on",
    },
    "compare, and decide": {
        "compare": "the theory beside recorded runs: exponents, published claims, verdicts",
        "overlay": "measured times drawn over predicted ones",
        "closed-form": "a trained random-features network beside its prediction, with nothing fitted",
        "advise": "when to stop a run that was not made yet",
    },
    "show": {
        "figures": "figures for a publication, with the data behind them",
        "report": "one page that holds everything about some runs",
        "demo": "all of the above on real images, in ten minutes on two cores",
    },
}
NAMES = [name for group in GROUPS.values() for name in group]


def command(name: str) -> Callable[..., None]:
    """The function behind a command's name."""
    module = name.replace("-", "_")
    return getattr(importlib.import_module(f"genmem.commands.{module}"), module)

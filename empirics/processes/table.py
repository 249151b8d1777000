"""The processes by the names that a config calls them."""

from genmem.empirics.processes.gaussian import Gaussian
from genmem.empirics.processes.process import Process

PROCESSES: dict[str, type[Process]] = {"gaussian": Gaussian}

"""The processes by the names that a config calls them."""

from genmem.empirics.processes.gaussian import Gaussian
from genmem.empirics.processes.masked import Masked
from genmem.empirics.processes.process import Process
from genmem.empirics.processes.uniform import Uniform

PROCESSES: dict[str, type[Process]] = {"gaussian": Gaussian, "masked": Masked, "uniform": Uniform}

"""The figures, each a file with `CAPTION`, `calculate` and `build`, which genmem.figures.catalogue finds."""

import pkgutil

# The README tells the project's story with these; the others follow by the alphabet.
_FIRST = ("windows", "measured-windows", "phases")
_FOUND = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))
NAMES = tuple(sorted(_FOUND, key=(*_FIRST, *_FOUND).index))

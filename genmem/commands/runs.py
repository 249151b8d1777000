"""`genmem runs`: how far each run is."""

import sys
import time
from pathlib import Path

from genmem.commands.flags import RUNS_ROOT
from genmem.shared.errors import InputError

_WATCH_SECONDS = 5.0
_CLEAR = "\033[H\033[2J"


def runs(runs_root: Path = RUNS_ROOT, /, json: bool = False, watch: bool = False) -> None:
    """List runs: finished, stopped early or diverged (results too), running, or stopped and ready to go on.

    Args:
        runs_root: folder of runs.
        json: print JSON.
        watch: list them again every few seconds, until Ctrl-C.
    """
    from genmem.empirics.records.overview import overview
    from genmem.empirics.tables.run_tables import runs_json, runs_table

    if watch and json:
        raise InputError("watch must be left out with json, which is one list, but both were given")
    text = runs_json if json else runs_table
    print(text(overview(runs_root)), flush=True)
    try:
        while watch:
            time.sleep(_WATCH_SECONDS)
            # A file or a pipe keeps all lists.
            before = _CLEAR if sys.stdout.isatty() else "\n"
            print(before + text(overview(runs_root)), flush=True)
    except KeyboardInterrupt:
        pass

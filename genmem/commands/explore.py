"""`genmem explore`: the theory on a local page."""

from pathlib import Path

from genmem.shared.errors import InputError, count


def explore(runs: Path | None = None, port: int = 5006, open: bool = True) -> None:
    """Explore the theory on a local page: sliders, and curves, spectrum and phase diagram that follow them.

    The page is served by this machine to this machine, and needs no internet; Ctrl-C ends it.

    Args:
        runs: Folder of recorded runs to lay over: their losses and, on the phase diagram, their regimes. They may
            differ in n, width, batch size, learning rate and seed.
        port: Port of the local server; 0 takes any that is free.
        open: Open the page in the default browser too; with --no-open only its address is printed.
    """
    if count("port", port, least=0) > 65535:
        raise InputError(f"port must be at most 65535, but {port} was given")

    from genmem.empirics.records.runs import find
    from genmem.figures.explorer.runs import measured
    from genmem.figures.explorer.server import serve

    serve(port, lambda: measured(find(runs)) if runs else [], browser=open)

"""The explorer's server: for this machine only, with everything it needs on this machine, until Ctrl-C."""

from collections.abc import Callable, Sequence

from bokeh.server.server import Server

from genmem.figures.explorer.calculation import Calculation, Settings
from genmem.figures.explorer.page import Page
from genmem.figures.explorer.runs import MeasuredRun
from genmem.shared.errors import InputError


def serve(port: int, measured: Callable[[], Sequence[MeasuredRun]], browser: bool) -> None:
    """Serve the page on localhost until Ctrl-C. port 0: any that is free. browser: also open the page in one.

    measured: gives the recorded runs to lay over; asked for once, when the port is taken. Raises InputError if it
    cannot be had.
    """
    runs: list[MeasuredRun] = []
    try:
        server = Server({"/": lambda document: Page(document, runs)}, port=port, address="127.0.0.1")
    except OSError as error:
        raise InputError(f"port must be one that is free, but {port} was given: {error.strerror}") from None
    try:
        runs += measured()
        print("compiling the closed form (half a minute the first time, two seconds later)", flush=True)
        compile_closed_form()
        server.start()
        address = f"http://localhost:{server.port}/"
        print(f"open {address} in a browser; Ctrl-C ends", flush=True)
        if browser:
            server.io_loop.add_callback(server.show, "/")
        server.io_loop.start()
    except KeyboardInterrupt:
        print("\nclosed")
    finally:
        server.stop()


def compile_closed_form() -> None:
    """Run every compiled loop once, before a slider waits for one."""
    for copies in (float("inf"), 2.0):
        list(Calculation().answer(Settings(copies=copies)))

"""Where a command's words go, and how it is stopped: any terminal, a closed pipe, a full disk, Ctrl-C."""

import codecs
import os
import signal
import sys
import threading
import unicodedata

_ASCII = {
    "≥": ">=", "≤": "<=", "≈": "~", "×": "x", "·": "*", "→": "->", "∞": "inf", "−": "-", "–": "-", "—": "-",
    "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*",
}  # fmt: skip


def prepare() -> None:
    """Let the terminal print what it can of every character, and let no interrupt be lost."""
    codecs.register_error("genmem", _nearest)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="genmem")
    sys.unraisablehook = _deliver_again


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """For characters that the terminal's encoding lacks: tau for τ, >= for ≥, ^2 for ²."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(in_ascii, error.object[error.start : error.end])), error.end


def in_ascii(character: str) -> str:
    """The nearest ASCII characters to one character, or a question mark."""
    if character in _ASCII:
        return _ASCII[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK "):
        letter = name.split(" LETTER ")[-1].split()[0]
        return letter.capitalize() if "CAPITAL" in name else letter.lower()
    if name.startswith("BOX DRAWINGS"):
        return {"HORIZONTAL": "-", "VERTICAL": "|"}.get(name.split()[-1], "+")
    power = "^" if unicodedata.decomposition(character).startswith("<super>") else ""
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return power + letters if letters else "?"


def _deliver_again(unraisable) -> None:
    """Python drops an exception in a destructor or in a callback from C, with a line on stderr: not an interrupt."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # As a signal to the main thread, which wakes it if it sleeps or waits.
        again = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def flush() -> None:
    """Write out what was printed; an OSError says here, and not on the way out of Python, that nobody takes it."""
    if sys.stdout is not None:
        sys.stdout.flush()


def forget_output() -> None:
    """Drop what was printed and could not be written, so that Python does not try again when it ends."""
    try:
        flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

"""The front door: the command `genmem`."""

import inspect
import sys

from genmem import __version__
from genmem.commands import GROUPS, NAMES, command, terminal
from genmem.shared.errors import Failure, InputError, known

QUESTION = "When does a diffusion model generalize, when does it memorize, and when should training stop?"
# What a shell reports of a program that was ended by Ctrl-C, or by a closed pipe: 128 + the signal's number.
INTERRUPTED, PIPE_CLOSED = 130, 141


def main() -> None:
    """Run the command of sys.argv; exit code 2 for a user's mistake, 1 for what failed otherwise."""
    terminal.prepare()
    try:
        try:
            _run(sys.argv[1:])
        finally:
            terminal.flush()
    except InputError as error:
        _end(2, str(error))
    except Failure as error:
        _end(1, str(error))
    except BrokenPipeError:
        # As in `genmem predict | head -1`: the reader has all that it wanted.
        terminal.forget_output()
        sys.exit(PIPE_CLOSED)
    except OSError as error:
        terminal.forget_output()
        _end(1, f"{error.filename or 'the output'} could not be read or written: {error.strerror or error}")
    except KeyboardInterrupt:
        _end(INTERRUPTED, "interrupted; the same command goes on where it stopped")


def _run(arguments: list[str]) -> None:
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(overview())
    elif first == "--version":
        print(f"genmem {__version__}")
    else:
        function = command(known("command", first, NAMES))
        import tyro

        # A flag that may be left out is FLOAT, not {None}|FLOAT, in the help.
        markers = [tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone]
        if "run" in inspect.signature(function).parameters:
            from genmem.commands.config_file import with_file

            function = with_file(function, arguments[1:])
        else:
            markers.append(tyro.conf.FlagCreatePairsOff)  # --no-... is of use against a file only
        tyro.cli(function, prog=f"genmem {first}", args=arguments[1:], config=tuple(markers))


def overview() -> str:
    """The commands, one line each, by what they are for."""
    lines = ["usage: genmem COMMAND ...", "", QUESTION]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<14} {line}" for name, line in commands.items())]
    return "\n".join([*lines, "", "`genmem COMMAND --help` explains a command; `genmem --version` names this version."])


def _end(code: int, sentence: str) -> None:
    print(f"genmem: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

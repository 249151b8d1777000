"""The front door: the command `genmem`."""

import sys

from genmem import __version__
from genmem.commands import GROUPS, NAMES, command
from genmem.shared.errors import Failure, InputError, known

QUESTION = "When does a diffusion model generalize, when does it memorize, and when should training stop?"


def main() -> None:
    try:
        _run(sys.argv[1:])
    except InputError as error:
        _end(2, str(error))
    except Failure as error:
        _end(1, str(error))
    except KeyboardInterrupt:
        _end(130, "interrupted; the same command goes on where it stopped")


def _run(arguments: list[str]) -> None:
    first = arguments[0] if arguments else "--help"
    if first in ("-h", "--help"):
        print(overview())
    elif first == "--version":
        print(f"genmem {__version__}")
    else:
        function = command(known("command", first, NAMES))
        import tyro

        tyro.cli(function, prog=f"genmem {first}", args=arguments[1:], config=(tyro.conf.OmitArgPrefixes,))


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

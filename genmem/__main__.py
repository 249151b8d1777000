"""The front door: the command `genmem`, which mounts each package's commands."""

import sys

import tyro

from genmem.commands import empirics, figures, theory
from genmem.empirics.training.sweeps import SweepError
from genmem.shared.errors import InputError, SolverError


def main() -> None:
    app = tyro.extras.SubcommandApp()
    for package in (theory, empirics, figures):
        for name, command in package.COMMANDS.items():
            app.command(command, name=name)
    try:
        app.cli(
            prog="genmem",
            description="From when on does a diffusion model generalize, from when on does it memorize, and when to stop?",
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except InputError as error:
        print(f"genmem: {error}", file=sys.stderr)
        sys.exit(2)
    except (SolverError, SweepError) as error:
        print(f"genmem: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("genmem: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

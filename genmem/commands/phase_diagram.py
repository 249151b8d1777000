"""`genmem phase-diagram`: where a network generalizes and where it memorizes."""

from pathlib import Path

from genmem.commands.flags import GridFlags, ProblemFlags, TimesFlags, print_written
from genmem.figures.drawing.calculations import regimes
from genmem.shared.errors import InputError
from genmem.shared.files import save_dataset, writable_file


def phase_diagram(
    problem: ProblemFlags,
    grid: GridFlags,
    times: TimesFlags,
    tau: tuple[float, ...] = (1000.0,),
    gradient_noise: float = 0.0,
    out: Path = Path("out/phase_diagram.nc"),
) -> None:
    """Map where a network generalizes and where it memorizes, over its size and the number of training points.

    Saves tau_gen, tau_mem, tau_gap, the phase at each training time tau and the lines between the phases as NetCDF, and
    a figure (PDF and PNG, for one column and for two) beside it. Interrupted, it leaves the finished rows beside `out`,
    and the same command goes on.

    Args:
        problem: What is learned.
        grid: Where.
        times: How the times are defined.
        tau: Training times at which the phases are drawn, increasing, in steps x learning rate / d^2.
        gradient_noise: Learning rate / (batch size x d), divided by 1 - momentum, of SGD in small steps; 0 is gradient
            flow.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")
    if not tau:
        raise InputError("tau must be one training time or more, but none was given")
    at = tau if len(tau) > 1 else tau[0]
    level = times.level()
    floor = "minimum" if level is None else level
    rows = out.with_suffix(".rows.npz")
    diagram = regimes(
        problem.problem(), at, grid.psi_n, grid.psi_p, grid.points, floor, rows, gradient_noise, times.shares()
    )
    save_dataset(diagram, out)

    from genmem.figures.drawing import style
    from genmem.figures.drawing.phase_diagram import build
    from genmem.figures.report import sentences

    print("\n".join(sentences.phases(diagram)))
    print_written(out, *style.save_both(build, diagram, out))

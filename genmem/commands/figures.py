"""The commands of this package, mounted by genmem.py."""

from pathlib import Path
from typing import Literal

from genmem.commands.flags import NetworkFlags, ProblemFlags
from genmem.commands.theory import as_table
from genmem.figures.pictures.calculations import Floor, GridFlags, finite_network, regimes
from genmem.shared.errors import InputError, count
from genmem.shared.files import save_dataset, writable_file, writable_folder


def phase_diagram(
    problem: ProblemFlags,
    grid: GridFlags,
    tau: tuple[float, ...] = (1000.0,),
    floor: Floor = "minimum",
    out: Path = Path("out/phase_diagram.nc"),
) -> None:
    """Map where a network generalizes and where it memorizes, over its size and the number of training points.

    Saves tau_gen, tau_mem, tau_gap, the phase at each training time tau and the lines between the phases as NetCDF, and a
    figure (PDF and PNG, for one column and for two) beside it. Interrupted, it leaves the finished rows beside `out`,
    and the same command goes on.

    Args:
        problem: What is learned.
        grid: Where.
        tau: Training times at which the phases are drawn, increasing, in steps x learning rate / d^2.
        floor: The test loss that counts as generalization: within 5 % of the curve's own minimum, or of the Bayes loss,
            which few training points never reach (no generalization).
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")
    if not tau:
        raise InputError("tau must be one training time or more, but none was given")
    diagram = regimes(problem.problem(), grid, tau if len(tau) > 1 else tau[0], floor, out.with_suffix(".rows.npz"))
    save_dataset(diagram, out)

    from genmem.figures.pictures import style
    from genmem.figures.pictures.phase_diagram import build
    from genmem.figures.report import findings

    print("\n".join(findings.phases(diagram)))
    _report_files(out, *style.save_both(build, diagram, out))


def simulate(network: NetworkFlags, d: int = 100, seed: int = 0, out: Path = Path("out/simulation.nc")) -> None:
    """Simulate one finite network exactly and lay it over the prediction.

    Prints what it will cost, then both side by side; saves them as NetCDF, and a figure (PDF and PNG, for one
    column and for two) beside it.

    Args:
        network: The network and its data.
        d: Dimension of the data; the network has psi_p d hidden units and psi_n d training points.
        seed: Seed of the one draw of weights and data.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")

    count("seed", seed, least=0)

    from genmem.theory import RandomFeatures, cost

    model = RandomFeatures.of(network.sized())
    print(cost(model, d).describe(), flush=True)
    data = finite_network(model, d, seed)
    save_dataset(data, out)

    from genmem.figures.pictures import style
    from genmem.figures.pictures.simulation import build
    from genmem.figures.report import findings

    print(as_table(data))
    print(findings.simulated(data))
    _report_files(out, *style.save_both(build, data, out))


def overlay(
    runs: Path = Path("out/runs"),
    /,
    t: float | None = None,
    psi_p: float | None = None,
    out: Path = Path("out/overlay.nc"),
) -> None:
    """Lay the measured times of a set of runs over the predicted ones.

    The theory knows n/d and the covariance of the images. What stands for the network's size (psi_p) and the optimizer
    steps in one unit of the theory's time are fitted, and stated; exponents in n do not depend on the latter. Prints
    tables, saves them as NetCDF, and a figure (PDF and PNG) beside it.

    Args:
        runs: Folder of recorded runs that differ in n and seed alone.
        t: Diffusion time of the losses that define the times; the runs' first by default.
        psi_p: Hidden units per dimension that stand for the network; fitted by default.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")

    from genmem.empirics.records.runs import find
    from genmem.figures.pictures import style
    from genmem.figures.pictures.comparison import compare
    from genmem.figures.pictures.overlay import build
    from genmem.figures.report import findings

    data = compare(find(runs), t, psi_p)
    save_dataset(data, out)
    for table in (findings.measured_table(data), findings.ratio_table(data)):
        print(findings.text_table(table) + "\n")
    for sentence in findings.overlaid(data):
        print(sentence)
    _report_files(out, *style.save(build(data), out))


def demo(out: Path = Path("out/demo"), workers: int = 2) -> None:
    """From the theory to measured times on real images: everything at a size for two cores and ten minutes.

    Leaves data, figures, runs and index.html in `out`. Called again, it keeps what is finished and goes on from there.

    Args:
        out: Folder for everything that is made.
        workers: U-Nets trained at the same time, one processor core each.
    """
    writable_folder("out", out)
    count("workers", workers)

    from genmem.empirics.training.presets import DIGITS_DEMO
    from genmem.figures.report.demo import run

    page = run(out, DIGITS_DEMO, workers)
    print(f"open {page} in a browser")


def figures(
    name: Literal[
        "all", "windows", "measured-windows", "phases", "spectrum", "curves", "landscape", "scaling", "copies", "modes",
        "training", "collapse", "samples", "agreement", "overlay", "random-features",
    ] = "all",
    /,
    problem: ProblemFlags = ProblemFlags(),
    runs: tuple[Path, ...] = (),
    out: Path = Path("out/figures"),
) -> None:
    """Make one publication figure, or all: PDF and PNG for one and for two columns, and the data behind it (NetCDF).

    Data that `out` holds already, from the same problem and the same runs, are drawn again but not computed again.

    Args:
        name: Which figure; "all" leaves out, with a line that says why, those that the runs do not show.
        problem: What is learned, in the figures of the theory.
        runs: Folders of recorded runs, for the figures of measured times; each shows the first that suits it.
        out: Folder for the files.
    """
    writable_folder("out", out)

    from genmem.empirics.records.runs import find
    from genmem.figures.pictures.catalogue import FIGURES, make

    sets = [find(folder) for folder in runs]
    names = list(FIGURES) if name == "all" else [name]
    for written in make(names, problem.problem(), sets, out, skip=name == "all").values():
        _report_files(*written)


def explore(runs: Path | None = None, port: int = 5006, open: bool = True) -> None:
    """Explore the theory on a local page: sliders, and curves, spectrum and phase diagram that follow them.

    The page is served by this machine to this machine, and needs no internet; Ctrl-C ends it.

    Args:
        runs: Folder of recorded runs to lay over: their losses and, on the phase diagram, their regimes. They may
            differ in n, width, batch size, learning rate and seed.
        port: Port of the local server; 0 takes any that is free.
        open: Also open the page in the default browser.
    """
    if count("port", port, least=0) > 65535:
        raise InputError(f"port must be at most 65535, but {port} was given")

    from genmem.empirics.records.runs import find
    from genmem.figures.explorer.runs import measured
    from genmem.figures.explorer.server import serve

    serve(port, lambda: measured(find(runs)) if runs else [], browser=open)


def report(
    sources: tuple[Path, ...] = (),
    /,
    problem: ProblemFlags = ProblemFlags(),
    out: Path = Path("out/report"),
) -> None:
    """Write one self-contained page from any runs and predictions: figures with their data, tables, where they come from.

    Without sources it shows the theory alone. What is missing is said on the page. Leaves index.html and all figures
    (PDF, PNG, NetCDF) in `out`.

    Args:
        sources: Folders of recorded runs, and NetCDF files that other commands wrote.
        problem: What is learned, in the figures of the theory.
        out: Folder for the page and the figures.
    """
    writable_folder("out", out)

    from genmem.figures.report.content import write_report

    print(f"open {write_report(sources, problem.problem(), out)} in a browser")


def _report_files(*paths: Path) -> None:
    print("written: " + ", ".join(str(path) for path in paths))


COMMANDS = {
    "phase-diagram": phase_diagram,
    "simulate": simulate,
    "overlay": overlay,
    "demo": demo,
    "figures": figures,
    "report": report,
    "explore": explore,
}

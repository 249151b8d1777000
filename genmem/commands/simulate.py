"""`genmem simulate`: one finite network beside the prediction."""

from pathlib import Path

from genmem.commands.flags import NetworkFlags, print_written
from genmem.figures.drawing.calculations import finite_network
from genmem.shared.errors import count
from genmem.shared.files import save_dataset, writable_file


def simulate(
    network: NetworkFlags, d: int = 100, seed: int = 0, draws: int = 1, out: Path = Path("out/simulation.nc")
) -> None:
    """Simulate one finite network exactly and lay it over the prediction.

    Prints what it will cost, then both side by side; saves them as NetCDF, and a figure (PDF and PNG, for one
    column and for two) beside it.

    Args:
        network: The network and its data.
        d: Dimension of the data; the network has psi_p d hidden units and psi_n d training points.
        seed: Seed of the draws of weights and data.
        draws: Networks and data sets drawn; their mean is shown, with its standard error if there are several.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")

    count("seed", seed, least=0)
    count("draws", draws)

    from genmem.theory import RandomFeatures, cost
    from genmem.theory.prediction_text import as_table

    model = RandomFeatures.of(network.sized())
    print(cost(model, d, draws=draws).describe(), flush=True)
    data = finite_network(model, d, seed, draws)
    save_dataset(data, out)

    from genmem.figures.drawing import style
    from genmem.figures.drawing.simulation import build
    from genmem.figures.report import sentences

    print(as_table(data))
    print(sentences.simulated(data))
    print_written(out, *style.save_both(build, data, out))

"""`genmem predict`: learning curves and times in closed form."""

from pathlib import Path

from genmem.commands.flags import NetworkFlags, TimesFlags
from genmem.shared.files import save_dataset, writable_file


def predict(
    network: NetworkFlags,
    times: TimesFlags,
    tau: tuple[float, ...] = (),
    gradient_noise: float = 0.0,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Predict the learning curves and the times of generalization and memorization in closed form.

    Prints the train loss, the test loss, and the score error with its two parts bias^2 and variance against the
    training time tau (steps x learning rate / d^2), then tau_gen, tau_mem and tau_gap; with a ridge also the loss with
    its penalty, and with finitely many copies also the loss on the training points with fresh noise.

    Args:
        network: The network and its data.
        times: How the times are defined.
        tau: Training times, increasing; by default 96 of them around the window from tau_gen to tau_mem.
        gradient_noise: Learning rate / (batch size x d), divided by 1 - momentum, of SGD in small steps; 0 is gradient
            flow.
        json: Print one JSON object with all values instead of the tables.
        out: Also save the curves to this NetCDF file (.nc).
    """
    if out is not None:
        writable_file("out", out, ".nc")
    from genmem.theory.model import RandomFeatures
    from genmem.theory.prediction import prediction
    from genmem.theory.prediction_text import as_json, as_table

    curves = prediction(RandomFeatures.of(network.sized()), tau, gradient_noise, times.level(), times.shares())
    if out is not None:
        save_dataset(curves, out)
    print(as_json(curves) if json else as_table(curves))

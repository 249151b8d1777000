"""`genmem generate`: copies by exactly trained networks."""

from pathlib import Path

from genmem.commands.flags import ProblemFlags, print_written
from genmem.shared.files import save_dataset, writable_file

TIMES = tuple(10.0 ** (k / 2) for k in range(13))


def generate(
    data: str = "digits",
    /,
    problem: ProblemFlags = ProblemFlags(),
    n: tuple[int, ...] = (2, 4, 8, 16, 32, 64),
    psi_p: float = 8.0,
    pixels: int = 0,
    tau: tuple[float, ...] = (*TIMES, float("inf")),
    samples: int = 200,
    seed: int = 0,
    out: Path = Path("out/generated.nc"),
) -> None:
    """Train random-features networks on images exactly, let them generate, and count the copies at each training time.

    No optimizer, no training noise: at each noise time the network is solved by linear algebra, and training may be
    infinitely long. Prints f_mem and tau_copy for each n; saves them as NetCDF, and a figure (PDF and PNG, for one
    column and for two) beside it.

    Args:
        data: A data set: digits, cifar10, folder:PATH, npy:PATH, ... The mean of its pool is taken off.
        problem: Activation, copies and ridge; the covariance is the data's, and all noise times are used.
        n: Numbers of training images.
        psi_p: Hidden units per dimension, p / d.
        pixels: Reduce the images to so many pixels along each side; 0 leaves them as they are.
        tau: Training times, increasing, in steps x learning rate / d^2; inf is allowed.
        samples: Samples generated at each training time.
        seed: Seed of the choice of images, the weights and the samples.
        out: The NetCDF file to write (.nc).
    """
    writable_file("out", out, ".nc")
    from genmem.empirics.analysis.generated import of_images, table
    from genmem.empirics.data import datasets, views

    images = datasets.load(data)
    images = views.reduced(images, pixels) if pixels else images
    found = of_images(images, n, psi_p, tau, samples, seed, problem.problem())
    save_dataset(found, out)
    print(table(found), flush=True)

    from genmem.figures.drawing import style
    from genmem.figures.pictures.copying import build

    print_written(out, *style.save_both(build, found, out))

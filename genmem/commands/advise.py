"""`genmem advise`: when to stop a run that was not made yet."""

from pathlib import Path

from genmem.shared.errors import InputError, positive


def advise(
    pilots: Path | None = None,
    /,
    n: int | None = None,
    width: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    risk: float = 0.05,
    t: float | None = None,
    data: str | None = None,
    psi_p: float | None = None,
    steps_per_tau: float | None = None,
    cross_validate: bool = False,
    json: bool = False,
) -> None:
    """Say when to stop a run that was not made yet: its window [tau_gen, tau_mem], from pilots on fewer images.

    Without pilots, the theory alone says it for images of the covariance of `data`, in units of tau or, with
    --steps-per-tau, in steps.

    Args:
        pilots: folder of runs that differ in n, width, batch size, learning rate and seed alone.
        n: number of training images of the new run.
        width: its base width; by default, as the next two, that of most pilots.
        batch_size: its batch size.
        learning_rate: its learning rate.
        risk: accepted probability that copies appear before the step to stop at.
        t: diffusion time of the losses; by default the pilots' first, without pilots 0.01.
        data: without pilots: the data set.
        psi_p: without pilots: hidden units per dimension.
        steps_per_tau: without pilots: optimizer steps in one unit of tau.
        cross_validate: instead, predict the pilots on many images from those on fewer; print errors and coverage.
        json: print JSON.
    """
    from genmem.empirics.analysis import advice
    from genmem.empirics.tables import advice_text

    if n is None and not cross_validate:
        raise InputError("n must be given, the number of training images of the new run, but is not")
    alone = {"data": data, "psi_p": psi_p, "steps_per_tau": steps_per_tau}
    asked = {"width": width, "batch_size": batch_size, "learning_rate": learning_rate}
    wrong = [name for name, value in (alone if pilots is not None else asked).items() if value is not None]
    if wrong:
        raise InputError(
            f"{wrong[0]} must be left out {'with' if pilots is not None else 'without'} pilots, but was given"
        )
    if pilots is None:
        if cross_validate or data is None or psi_p is None:
            raise InputError("pilots must be given, or data and psi_p for the theory alone, but are not")
        if steps_per_tau is not None:
            positive("steps_per_tau", steps_per_tau)
        times = advice.from_theory(n, data, psi_p, 0.01 if t is None else positive("t", t))
        show = advice_text.theory_json if json else advice_text.theory_text
        return print(show(n, data, times, steps_per_tau))

    from genmem.empirics.analysis.measure import measure as measure_runs
    from genmem.empirics.records.runs import find
    from genmem.shared.vocabulary import KNOBS

    runs = measure_runs(find(pilots), t).lawful
    t = runs[0].record.config.loss_times[0] if t is None else t
    if cross_validate:
        trials = advice.cross_validate(runs, t)
        return print(advice_text.trials_json(trials) if json else advice_text.trials_table(trials))
    settings = {name: asked[field] for name, field in KNOBS.items() if asked[field] is not None}
    given = advice.advise(runs, n, t, settings, risk)
    print(advice_text.advice_json(given) if json else advice_text.advice_text(given, runs))

"""The whole experiment: every step with every seed, finished runs kept."""

from collections.abc import Callable, Sequence
from functools import partial

from spotlet.atomic import check_writable
from spotlet.errors import OutputError
from spotlet_training.localization.ladder import Step
from spotlet_training.localization.learning import EpochFigures, learn
from spotlet_training.localization.runs import RUNS, Run, RunFolder


def run_ladder(
    steps: Sequence[Step],
    seeds: int,
    folder: RunFolder,
    *,
    on_epoch: Callable[[Step, int, int, EpochFigures], None] = lambda *_: None,
    on_run: Callable[[Run, bool], None] = lambda *_: None,
) -> list[Run]:
    """Trains the runs that are not finished yet; returns all runs, seed by seed.

    Args:
        steps: of the ladder.
        seeds: how many of each step, from 0.
        folder: of the runs; finished runs there are not trained again.
        on_epoch: called with step, seed, epoch from 1 and figures.
        on_run: called with a run, and whether it was finished before.

    Raises:
        UsageError: the folder holds a run of other scenes, recipe, device or precision.
        OutputError: the folder cannot be written; nothing is trained.
        TrainingError: a loss is not a finite number.
    """
    try:
        check_writable(folder.out / RUNS)
    except OutputError as error:
        raise OutputError(f"{error}; give another --out") from error
    todo = [(step, seed) for seed in range(seeds) for step in steps]
    # Check all before training any: a refusal must not come after an hour.
    found = [folder.read(step, seed) for step, seed in todo]
    runs = []
    for (step, seed), run in zip(todo, found, strict=True):
        finished = run is not None
        if run is None:
            network, outcome = learn(
                step.recipe, folder.data, seed, folder.device, folder.precision,
                partial(on_epoch, step, seed),
            )  # fmt: skip
            run = folder.write(step, seed, network, outcome)
        runs.append(run)
        on_run(run, finished)
    return runs

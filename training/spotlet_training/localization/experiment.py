"""The whole experiment: every step with every seed, finished runs kept."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from spotlet.errors import OutputError
from spotlet_training.localization.ladder import Step
from spotlet_training.localization.learning import EpochFigures, learn
from spotlet_training.localization.runs import (
    RUNS,
    Run,
    read_run,
    surroundings,
    terms_of,
    write_run,
)
from spotlet_training.localization.scenes import FrozenSet


def run_ladder(
    steps: Sequence[Step],
    seeds: int,
    data: FrozenSet,
    out: Path,
    *,
    device: torch.device,
    precision: torch.dtype,
    on_epoch: Callable[[Step, int, int, EpochFigures], None] = lambda *_: None,
    on_run: Callable[[Run, bool], None] = lambda *_: None,
) -> list[Run]:
    """Trains the runs that are not finished yet; returns all runs, seed by seed.

    Args:
        steps: of the ladder.
        seeds: how many of each step, from 0.
        data: the scenes.
        out: folder for `RUNS`; finished runs there are not trained again.
        device: where to train.
        precision: of the training's convolutions.
        on_epoch: called with step, seed, epoch from 1 and figures.
        on_run: called with a run, and whether it was finished before.

    Raises:
        UsageError: the folder holds a run of other scenes, recipe, device or precision.
        OutputError: the folder cannot be written; nothing is trained.
        TrainingError: a loss is not a finite number.
    """
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); give another --out"
        ) from error
    todo = [(step, seed) for seed in range(seeds) for step in steps]
    # Check all before training any: a refusal must not come after an hour.
    known = {
        (step.name, seed): read_run(out, step, seed, terms_of(step, data, device, precision))
        for step, seed in todo
    }
    runs = []
    for step, seed in todo:
        found = known[step.name, seed]
        run = found
        if run is None:
            report = partial(on_epoch, step, seed)
            network, outcome = learn(step.recipe, data, seed, device, precision, report)
            run = Run(step=step.name, seed=seed, outcome=outcome, surroundings=surroundings())
            write_run(out, run, network, data, terms_of(step, data, device, precision))
        runs.append(run)
        on_run(run, found is not None)
    return runs

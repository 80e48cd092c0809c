"""The experiment's results: figures over the seeds, verdicts, and a file with all of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

from spotlet.text.terminal import table
from spotlet_training.localization.frozen import SETTINGS
from spotlet_training.localization.ladder import AFTER, BEFORE, BEST, Step
from spotlet_training.localization.measures import Measures
from spotlet_training.localization.runs import Run
from spotlet_training.localization.scenes import FrozenSet

SCHEMA = 1
"""The version of `results.json`."""

TARGETS = {AFTER: (0.61, 0.87), BEST: (0.90, 0.90)}
"""Least IoU and accuracy of the steps that must do better than the task: the published figures,
and this project's own."""

SYMPTOM_IOU = 0.45
"""Greatest IoU that still shows the published symptom."""

PUBLISHED_PARAMETERS = 1_840_110
"""Parameters of the published network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure over the seeds.

    Attributes:
        mean: over the seeds.
        spread: sample standard deviation over the seeds; 0 for one seed.
        seeds: how many.
    """

    mean: float
    spread: float
    seeds: int

    def __str__(self) -> str:
        spread = f" ± {self.spread:.3f}" if self.seeds > 1 else ""
        return f"{self.mean:.3f}{spread}"


FIGURES = {
    "train_accuracy": ("train", "accuracy"),
    "train_iou": ("train", "iou"),
    "val_accuracy": ("val", "accuracy"),
    "val_iou": ("val", "iou"),
    "over_50": ("val", "over_50"),
    "over_75": ("val", "over_75"),
    "common_error": ("val", "common_error"),
}
"""The figures of a summary, from the `Measures` on the training or the held-out scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One step over its seeds.

    Attributes:
        step: the step.
        parameters: of the network.
        seconds: of a training.

    The others are `FIGURES` of the trained network.
    """

    step: Step
    train_accuracy: Figure
    train_iou: Figure
    val_accuracy: Figure
    val_iou: Figure
    over_50: Figure
    over_75: Figure
    common_error: Figure
    parameters: int
    seconds: Figure


@dataclass(frozen=True, slots=True)
class Verdict:
    """One condition, and whether it holds for the mean over the seeds.

    Attributes:
        step: name of its step.
        condition: in words, with the figure.
        holds: whether it does.
    """

    step: str
    condition: str
    holds: bool


def summarise(steps: Sequence[Step], runs: Sequence[Run]) -> list[Summary]:
    """Returns the figures of each step that was run, in the steps' order."""
    summaries = []
    for step in steps:
        outcomes = [run.outcome for run in runs if run.step == step.name]
        if not outcomes:
            continue
        figures = {
            name: _over_seeds([getattr(getattr(each, split), what) for each in outcomes])
            for name, (split, what) in FIGURES.items()
        }
        seconds = _over_seeds([each.seconds for each in outcomes])
        parameters = outcomes[0].parameters
        summaries.append(Summary(step=step, parameters=parameters, seconds=seconds, **figures))
    return summaries


def results_table(summaries: Sequence[Summary], reference: Measures) -> str:
    """Returns the ladder as text, a line for each step below one for the mean box."""
    constant = (reference.iou, reference.over_50, reference.over_75, reference.common_error)
    rows: list[tuple[object, ...]] = [
        ("(mean box)", "", "", f"{reference.accuracy:.3f}", *(f"{v:.3f}" for v in constant), 0, 0)
    ]
    rows += [
        (
            each.step.name,
            *(getattr(each, name) for name in FIGURES),
            each.parameters,
            round(each.seconds.mean),
        )
        for each in summaries
    ]
    header = (
        "step", "train accuracy", "train IoU", "accuracy", "IoU", "IoU >= 0.5", "IoU >= 0.75",
        "common error", "parameters", "seconds",
    )  # fmt: skip
    return table(rows, header=header)


def changes_table(steps: Sequence[Step]) -> str:
    """Returns what each step changes, as text."""
    return table(
        [(step.name, step.parent or "-", step.change) for step in steps],
        header=("step", "from", "change"),
    )


def verdicts(summaries: Sequence[Summary]) -> list[Verdict]:
    """Returns the conditions of the experiment, each with its verdict.

    For every step but the first, the task's (IoU at least 0.60, accuracy at least 0.85, at most
    30 epochs). The first must show the symptom, `weight-5` must reach the published figures, and
    `best` must reach this project's own.
    """
    lines = []
    for each in summaries:
        name, iou, accuracy = each.step.name, each.val_iou.mean, each.val_accuracy.mean
        lowest_iou, lowest_accuracy = TARGETS.get(name, (0.60, 0.85))
        if name == BEFORE:
            holds = round(iou, 3) <= SYMPTOM_IOU
            lines.append(Verdict(name, f"IoU {iou:.3f} <= {SYMPTOM_IOU:.2f}", holds))
        else:
            lines.append(_at_least(name, "IoU", iou, lowest_iou))
        lines.append(_at_least(name, "accuracy", accuracy, lowest_accuracy))
        epochs = each.step.recipe.epochs
        lines.append(Verdict(name, f"{epochs} <= 30 epochs", epochs <= 30))
        if name == BEST:
            condition = f"{each.parameters:,} < {PUBLISHED_PARAMETERS:,} parameters"
            lines.append(Verdict(name, condition, each.parameters < PUBLISHED_PARAMETERS))
    return lines


def verdicts_table(lines: Sequence[Verdict]) -> str:
    """Returns the verdicts as text."""
    return table(
        [(each.step, each.condition, "holds" if each.holds else "DOES NOT HOLD") for each in lines],
        header=("step", "condition", ""),
    )


def results_record(
    data: FrozenSet,
    reference: Measures,
    summaries: Sequence[Summary],
    runs: Sequence[Run],
    lines: Sequence[Verdict],
    hardware: dict[str, str],
) -> dict[str, Any]:
    """Returns the content of `results.json`."""
    return {
        "schema": SCHEMA,
        "experiment": "localization",
        "quick": data.quick,
        "scenes": {
            "variant": data.variant,
            "train": len(data.train),
            "val": len(data.val),
            "settings": asdict(SETTINGS[data.variant]),
            "sha256": data.digest,
            "exact": data.exact,
        },
        "hardware": hardware,
        "mean_box": asdict(reference),
        "steps": [asdict(each) for each in summaries],
        "verdicts": [asdict(each) for each in lines],
        "runs": [asdict(run) for run in runs],
    }


def _over_seeds(values: Sequence[float]) -> Figure:
    spread = stdev(values) if len(values) > 1 else 0.0
    return Figure(mean=mean(values), spread=spread, seeds=len(values))


def _at_least(step: str, what: str, value: float, limit: float) -> Verdict:
    return Verdict(step, f"{what} {value:.3f} >= {limit:.2f}", round(value, 3) >= limit)

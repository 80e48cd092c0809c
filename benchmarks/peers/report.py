"""Results of a comparison, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from benchmarks.peers.comparison import Contest, Figure
from benchmarks.peers.contender import Contender
from benchmarks.peers.machine import measurement_record
from benchmarks.peers.programs import Peer

from spotlet_training.learning.hardware import pick_precision
from spotlet_training.learning.settings import TrainingSettings

SCHEMA = 1

AGREEMENT = 0.02
"""A larger difference between a peer's AP and ours on the same detections is reported."""

HEADER = (
    "recipe", "AP", "AP50", "AP, own program", "training, s", "x the first", "CPU, s", "parameters",
    "ONNX, ms",
)  # fmt: skip

OURS = ("spotlet", "torch", "onnxruntime", "numpy", "faster-coco-eval")
THEIRS = ("ultralytics", "libreyolo", "torch", "torchvision", "opencv-python-headless", "numpy")


def as_markdown(contests: Sequence[Contest]) -> str:
    """Returns a table for each set, its failures, and notes on how to read it."""
    parts = [_table(contest) for contest in contests]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes(contests))])


def notes(contests: Sequence[Contest]) -> list[str]:
    """Returns the notes that a reader of the figures needs."""
    precision = str(pick_precision(TrainingSettings(), torch.device("cpu")))
    lines = [
        "With the defaults of each program. The peers start from scratch: their published "
        "pretrained weights, which they usually start from, are not downloaded here. "
        "Spotlet's own backbone, if a row names it, is bundled.",
        "AP and AP50: faster-coco-eval on the validation images, which also chose the best "
        "epoch. AP, own program: a recipe's own evaluation of the same detections.",
        "Training: wall time of the whole program, its validations included; CPU: of its "
        "processes together. " + f"Spotlet trained in {precision.removeprefix('torch.')}.",
        "ONNX: one inference by onnxruntime, batch 1, float32, median; work left to the host, "
        "such as non-maximum suppression, is not included.",
    ]
    for contest in contests:
        for run in contest.runs:
            if abs(run.measures.ap - run.measures.own_ap) > AGREEMENT:
                lines.append(
                    f"CHECK {contest.plan.name}, {run.contender}, seed {run.seed}: its own "
                    f"program says AP {run.measures.own_ap:.3f}, ours {run.measures.ap:.3f}."
                )
    return lines


def as_json(contests: Sequence[Contest], contenders: Sequence[Contender]) -> str:
    """Returns the same as JSON, with every run, the machine and the versions."""
    peers = {one.name: one.environment for one in contenders if isinstance(one, Peer)}
    measured = measurement_record(OURS)
    measured["versions"]["peers"] = {
        name: {
            package: environment.versions[package]
            for package in THEIRS
            if package in environment.versions
        }
        | {"torchvision's own suppression": environment.own_nms}
        for name, environment in peers.items()
    }
    content = {
        "schema": SCHEMA,
        **measured,
        "notes": notes(contests),
        "sets": [_contest_record(contest) for contest in contests],
    }
    return json.dumps(content, indent=1) + "\n"


def _table(contest: Contest) -> str:
    plan = contest.plan
    title = (
        f"**{plan.name}**: {len(plan.splits.train)} + {len(plan.splits.val)} images, "
        f"{len(plan.splits.class_names)} classes, epochs {plan.epochs}, {plan.image_size} px, "
        f"threads {plan.threads}, seeds {' '.join(map(str, contest.seeds))}"
    )
    rows = [HEADER, ("---",) + ("---:",) * (len(HEADER) - 1)]
    for name in dict.fromkeys(run.contender for run in contest.runs):
        figures = summary(contest, name)
        rows.append(
            (
                name,
                str(figures["ap"]),
                str(figures["ap50"]),
                str(figures["own_ap"]),
                figures["seconds"].text(0),
                figures["seconds_ratio"].text(2) if "seconds_ratio" in figures else "",
                figures["cpu_seconds"].text(0),
                f"{contest.of(name)[0].measures.parameters:,}",
                f"{contest.milliseconds[name]:.2f}",
            )
        )
    for name, reason in contest.failures.items():
        rows.append((name, reason.replace("|", "/"), *[""] * (len(HEADER) - 2)))
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def summary(contest: Contest, name: str) -> dict[str, Figure]:
    """Returns a contender's figures over the seeds."""
    runs = contest.of(name)
    first = {run.seed: run.seconds for run in contest.of(contest.runs[0].contender)}
    figures = {
        "ap": [run.measures.ap for run in runs],
        "ap50": [run.measures.ap50 for run in runs],
        "own_ap": [run.measures.own_ap for run in runs],
        "own_ap50": [run.measures.own_ap50 for run in runs],
        "seconds": [run.seconds for run in runs],
        "seconds_ratio": [run.seconds / first[run.seed] for run in runs if run.seed in first],
        "cpu_seconds": [run.cpu_seconds for run in runs],
    }
    return {key: Figure.of(values) for key, values in figures.items() if values}


def _contest_record(contest: Contest) -> dict[str, Any]:
    plan = contest.plan
    names = dict.fromkeys(run.contender for run in contest.runs)
    return {
        "set": plan.name,
        "train_images": len(plan.splits.train),
        "val_images": len(plan.splits.val),
        "classes": plan.splits.class_names,
        "epochs": plan.epochs,
        "image_size": plan.image_size,
        "threads": plan.threads,
        "seeds": contest.seeds,
        "summaries": {
            name: {key: asdict(figure) for key, figure in summary(contest, name).items()}
            | {"milliseconds": contest.milliseconds[name]}
            for name in names
        },
        "runs": [asdict(run) for run in contest.runs],
        "failures": contest.failures,
    }

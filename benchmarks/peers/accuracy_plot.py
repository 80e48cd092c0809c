"""Plots accuracy against the time of one inference, for the sets with bundled models."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.graphs import median_milliseconds
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spotlet.model import locate_model

SETS = ("cards", "cells", "pcb")
"""The bundled models with both variants, each trained on the set of the same name."""

FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
MARKERS = {"fp32": "o", "int8": "s"}
DOTS_PER_INCH = 130


@dataclass(frozen=True, slots=True)
class Point:
    """One network on one set.

    Attributes:
        name: its label in the plot.
        milliseconds: of one inference.
        ap: COCO's AP on the validation images.
        variant: `fp32` or `int8`; empty for a peer.
    """

    name: str
    milliseconds: float
    ap: float
    variant: str = ""


def our_points(
    threads: int, references: Mapping[str, Path]
) -> tuple[dict[str, list[Point]], dict[str, float]]:
    """Returns the bundled models by set, and the milliseconds of others by name.

    AP was measured by the export gate; the time is measured now, all in turn.

    Args:
        threads: of an inference.
        references: graphs to time only.
    """
    graphs = {
        f"{name} {variant}": locate_model(name, variant) for name in SETS for variant in FILES
    }
    milliseconds = median_milliseconds({**graphs, **references}, threads)
    points: dict[str, list[Point]] = {}
    for name in SETS:
        record = json.loads((graphs[f"{name} fp32"].parent / "parity.json").read_text("utf-8"))
        for variant, file in FILES.items():
            key = f"{name} {variant}"
            ap = float(record["files"][file]["accuracy"]["after"]["ap"])
            points.setdefault(name, []).append(Point(key, milliseconds[key], ap, variant))
    return points, {name: milliseconds[name] for name in references}


def peer_points(results: Path) -> dict[str, list[Point]]:
    """Returns the results of `benchmarks.training`, by bundled set: accuracy and time of that run.

    Each of its sets belongs to the bundled one that its name starts with.
    """
    content = json.loads(results.read_text("utf-8"))
    return {
        name: [
            Point(contender, summary["milliseconds"], summary["ap"]["mean"])
            for trained in content["sets"]
            if trained["set"].startswith(name)
            for contender, summary in trained["summaries"].items()
        ]
        for name in SETS
    }


def draw_plot(
    path: Path,
    ours: Mapping[str, Sequence[Point]],
    peers: Mapping[str, Sequence[Point]],
    references: Mapping[str, float],
    conditions: str,
) -> None:
    """Writes a PNG with a panel for each set.

    Args:
        path: to write.
        ours: the bundled models, by set.
        peers: others trained on the same set; if empty, the picture says so.
        references: milliseconds of networks without accuracy, by name.
        conditions: of the measurement, for the bottom line.
    """
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, len(ours), squeeze=False)[0]
    for axes, (name, points) in zip(panels, ours.items(), strict=True):
        _draw_panel(axes, name, [*points, *peers.get(name, ())], references)
    caption = conditions
    if not any(peers.values()):
        caption += ". No other network was trained on these sets for this picture."
    figure.supxlabel(caption, fontsize=9)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _draw_panel(
    axes: Axes, name: str, points: Sequence[Point], references: Mapping[str, float]
) -> None:
    for point in points:
        axes.plot(
            point.milliseconds,
            point.ap,
            MARKERS.get(point.variant, "^"),
            color="tab:blue" if point.variant else "tab:gray",
        )
        axes.annotate(
            f"{point.variant or point.name}\nAP {point.ap:.3f}, {point.milliseconds:.1f} ms",
            (point.milliseconds, point.ap),
            # The variants lie side by side: one label goes above, the other below.
            xytext=(0, -8) if point.variant == "int8" else (0, 8),
            textcoords="offset points",
            fontsize=8,
            va="top" if point.variant == "int8" else "bottom",
        )
    rightmost = max(point.milliseconds for point in points)
    for label, milliseconds in references.items():
        rightmost = max(rightmost, milliseconds)
        axes.axvline(milliseconds, color="tab:red", linestyle="--", linewidth=1)
        axes.annotate(
            label, (milliseconds, 0.03), xytext=(-3, 0), textcoords="offset points",
            rotation=90, fontsize=8, ha="right", va="bottom", color="tab:red",
        )  # fmt: skip
    axes.set(
        title=name, xlim=(0, rightmost * 1.5), ylim=(0, 1),
        xlabel="one inference, ms", ylabel="validation AP",
    )  # fmt: skip
    axes.grid(alpha=0.3)

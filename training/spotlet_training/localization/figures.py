"""The experiment's pictures: curves by epoch, and the same scenes before and after."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure

from spotlet.atomic import atomic_file
from spotlet.boxes import FloatArray, box_iou
from spotlet.image_files import write_image
from spotlet.letterbox import ImageArray
from spotlet_training.localization.ladder import Step
from spotlet_training.localization.learning import CURVE_SCENES
from spotlet_training.localization.runs import Run
from spotlet_training.localization.scenes import FrozenScenes, FrozenSet, pick
from spotlet_training.network import Localizer

COLOURS = ("#c4442f", "#2f6fc4", "#2e8b57")
"""The colours of the steps in both pictures, in order."""

SHOWN = 6
"""Held-out scenes in the picture: the first ones, not hand-picked ones."""

STRIP = 34
"""Height of the strip of text over a scene, pixels."""


def draw_curves(steps: Sequence[Step], runs: Sequence[Run], path: Path, title: str = "") -> None:
    """Writes a PNG: accuracy and IoU by epoch, a colour for each step, a line for each seed.

    Args:
        steps: at most as many as `COLOURS`.
        runs: of these steps; others are skipped.
        path: of the picture.
        title: over it.

    Raises:
        OutputError: it cannot be written.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    figure.suptitle(title)
    for axes, what in zip(figure.subplots(1, 2), ("accuracy", "iou"), strict=True):
        for step, colour in zip(steps, COLOURS, strict=False):
            for number, run in enumerate(run for run in runs if run.step == step.name):
                for split, line, width in (("val", "-", 1.6), ("train", ":", 1.0)):
                    values = [getattr(each, f"{split}_{what}") for each in run.outcome.epochs]
                    label = step.name if number == 0 and split == "val" else ""
                    epochs = range(1, len(values) + 1)
                    axes.plot(epochs, values, line, color=colour, linewidth=width, label=label)
        axes.set(xlabel="epoch", ylabel="mean IoU" if what == "iou" else "accuracy", ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.plot([], [], color="grey", label=f"{CURVE_SCENES} held-out scenes")
    axes.plot([], [], color="grey", linestyle=":", label="training, while learning")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=130)


def draw_scenes(networks: Sequence[tuple[str, Localizer]], data: FrozenSet, path: Path) -> None:
    """Writes a PNG: a row for each network, with the first held-out scenes, true and found boxes.

    Args:
        networks: name and network, at most as many as `COLOURS`.
        data: the scenes.
        path: of the picture.

    Raises:
        OutputError: it cannot be written.
    """
    first = torch.arange(min(SHOWN, len(data.val)))
    scenes = pick(data.val, first, torch.device("cpu"))
    rows = [
        np.hstack(_row(name, network, scenes, data.class_names, colour))
        for (name, network), colour in zip(networks, COLOURS, strict=False)
    ]
    write_image(path, np.vstack(rows), ".png")


def _row(
    name: str,
    network: Localizer,
    scenes: FrozenScenes,
    class_names: tuple[str, ...],
    colour: str,
) -> list[ImageArray]:
    """Returns the scenes of a row, each with a strip of text."""
    with torch.inference_mode():
        boxes, scores = (tensor[:, 0].numpy() for tensor in network(scenes.images))
    overlaps = np.diagonal(box_iou(boxes, scenes.boxes.numpy()))
    bgr = tuple(int(colour[n : n + 2], 16) for n in (5, 3, 1))
    cells = []
    for index, image in enumerate(scenes.images.numpy()):
        scene = image.copy()
        draw_box(scene, scenes.boxes[index].numpy(), (255, 255, 255), 1)
        draw_box(scene, boxes[index], bgr, 2)
        strip = np.full((STRIP, scene.shape[1], 3), 255, np.uint8)
        found = class_names[int(scores[index].argmax())]
        mark = "" if scores[index].argmax() == scenes.class_ids[index] else " (wrong)"
        for line, text in enumerate((f"{name}: IoU {overlaps[index]:.2f}", f"{found}{mark}")):
            cv2.putText(
                strip, text, (4, 13 + 15 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.42,
                bgr if line == 0 else (60, 60, 60), 1, cv2.LINE_AA,
            )  # fmt: skip
        cells.append(np.vstack([strip, scene]).astype(np.uint8))
    return cells


def draw_box(image: ImageArray, box: FloatArray, bgr: tuple[int, ...], thickness: int) -> None:
    """Draws a box in place, its line just inside the box.

    Args:
        image: (H, W, 3) uint8.
        box: (4,) xyxy in units of the image's sides; an empty one is not drawn.
        bgr: colour.
        thickness: of the line, pixels.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = np.rint(box * np.array([width, height, width, height])).astype(int).tolist()
    if x2 <= x1 or y2 <= y1:
        return
    inner = image[y1:y2, x1:x2].copy()
    image[y1:y2, x1:x2] = bgr
    kept = (slice(thickness, -thickness), slice(thickness, -thickness))
    image[y1:y2, x1:x2][kept] = inner[kept]

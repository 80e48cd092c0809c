"""The pictures in which two models differ most, with what both find side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spotlet.annotate import draw_detections
from spotlet.detections import Detections
from spotlet.letterbox import ImageArray
from spotlet_export.gate.frames import CheckFrame
from spotlet_export.judging.likeness import total_score, unlikeness

WORST = 6
"""Pictures that are drawn."""

SIDE_HW = (480, 640)
"""The most that one of the two pictures takes."""

CAPTION, GAP = 28, 8  # pixels

GREY, DARK = (245, 245, 245), (40, 40, 40)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorstPicture:
    """A picture in which the models differ.

    Attributes:
        name: of the frame.
        unlikeness: of what they find in it, from 0 to 1.
        counts: detections by A and by B.
        drawn: (H, W, 3) uint8 BGR, A left and B right.
    """

    name: str
    unlikeness: float
    counts: tuple[int, int]
    drawn: ImageArray


def worst_pictures(
    frames: Sequence[CheckFrame],
    sources: Mapping[str, str],
    found: tuple[Sequence[Detections], Sequence[Detections]],
    score_threshold: float,
) -> list[WorstPicture]:
    """Returns the real frames in which most is not the same, the worst first; equal ones never.

    Args:
        frames: of the comparison.
        sources: what each real frame was made of, by its name.
        found: by A and by B in each.
        score_threshold: from which detections are drawn, if there are any.
    """
    ranked = sorted(
        (
            (unlikeness([one], [other]) * (total_score([one]) + total_score([other])), number)
            for number, (one, other) in enumerate(zip(*found, strict=True))
            if frames[number].real
        ),
        key=lambda each: (-each[0], each[1]),
    )
    pictures = []
    for apart, number in ranked[:WORST]:
        if apart == 0:
            continue
        pair = [side[number] for side in found]
        shown = [each.select(each.scores >= score_threshold) for each in pair]
        shown = shown if any(map(len, shown)) else pair
        pictures.append(
            WorstPicture(
                name=f"{frames[number].name}, made of {sources[frames[number].name]}",
                unlikeness=unlikeness([pair[0]], [pair[1]]),
                counts=(len(pair[0]), len(pair[1])),
                drawn=_side_by_side(frames[number].image_bgr, shown),
            )
        )
    return pictures


def _side_by_side(image: ImageArray, shown: Sequence[Detections]) -> ImageArray:
    scale = min(SIDE_HW[0] / image.shape[0], SIDE_HW[1] / image.shape[1])
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    sheet = np.full((height + CAPTION, 2 * width + GAP, 3), GREY, np.uint8)
    for index, found in enumerate(shown):
        boxes = found.boxes_xyxy * np.float32(scale)
        placed = Detections(boxes, found.scores, found.class_ids, found.class_names)
        left = index * (width + GAP)
        sheet[CAPTION:, left : left + width] = draw_detections(large, placed)
        text = f"{'AB'[index]}: {len(found)} found"
        place = (left + 4, CAPTION - 9)
        cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, DARK, 1, cv2.LINE_AA)
    return sheet

"""Looks at a network's outputs: for the user's pictures, the same mirrored, and drawn canvases.

One canvas says little: a column that is 0 on a black one may be a class id, a score or an offset.
On real pictures scores lie in [0, 1] with fractions, ids are whole numbers, and a column that is
the same for every picture is neither.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spotlet.errors import ModelFileError
from spotlet.letterbox import PAD_VALUE, ImageArray, Letterbox
from spotlet_export.adoption.original.decoder import preprocessed, run
from spotlet_export.adoption.original.file import OriginalFile
from spotlet_export.adoption.settings import AdoptSettings
from spotlet_export.adoption.signature import InputSignature

MOST_PHOTOGRAPHS = 4
"""Of the user's pictures that are looked at; evenly spread."""

GREY = 128
SEED = 22

Tensors = Mapping[str, npt.NDArray[Any]]


class Views:
    """What a network returns for several canvases, by output; it runs when it is first asked.

    Args:
        original: the file.
        expects: how its input is prepared.
        resize: how frames are resized, one of `spotlet.letterbox.RESIZES`.
        photographs: the user's pictures, (H, W, 3) uint8 BGR.
        settings: for the border and the interpolation.

    Attributes:
        canvases: the user's pictures on the canvas, `MOST_PHOTOGRAPHS` at most.
    """

    def __init__(
        self,
        original: OriginalFile,
        expects: InputSignature,
        resize: str,
        photographs: Sequence[ImageArray],
        settings: AdoptSettings,
    ) -> None:
        self._original = original
        self._expects = expects
        count = min(len(photographs), MOST_PHOTOGRAPHS)
        chosen = [photographs[n * len(photographs) // count] for n in range(count)]
        grey = PAD_VALUE if settings.pad_value is None else settings.pad_value
        method = settings.interpolation or "linear_exact"
        self.canvases = [
            Letterbox((each.shape[0], each.shape[1]), expects.size_hw, method, grey, resize).apply(
                each
            )
            for each in chosen
        ]

    @cached_property
    def real(self) -> tuple[Tensors, ...]:
        """For the user's pictures."""
        return tuple(map(self._run, self.canvases))

    @cached_property
    def all(self) -> tuple[Tensors, ...]:
        """For them, for the same mirrored left to right, and for black, grey and noise."""
        size_hw = self._expects.size_hw
        drawn = [np.full((*size_hw, 3), grey, np.uint8) for grey in (0, GREY)]
        noise = np.random.default_rng(SEED).integers(0, 256, (*size_hw, 3), np.uint8)
        others = [*map(mirrored, self.canvases), *drawn, noise]
        return self.real + self._those_that_run(others)

    @cached_property
    def further(self) -> tuple[Tensors, ...]:
        """For quarters of the pictures, enlarged, and for coloured patches.

        To provoke class ids that the pictures do not show.
        """
        high, wide = self._expects.size_hw
        rng = np.random.default_rng(SEED)
        others = []
        for canvas in self.canvases[:2]:
            for top, left in ((0, 0), (0, wide // 2), (high // 2, 0), (high // 2, wide // 2)):
                quarter = canvas[top : top + high // 2, left : left + wide // 2]
                others.append(cv2.resize(quarter, (wide, high)).astype(np.uint8))
        for sides in (2, 4, 8, 16):
            patches = rng.integers(0, 256, (sides, sides, 3), np.uint8)
            enlarged = cv2.resize(patches, (wide, high), interpolation=cv2.INTER_NEAREST)
            others.append(enlarged.astype(np.uint8))
        return self._those_that_run(others)

    def values(self, name: str) -> npt.NDArray[Any]:
        """Returns all numbers of one output, flat."""
        return np.concatenate([each[name].ravel() for each in self.all])

    def _run(self, canvas: ImageArray) -> Tensors:
        feeds = {self._expects.name: preprocessed(canvas, self._expects), **self._expects.fixed}
        names = [port.name for port in self._original.outputs]
        return run(self._original.session, names, feeds)

    def _those_that_run(self, canvases: Sequence[ImageArray]) -> tuple[Tensors, ...]:
        """Returns the outputs for canvases that show nothing, on which some networks fail."""
        found = []
        for canvas in canvases:
            try:
                found.append(self._run(canvas))
            except ModelFileError:
                continue
        return tuple(found)


def mirrored(canvas: ImageArray) -> ImageArray:
    """Returns the canvas with left and right exchanged."""
    return np.ascontiguousarray(canvas[:, ::-1])


def upside_down(canvas: ImageArray) -> ImageArray:
    """Returns the canvas with top and bottom exchanged."""
    return np.ascontiguousarray(canvas[::-1])

"""Which frames of a run are inferred, separately for each source."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from spotlet.errors import SettingError
from spotlet.manifest import NO_TILES
from spotlet.running.settings import RunSettings
from spotlet.stillness import Scene
from spotlet.streams import Arrival, SourceClock, Stream, locate_source
from spotlet.tiles import TileSettings

MOST_ACROSS = 480
"""Cells along the longer side for small tiles: with more, comparing costs as much as inferring."""


class Judged(NamedTuple):
    """A frame that arrived, and whether it is to be inferred."""

    arrival: Arrival
    inferred: bool


class StillScenes:
    """Decides which frames of a run are inferred: all, unless its settings ask for less."""

    def __init__(
        self,
        settings: RunSettings,
        size_hw: tuple[int, int],
        tiles: Callable[[], TileSettings] = lambda: NO_TILES,
    ) -> None:
        """Starts with no frame of any source.

        Args:
            settings: of the run.
            size_hw: of the network's canvas, pixels: two of them make a cell.
            tiles: returns how frames are cut now, so that cells are as small as in the smallest
                part.
        """
        self._settings = settings.skip_still
        self._size_hw = size_hw
        self._tiles = tiles
        self._of: dict[Stream, tuple[SourceClock, Scene]] = {}
        self._kinds: dict[Stream, tuple[int, tuple[int, int], TileSettings]] = {}

    def judge(self, batches: Iterable[list[Arrival]]) -> Iterator[list[Judged]]:
        """Yields the batches, judged in their order: in one thread at a time."""
        for arrivals in batches:
            yield [Judged(each, not self._is_still(each)) for each in arrivals]

    def _is_still(self, arrival: Arrival) -> bool:
        if self._settings is None:
            return False
        stream, frame = arrival
        kind = frame.epoch, frame.size_hw, self._tiles()
        if self._kinds.get(stream) != kind:
            self._kinds[stream] = kind
            clock = self._of[stream][0] if stream in self._of else SourceClock()
            self._of[stream] = clock, Scene(self._settings, self._across(frame.size_hw))
        clock, scene = self._of[stream]
        return scene.is_still(frame.image, clock.seconds(frame))

    def _across(self, frame_hw: tuple[int, int]) -> int:
        """Returns the cells along the longer side of a frame of this height and width, pixels."""
        parts = self._tiles().parts(frame_hw, self._size_hw)
        shown = min(max(right - left, bottom - top) for left, top, right, bottom in parts)
        whole = max(self._size_hw) // 2
        return max(whole, min(whole * max(frame_hw) // shown, MOST_ACROSS))


def require_time(settings: RunSettings) -> None:
    """Checks that all sources have a time, if frames may be skipped.

    Raises:
        UsageError: a source is images.
        SourceError: a source does not exist.
    """
    for source in settings.sources if settings.skip_still else ():
        if (found := locate_source(source)).kind in ("image", "images"):
            raise SettingError(
                f"{found.name}: each image is a scene in itself; leave out `skip_still`, or give "
                "a video"
            )

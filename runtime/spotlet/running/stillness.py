"""Which frames of a run are inferred, separately for each source."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from spotlet.errors import SettingError
from spotlet.running.settings import RunSettings
from spotlet.stillness import Scene
from spotlet.streams import Arrival, SourceClock, Stream, locate_source


class Judged(NamedTuple):
    """A frame that arrived, and whether it is to be inferred."""

    arrival: Arrival
    inferred: bool


class StillScenes:
    """Decides which frames of a run are inferred: all, unless its settings ask for less."""

    def __init__(self, settings: RunSettings, size_hw: tuple[int, int]) -> None:
        """Starts with no frame of any source.

        Args:
            settings: of the run.
            size_hw: of the network's canvas, pixels: two of them make a cell.
        """
        self._settings = settings.skip_still
        self._across = max(size_hw) // 2
        self._of: dict[Stream, tuple[SourceClock, Scene]] = {}
        self._kinds: dict[Stream, tuple[int, tuple[int, int]]] = {}

    def judge(self, batches: Iterable[list[Arrival]]) -> Iterator[list[Judged]]:
        """Yields the batches, judged in their order: in one thread at a time."""
        for arrivals in batches:
            yield [Judged(each, not self._is_still(each)) for each in arrivals]

    def _is_still(self, arrival: Arrival) -> bool:
        if self._settings is None:
            return False
        stream, frame = arrival
        if stream not in self._of:
            self._of[stream] = SourceClock(), Scene(self._settings, self._across)
        clock, scene = self._of[stream]
        kind = frame.epoch, frame.size_hw
        if self._kinds.get(stream) != kind:
            self._kinds[stream] = kind
            scene.forget()
        return scene.is_still(frame.image, clock.seconds(frame))


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

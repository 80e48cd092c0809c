"""How things end: what is open is closed, and a wait can be interrupted."""

from types import TracebackType
from typing import Self

WAKE_SECONDS = 0.2
"""How often a wait lets Python handle Ctrl-C, which some systems cannot do within a wait."""


class Closing:
    """What is closed at the end of a `with` block, whatever happens in it."""

    def close(self) -> None:
        """Releases what is held. A second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

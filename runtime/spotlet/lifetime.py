"""Closing what is open, and waits that Ctrl-C can interrupt."""

from types import TracebackType
from typing import Self

WAKE_SECONDS = 0.2
"""How often a wait lets Python handle Ctrl-C, which some systems cannot do within a wait."""


class Closing:
    """Something that the end of a `with` block closes, whatever happens in it."""

    def close(self) -> None:
        """Releases its resources. A second call has no effect."""
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

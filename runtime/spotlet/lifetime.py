"""Closing resources, and waits that Ctrl-C can interrupt."""

from types import TracebackType
from typing import Self

WAKE_SECONDS = 0.2
"""How often a wait lets Python handle Ctrl-C, which some systems cannot do during a wait."""


class Closing:
    """A resource that the end of a `with` block closes, even after an error."""

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

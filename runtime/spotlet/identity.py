"""Which model file made a result, so that a count can be traced to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DIGEST_CHARACTERS = 16
"""Of a checksum's 64: enough to tell any two files apart that were not made to collide."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model file.

    Attributes:
        name: as it was given, without the folders before it: a bundled name, a package or a file.
        sha256: of the bytes that were loaded, 64 hexadecimal digits.

    Example:
        >>> str(ModelIdentity("garments", "3f2a" * 16))
        'garments 3f2a3f2a3f2a3f2a'
    """

    name: str
    sha256: str

    @property
    def digest(self) -> str:
        """The first `DIGEST_CHARACTERS` of `sha256`, as events have it."""
        return self.sha256[:DIGEST_CHARACTERS]

    def __str__(self) -> str:
        return f"{self.name} {self.digest}"


def model_name(model: str | Path) -> str:
    """Returns the name of a model: folders above it may be private."""
    return Path(model).name or Path(model).resolve().name


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvent:
    """What became of a new package for a running model.

    Attributes:
        state: `loaded`: the next frames are its; `refused`: the model before stays.
        model: see `ModelIdentity.name`.
        digest: of the file that was loaded or refused; None if it could not be read.
        running: digest of the file that runs from now on.
        at: seconds since 1970 (UTC).
        reason: why it was refused; None if it was loaded.
        ms: milliseconds that a blank frame took just before the swap, in the model before and in
            this one; None if there was no swap.
    """

    state: Literal["loaded", "refused"]
    model: str
    digest: str | None
    running: str
    at: float
    reason: str | None = None
    ms: tuple[float, float] | None = None

    def __str__(self) -> str:
        which = f"model {self.model}{f' {self.digest}' if self.digest else ''}: {self.state}"
        if self.reason is not None:
            return f"{which}: {self.reason}; {self.running} stays"
        if self.ms is not None:
            before, after = self.ms
            which += f"; {after:.3g} ms a frame, {before:.3g} ms before"
        return which

"""The states of a live source, and the back-off before it is tried again."""

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spotlet.errors import SettingError

State = Literal["connecting", "live", "stalled", "lost", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """A change of a source's state.

    Attributes:
        source: see `Frame.source`.
        state: `connecting`: being opened; `live`: the first frame of this connection arrived;
            `stalled`: no frame for `stall_seconds`, so it is given up; `lost`: it cannot be opened,
            or it broke; `ended`: it is over and not tried again.
        epoch: of the connection, see `Frame.epoch`; while connecting, of the next one.
        at: seconds since 1970 (UTC).
        reason: why, as text; None if there is nothing to explain.
        retry_seconds: until the next try, after `stalled` and `lost`; else None.
        decoder: with `live`, see `Frame.decoder`; else None.
    """

    source: str
    state: State
    epoch: int
    at: float
    reason: str | None = None
    retry_seconds: float | None = None
    decoder: str | None = None

    def __str__(self) -> str:
        text = f"{self.source}: {self.state}"
        if self.decoder is not None:
            text += f", decoder {self.decoder}"
        if self.reason is not None:
            text += f": {self.reason}"
        if self.retry_seconds is not None:
            text += f"; trying again in {self.retry_seconds:.1f} s"
        return text


OnStatus = Callable[[StatusEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnection:
    """When a live source is given up, and when it is tried again.

    Attributes:
        retries: attempts in a row that may fail before the source ends; None is unlimited. A
            connection that lasted `stable_seconds` starts a new row.
        stall_seconds: without a frame for this long a connection is given up.
        open_seconds: the longest opening, until the first frame.
        first_seconds: the first wait; each later one of a row is twice as long.
        most_seconds: the longest wait.
        stable_seconds: how long a connection must last to count as stable.

    Raises:
        UsageError: a value breaks its rule.
    """

    retries: int | None = None
    stall_seconds: float = 10.0
    open_seconds: float = 10.0
    first_seconds: float = 0.5
    most_seconds: float = 30.0
    stable_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.retries is not None and self.retries < 0:
            raise SettingError(f"`retries` {self.retries}: must be 0 or more")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_seconds") and not 0 < value < float("inf"):
                raise SettingError(f"`{field.name}` {value}: must be over 0")

    def wait_seconds(self, failures: int, chance: float | None = None) -> float:
        """Returns how long to wait after one or more failures in a row.

        Between half and all of an exponentially growing time, so that cameras lost together do not
        reconnect together.

        Args:
            failures: attempts that failed in a row.
            chance: in [0, 1); random if None.
        """
        share = random.random() if chance is None else chance
        # The exponent is bounded: a source may be away for weeks.
        whole = min(self.first_seconds * 2.0 ** min(failures - 1, 60), self.most_seconds)
        return whole * (1 + share) / 2

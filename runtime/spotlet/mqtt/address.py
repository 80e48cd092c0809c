"""Where a broker is, who asks, and under which topics."""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from spotlet.errors import UsageError
from spotlet.sinks.file_names import safe_name

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""By scheme. Source: IANA service names, `mqtt` and `secure-mqtt`."""

LONGEST_PREFIX_BYTES = 200
"""With a source's name and the last level a topic then stays far below the 65,535 of MQTT."""

# Nothing in it may look like a URL with credentials, which messages are cleared of.
_REMEDY = (
    "must be mqtt://host:port/topic-prefix or mqtts://..., with a port up to 65535; user:password@ "
    "goes before the host, and what is no letter or digit in the two is percent-encoded"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker, and what a client says to it.

    Attributes:
        host: a name or an address.
        port: 1 to 65,535.
        tls: whether the connection is encrypted and the broker's certificate checked.
        user: None for nobody in particular.
        password: None for none.
        prefix: the first levels of every topic, without a slash at either end.
        cafile: certificates of the authorities to trust; None takes the system's.
    """

    host: str
    port: int
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    prefix: str = "spotlet"
    cafile: Path | None = None

    @property
    def name(self) -> str:
        """How to call it before people: no credentials in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}/{self.prefix}"


def locate_broker(
    url: str, *, password: str | None = None, cafile: Path | None = None
) -> BrokerAddress:
    """Returns what a URL says; it connects to nothing.

    Args:
        url: `mqtt[s]://[user[:password]@]host[:port]/[topic-prefix]`; without a prefix it is
            `spotlet/` and the name of this machine.
        password: taken where the URL has none.
        cafile: see `BrokerAddress`.

    Raises:
        UsageError: the URL is no such one, or the other arguments do not suit it. The message
            holds nothing of the URL but its scheme.

    Example:
        >>> locate_broker("mqtts://me:secret@10.0.0.2/yard/cameras").name
        'mqtts://10.0.0.2:8883/yard/cameras'
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in PORTS:
        raise UsageError(f"--mqtt URL: {_REMEDY}")
    try:
        parts = urlsplit(url)
        port = PORTS[scheme] if parts.port is None else parts.port
    except ValueError:  # its message may hold the password
        raise UsageError(f"--mqtt URL: {_REMEDY}") from None
    if not parts.hostname or port == 0 or parts.query or parts.fragment or "?" in url:
        raise UsageError(f"--mqtt URL: {_REMEDY}")
    if re.search(r"\s", parts.hostname) or "@" in parts.path:
        raise UsageError(f"--mqtt URL: {_REMEDY}")
    user = unquote(parts.username) if parts.username else None
    own_password = unquote(parts.password) if parts.password else password
    if user is None and own_password is not None:
        raise UsageError("--mqtt URL: there is a password but no user; write user@ before the host")
    if cafile is not None and scheme != "mqtts":
        raise UsageError(f"certificates {cafile}: need an mqtts:// URL")
    return BrokerAddress(
        host=parts.hostname,
        port=port,
        tls=scheme == "mqtts",
        user=user,
        password=own_password,
        prefix=_checked_prefix(unquote(parts.path).strip("/")),
        cafile=cafile,
    )


def _checked_prefix(prefix: str) -> str:
    if not prefix:
        return f"spotlet/{safe_name(socket.gethostname().partition('.')[0])}"
    levels = prefix.split("/")
    printable = prefix.isprintable() and len(prefix.encode(errors="replace"))
    if "" in levels or re.search(r"[+#\ufffd]", prefix) or prefix[0] == "$" or not printable:
        raise UsageError(
            f"topic prefix {prefix!r}: its levels must not be empty, nor hold + or #, nor begin "
            "with $"
        )
    if printable > LONGEST_PREFIX_BYTES:
        raise UsageError(f"topic prefix {prefix[:40]}...: at most {LONGEST_PREFIX_BYTES} bytes")
    return prefix

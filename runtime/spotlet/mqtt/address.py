"""The address of a broker, with user, password and topic prefix."""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from spotlet.errors import UsageError
from spotlet.sinks.file_names import safe_name

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The default port by scheme. Source: IANA service names, `mqtt` and `secure-mqtt`."""

LONGEST_PREFIX_BYTES = 200
"""With a source's name and the last level a topic then stays far below MQTT's 65,535."""

# Must not look like a URL with credentials, which are removed from messages.
_REMEDY = (
    "--mqtt URL: must be mqtt://host:port/topic-prefix or mqtts://..., with a port up to 65535; "
    "user:password@ goes before the host, with all but letters and digits percent-encoded"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker, and how to log in to it.

    Attributes:
        host: a name or an address.
        port: 1 to 65,535.
        tls: whether the connection is encrypted and the broker's certificate checked.
        user: None to log in without one.
        password: None to log in without one.
        prefix: the first levels of every topic, without a slash at either end.
        cafile: certificates of the authorities to trust; None uses the system's.
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
        """Its name for display, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}/{self.prefix}"


def locate_broker(
    url: str, *, password: str | None = None, cafile: Path | None = None
) -> BrokerAddress:
    """Returns the broker that a URL names, without connecting to it.

    Args:
        url: `mqtt[s]://[user[:password]@]host[:port]/[topic-prefix]`; the default prefix is
            `spotlet/` and the name of this machine.
        password: used if the URL has none.
        cafile: see `BrokerAddress`.

    Raises:
        UsageError: the URL breaks the rule, or the other arguments do not fit it. The message
            contains nothing of the URL.

    Example:
        >>> locate_broker("mqtts://me:secret@10.0.0.2/yard/cameras").name
        'mqtts://10.0.0.2:8883/yard/cameras'
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in PORTS:
        raise UsageError(_REMEDY)
    try:
        parts = urlsplit(url)
        port = PORTS[scheme] if parts.port is None else parts.port
    except ValueError:  # its message may contain the password
        raise UsageError(_REMEDY) from None
    host = parts.hostname or ""
    has_more = parts.query or parts.fragment or "?" in url or "@" in parts.path
    if port == 0 or has_more or not re.fullmatch(r"\S+", host):
        raise UsageError(_REMEDY)
    user = unquote(parts.username) if parts.username else None
    own_password = unquote(parts.password) if parts.password else password
    if user is None and own_password is not None:
        raise UsageError("--mqtt URL: a password needs a user; write user@ before the host")
    if cafile is not None and scheme != "mqtts":
        raise UsageError(f"certificates {cafile}: need an mqtts:// URL")
    return BrokerAddress(
        host=host,
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
            f"topic prefix {prefix!r}: its levels must not be empty or contain + or #, and it must "
            "not begin with $"
        )
    if printable > LONGEST_PREFIX_BYTES:
        raise UsageError(f"topic prefix {prefix[:40]}...: at most {LONGEST_PREFIX_BYTES} bytes")
    return prefix

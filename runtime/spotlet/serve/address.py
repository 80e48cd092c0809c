"""The address that a run is served at: its socket and its token."""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass, field

from spotlet.errors import OutputError, UsageError
from spotlet.lifetime import Closing

TOKEN_VARIABLE = "SPOTLET_SERVE_TOKEN"
"""The environment variable that may hold the token."""

LEAST_TOKEN = 16
"""Characters of a token. A thousand tries per second do not find it in a lifetime."""

BACKLOG = 64
"""Connections waiting to be accepted."""

SEND_BYTES = 128 * 1024
"""A connection's buffer in the kernel: bounds how far behind a slow viewer can be."""

_LOOPBACK = "127.0.0.1"
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")  # valid unquoted in a header, a cookie and a URL


@dataclass(frozen=True, slots=True)
class ServeAddress:
    """An address to serve at, as given.

    Attributes:
        host: a name or an IP address, without brackets.
        port: 0 for any free one.
        token: what a viewer must present; None if any user of this machine may watch.
    """

    host: str
    port: int
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, token: str | None = None) -> "ServeAddress":
        """Returns the address that `HOST:PORT`, `[IPV6]:PORT` or `PORT` means.

        Args:
            text: a port alone means 127.0.0.1.
            token: see the class; an empty one counts as None.

        Raises:
            UsageError: it is not an address, or the token breaks its rule.

        Example:
            >>> ServeAddress.parse("[::1]:8080")
            ServeAddress(host='::1', port=8080)
        """
        host, _, port = text.rpartition(":") if ":" in text else (_LOOPBACK, "", text)
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        digits = port.isascii() and port.isdecimal()
        if not host or not digits or int(port) > 65535 or (":" in host) != bracketed:
            raise UsageError(
                f"--serve {text}: must be HOST:PORT, as in {_LOOPBACK}:8080 or [::1]:8080, with a "
                "port up to 65535"
            )
        if token and (len(token) < LEAST_TOKEN or not _TOKEN.fullmatch(token)):
            raise UsageError(
                f"--serve {text}: the token must have {LEAST_TOKEN} characters or more, of A-Z a-z "
                "0-9 . _ ~ -; create one with "
                'python3 -c "import secrets; print(secrets.token_urlsafe())"'
            )
        return cls(host, int(port), token or None)


class Listener(Closing):
    """A socket that listens on an address; clients wait until a server takes it over.

    Attributes:
        address: as given.
        host_in_url: the host as given, with the brackets that a URL needs.
        socket: the server's, once it is served.
        is_loopback: whether only this machine can connect.
    """

    def __init__(self, address: ServeAddress) -> None:
        """Starts to listen.

        Raises:
            UsageError: the host is unknown, or others could connect and there is no token.
            OutputError: the port is in use or not permitted.
        """
        self.address = address
        self.host_in_url = f"[{address.host}]" if ":" in address.host else address.host
        where = f"{self.host_in_url}:{address.port}"
        try:
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"--serve {where}: unknown host; use one of this machine's addresses"
            ) from error
        family, _, _, _, place = found[0]
        self.is_loopback = ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback
        if not self.is_loopback and address.token is None:
            raise UsageError(
                f"--serve {where}: needs a token, since others could connect: set "
                f"{TOKEN_VARIABLE}, or serve on {_LOOPBACK}"
            )
        try:
            self.socket = socket.create_server(place, family=family, backlog=BACKLOG)
        except OSError as error:
            raise OutputError(
                f"--serve: cannot listen on {where} ({os.strerror(error.errno or 0)}); choose "
                "another port, or 0 for any free one"
            ) from error
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)

    @property
    def port(self) -> int:
        """The actual port, also if 0 was given."""
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """The address for a browser, without the token."""
        return f"http://{self.host_in_url}:{self.port}/"

    def close(self) -> None:
        """Stops listening. A second call does nothing."""
        self.socket.close()

"""Where a run is served, and who may look: the address, its socket, the token."""

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
"""Characters. At random ones, a thousand tries a second find none in a lifetime."""

BACKLOG = 64
"""Connections that wait to be accepted."""

SEND_BYTES = 128 * 1024
"""Of a connection in the kernel: what a slow viewer still gets of the past."""

_LOOPBACK = "127.0.0.1"
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")  # what a header, a cookie and a URL all take as it is
_MAKE_TOKEN = 'python3 -c "import secrets; print(secrets.token_urlsafe())"'
_NEED_TOKEN = (
    f"needs a token, since anybody there could look: set {TOKEN_VARIABLE}, or serve on {_LOOPBACK}"
)


@dataclass(frozen=True, slots=True)
class ServeAddress:
    """A place to serve at, as it was asked for.

    Attributes:
        host: a name or an IP address, without brackets.
        port: 0 for any that is free.
        token: what a viewer must have; None where anybody on this machine may look.
    """

    host: str
    port: int
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, token: str | None = None) -> "ServeAddress":
        """Returns the address that `HOST:PORT`, `[IPV6]:PORT` or `PORT` means.

        Args:
            text: a port alone is one of 127.0.0.1.
            token: see the class; an empty one is none.

        Raises:
            UsageError: it is no address, or the token breaks its rule.

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
                f"0-9 . _ ~ -; {_MAKE_TOKEN} makes one"
            )
        return cls(host, int(port), token or None)


class Listener(Closing):
    """A socket that listens at an address; who connects waits until a server takes it over.

    Attributes:
        address: what was asked for.
        socket: the server's, once it is served.
        is_loopback: whether only this machine can connect.
    """

    def __init__(self, address: ServeAddress) -> None:
        """Begins to listen.

        Raises:
            UsageError: there is no such host, or others could connect and there is no token.
            OutputError: the port is taken, or may not be used.
        """
        self.address = address
        told = f"--serve {_join(address.host, address.port)}"
        try:
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (OSError, UnicodeError) as error:
            raise UsageError(f"{told}: no such host here; give one of its addresses") from error
        family, _, _, _, place = found[0]
        self.is_loopback = ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback
        if not self.is_loopback and address.token is None:
            raise UsageError(f"{told}: {_NEED_TOKEN}")
        try:
            self.socket = socket.create_server(place, family=family, backlog=BACKLOG)
        except OSError as error:
            raise OutputError(
                f"{told}: cannot be listened at ({os.strerror(error.errno or 0)}); choose another "
                "port, or 0 for any that is free"
            ) from error
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)

    @property
    def port(self) -> int:
        """The real one, also where 0 was asked for."""
        return int(self.socket.getsockname()[1])

    @property
    def host_in_url(self) -> str:
        """The host as it was asked for, with the brackets that a URL needs."""
        return _join(self.address.host, self.port).rpartition(":")[0]

    @property
    def url(self) -> str:
        """Where to point a browser, without the token."""
        return f"http://{self.host_in_url}:{self.port}/"

    def close(self) -> None:
        """Listens no more. A second call does nothing."""
        self.socket.close()


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""Users, passwords and tokens, kept out of messages."""

import re
from urllib.parse import unquote

HIDDEN = "***"

_SECRET_KEY = re.compile(
    r"pass|pwd|psw|token|key|auth|secret|user|usr|login|sig|sess|cred|^(u|p|pw|pin)$", re.IGNORECASE
)
_KEY_AND_VALUE = r"([^=&?#/;,\s]*?)="
# In a query, everything up to the next `&`; some cameras have it in the path, between `_` or `/`.
_IN_QUERY = re.compile(rf"([?&#]){_KEY_AND_VALUE}([^&#\s]*)")
_IN_PATH = re.compile(rf"([/;,_]){_KEY_AND_VALUE}((?:(?!_[a-z]+=)[^&#/;,?\s])*)", re.IGNORECASE)
# Everything before the last `@` that a host may follow. A password may contain any character, and
# after a port an `@` belongs to the path, unless what follows looks like a host.
_USER_INFO = re.compile(
    r"(\w[\w+.-]*:/+)"
    r"(?:[^/?#\s]*@|[^/?#@:\[\s]*:(?!\d*(?:[/?#\s]|$))\S*@|[^/?#@:\[\s]*:\d+[/?#]\S*@(?=[\w.-]+[:/.]))"
)
_ENDS_USER_INFO = re.compile(r"[@/?#\[\]\\\s]|%(?![0-9A-Fa-f]{2})")
_NO_SCHEME = re.compile(r"(?<![\w/])[\w.%+-]+:[^\s@/]+@(?=\S)")


def without_credentials(url: str) -> str:
    """Returns the URL without user and password, and without the values of secret parameters.

    Args:
        url: of any scheme; if it is ambiguous, more is hidden than necessary.

    Example:
        >>> without_credentials("http://admin:secret@10.0.0.7/live?token=secret&channel=1")
        'http://10.0.0.7/live?token=***&channel=1'
    """
    url = _USER_INFO.sub(r"\1", url)
    return _IN_PATH.sub(_hide_secret, _IN_QUERY.sub(_hide_secret, url))


def needs_encoding(url: str) -> bool:
    """Whether a URL's user or password holds characters that end it, unless percent-encoded.

    Example:
        >>> needs_encoding("rtsp://admin:se#cret@10.0.0.7/door")
        True
    """
    found = _USER_INFO.match(url)
    return found is not None and _ENDS_USER_INFO.search(found[0][len(found[1]) : -1]) is not None


def hide_credentials(text: str) -> str:
    """Returns a message without credentials, even of mistyped URLs.

    Example:
        >>> hide_credentials("rtsp://admin:secret@10.0.0.7/door: no such file")
        'rtsp://10.0.0.7/door: no such file'
    """
    words = re.split(r"(\s+)", text)
    hidden = [
        without_credentials(word) if "://" in word or ":/" in word else word for word in words
    ]
    return _NO_SCHEME.sub(f"{HIDDEN}@", "".join(hidden))


def _hide_secret(found: re.Match[str]) -> str:
    before, key, value = found.groups()
    secret = value and _SECRET_KEY.search(unquote(key)) is not None
    return f"{before}{key}={HIDDEN if secret else value}"

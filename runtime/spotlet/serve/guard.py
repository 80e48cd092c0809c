"""Access control in front of every page of a served run."""

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotlet.serve.address import Listener
from spotlet.sinks.sink import OnFailure

COOKIE_SECONDS = 30 * 24 * 3600
"""How long a browser stays logged in before it needs the link with the token again."""

METHODS = ("GET", "HEAD")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Security headers of every response: nothing from elsewhere, no embedding, no caching."""

_NO_TOKEN = "401: open this page once with ?token=TOKEN, or send Authorization: Bearer TOKEN\n"


class Guard:
    """Admits authorised requests, adds the security headers, and answers errors.

    With a token, every path needs it. Without one, the requested host must be a name of this
    machine: else a page from elsewhere could read everything after its name was made to resolve
    to 127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, listener: Listener, on_failure: OnFailure) -> None:
        """Guards an application.

        Args:
            app: the application.
            listener: where it is served.
            on_failure: called once, with an error of the application.
        """
        self._app = app
        self._token = listener.address.token
        self._cookie = f"spotlet_{listener.port}"  # cookies are shared by all ports of a host
        self._hosts = {"localhost", "127.0.0.1", "[::1]", listener.host_in_url.lower()}
        self._on_failure = on_failure
        self._has_reported = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for key, value in query if key == "token"]
        app: ASGIApp = self._app
        if self._token is None and _host(headers) not in self._hosts:
            app = _refusal(421, "421: served on this machine only, as localhost or 127.0.0.1\n")
        elif self._token is not None and not self._admits(self._token, headers, given):
            app = _refusal(401, _NO_TOKEN, {"WWW-Authenticate": "Bearer"})
        elif scope["method"] not in METHODS:
            app = _refusal(405, "405: only GET and HEAD\n", {"Allow": ", ".join(METHODS)})
        elif self._token is not None and given:
            rest = [(key, value) for key, value in query if key != "token"]
            app = self._log_in(scope["path"], rest, headers)
        await self._answer(app, scope, receive, send)

    def _admits(self, token: str, headers: Headers, given: list[str]) -> bool:
        """Returns whether a request has the token, and no wrong one too."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = [*given, *([bearer.strip()] if scheme.lower() == "bearer" else [])]
        if not shown:
            try:
                cookies = SimpleCookie(headers.get("cookie", ""))
            except CookieError:
                return False
            shown = [cookies[self._cookie].value] if self._cookie in cookies else []
        matches = [hmac.compare_digest(each.encode(), token.encode()) for each in shown]
        return bool(matches) and all(matches)

    def _log_in(self, path: str, query: list[tuple[str, str]], headers: Headers) -> Response:
        """Returns a response that stores the token in a cookie and leads to the URL without it."""
        # Relative, so that it also works behind a proxy that serves this under another path.
        place = f"./{quote(path.rpartition('/')[2])}{'?' if query else ''}{urlencode(query)}"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # After a link on another site, a browser sends no strict cookie along a redirect.
            page = f'<!doctype html><meta http-equiv="refresh" content="0; url={place}">'
            answer = Response(page, media_type="text/html")
        else:
            answer = Response(status_code=303, headers={"Location": place})
        answer.set_cookie(
            self._cookie,
            self._token or "",
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await app(scope, receive, send_guarded)
        except Exception as error:
            if not self._has_reported:
                self._has_reported = True
                self._on_failure(
                    f"serving: {type(error).__name__}: {error}; detection continues; further "
                    "errors are not reported"
                )
            if begun:
                raise  # the connection is closed, so the viewer notices
            await _refusal(500, "500: see the run's own messages\n")(scope, receive, send_guarded)


def _host(headers: Headers) -> str:
    """Returns the requested host, without its port."""
    host = headers.get("host", "").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    # Closed, so that a refused client holds no connection.
    return PlainTextResponse(text, status, {"Connection": "close", **(headers or {})})

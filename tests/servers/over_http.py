"""HTTP servers on the loopback interface, for streams and files."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Handler = Callable[..., http.server.BaseHTTPRequestHandler]


@contextmanager
def serve(handler: Handler) -> Iterator[str]:
    """Serves what a handler answers; yields the URL, without a path."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serves the files of a folder; yields the URL of the folder."""
    with serve(functools.partial(_QuietFiles, directory=str(folder))) as url:
        yield url


class _QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

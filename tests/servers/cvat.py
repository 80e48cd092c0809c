"""The part of CVAT's REST interface that `cvat-cli task auto-annotate` uses, with one task."""

import http.server
import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

TASK = 137
FIRST_LABEL_ID = 41
DATE = "2026-01-01T00:00:00Z"


class StandInCvat:
    """A task of pictures; what is uploaded to it is kept.

    Attributes:
        uploads: action and content of each upload of annotations.
        unknown: requests for which there is no answer.
    """

    def __init__(self, pictures: Mapping[str, bytes], labels: Sequence[str], token: str) -> None:
        """Takes the files of pictures by name, the task's labels and the key that opens it."""
        self.uploads: list[tuple[str, Any]] = []
        self.unknown: list[str] = []
        self._pictures, self._labels, self._token = pictures, labels, token
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(outer._content(self.path, self.headers.get("Authorization", "")))

            def do_PATCH(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                action = parse_qs(urlsplit(self.path).query).get("action", [""])[0]
                outer.uploads.append((action, json.loads(body)))
                self._answer(json.loads(body) | {"version": 1, "tracks": []})

            def _answer(self, content: Any) -> None:
                kind = "application/zip" if isinstance(content, bytes) else "application/json"
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "StandInCvat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _content(self, path: str, key: str) -> Any:
        place, words = urlsplit(path).path.rstrip("/"), parse_qs(urlsplit(path).query)
        if place == "/api/server/about":
            texts = dict.fromkeys(("name", "description", "logo_url", "subtitle"), "")
            return texts | {"version": "2.80.0"}
        if not key.endswith(self._token):
            return None
        if place == "/api/users/self":
            return {"id": 1, "username": "someone", "url": ""}
        if place == f"/api/tasks/{TASK}":
            return self._task()
        if place == f"/api/tasks/{TASK}/data/meta":
            sizes = {"width": 0, "height": 0, "related_files": 0}
            frames = [{"name": name} | sizes for name in self._pictures]
            dates = {"chunks_updated_date": DATE}
            return {"frames": frames, "deleted_frames": [], "size": len(frames)} | dates
        if place == f"/api/tasks/{TASK}/data" and words["type"] == ["chunk"]:
            return self._chunk()
        if place == "/api/labels":
            rows = enumerate(self._labels, FIRST_LABEL_ID)
            found = [
                {"id": at, "name": name, "type": "any", "attributes": [], "sublabels": []}
                for at, name in rows
            ]
            return {"count": len(found), "next": None, "previous": None, "results": found}
        self.unknown.append(path)
        return None

    def _task(self) -> dict[str, Any]:
        return {
            "id": TASK,
            "name": "parts",
            "size": len(self._pictures),
            "mode": "annotation",
            "data_chunk_size": len(self._pictures),
            "data_original_chunk_type": "imageset",
            "created_date": DATE,
            "updated_date": DATE,
            "jobs": {"count": 1, "completed": 0, "validation": 0, "url": ""},
            "labels": {"url": ""},
            "organization": None,
            "organization_id": None,
        }

    def _chunk(self) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for number, (name, picture) in enumerate(self._pictures.items()):
                archive.writestr(f"{number:06d}.{name.rpartition('.')[2]}", picture)
        return content.getvalue()

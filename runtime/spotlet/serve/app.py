"""The pages of a served run: the page itself, events, pictures, health and metrics."""

from importlib import resources
from typing import Any

from prometheus_client import generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from spotlet.events import encode_event, model_event
from spotlet.serve.board import Board, SourceRecord
from spotlet.serve.metrics import CONTENT_TYPE, RunMetrics
from spotlet.serve.pictures import Pictures
from spotlet.serve.viewers import MOST_VIEWERS, Viewers

PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The file in this package's folder `page`, and its type, by path."""

_LATER = {"Retry-After": "1"}


def make_app(board: Board, viewers: Viewers, pictures: Pictures, title: str) -> Starlette:
    """Returns the application; `docs/serve.md` describes its paths.

    Args:
        board: the records of the sources.
        viewers: those of the events.
        pictures: the newest of each source.
        title: of the run, for display.
    """
    run_metrics = RunMetrics(board, viewers, pictures)

    async def events(request: Request) -> Response:
        names = request.query_params.getlist("source")
        found = [board.find(name) for name in names]
        if None in found:
            return PlainTextResponse("Not Found", 404)
        if viewers.full:
            text = f"503: {MOST_VIEWERS} viewers already; try again later\n"
            return PlainTextResponse(text, 503, {"Retry-After": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        wanted = frozenset(name for name in found if name is not None)
        # nginx would buffer events until there are many.
        unbuffered = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            viewers.watch(wanted or frozenset(board.sources)), 200, unbuffered, "text/event-stream"
        )

    async def snapshot(request: Request) -> Response:
        source = board.find(request.path_params["name"])
        if source is None:
            return PlainTextResponse("Not Found", 404)
        picture = await pictures.newest(source)
        if picture is None:
            return PlainTextResponse("503: no frame yet\n", 503, _LATER)
        which = {"Spotlet-Frame": str(picture.frame), "Spotlet-Epoch": str(picture.epoch)}
        return Response(picture.jpeg, headers=which, media_type="image/jpeg")

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(run_metrics), headers={"Content-Type": CONTENT_TYPE})

    async def health(request: Request) -> Response:
        records = board.records()
        up = [board.is_up(record) for record in records]
        sources = [_health(record, is_up) for record, is_up in zip(records, up, strict=True)]
        content = {
            "status": "ok" if any(up) else "down",
            "title": title,
            "model": None if board.model is None else str(board.model),
            "refused": None if board.refusal is None else model_event(board.refusal),
            "sources": sources,
        }
        status = 200 if any(up) else 503
        return Response(encode_event(content), status, media_type="application/json")

    app = Starlette(
        routes=[
            *(_page_route(path, *page) for path, page in PAGE_FILES.items()),
            Route("/events", events),
            Route("/snapshot/{name}.jpg", snapshot),
            Route("/metrics", metrics),
            Route("/healthz", health),
        ]
    )
    app.router.redirect_slashes = False  # `/metrics/` is not a path of this application
    return app


def _page_route(path: str, name: str, media_type: str) -> Route:
    content = resources.files("spotlet.serve").joinpath("page", name).read_bytes()

    async def page(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return Route(path, page)


def _health(record: SourceRecord, is_up: bool) -> dict[str, Any]:
    status, age = record.status, record.age_seconds
    return {
        "source": record.source,
        "slug": record.slug,
        "up": is_up,
        "state": record.state,
        "at": None if status is None else round(status.at, 3),
        "reason": None if status is None else status.reason,
        "decoder": None if record.newest is None else record.newest.frame.decoder,
        "frames": record.frames,
        "still": record.still,
        "dropped": record.dropped,
        "frames_per_second": round(record.rate, 1),
        "age_ms": None if age is None else round(age * 1000, 1),
    }

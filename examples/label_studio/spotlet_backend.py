"""A Spotlet model as an ML backend of Label Studio; see README.md."""

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from spotlet import Detection, Detector, SpotletError
from spotlet.image_files import decode_image

MOST_BYTES = 50_000_000
LABEL_STUDIO_URL = os.environ.get("LABEL_STUDIO_URL", "http://localhost:8080")
API_KEY = os.environ.get("LABEL_STUDIO_API_KEY", "")

FAULTS = (
    *(ValueError, KeyError, TypeError, ElementTree.ParseError),  # in the request
    *(OSError, http.client.HTTPException, SpotletError),  # of a picture
)

detector = Detector(os.environ.get("SPOTLET_MODEL", "garments"))
digest = hashlib.sha256(detector.session.path.read_bytes()).hexdigest()
# Label Studio asks a version only once for a task, so that a retrained model must have another.
model_version = f"{detector.manifest.name}@{digest[:16]}"


def rectangles_of(label_config: str) -> tuple[str, str, str, set[str]]:
    """Returns the names of the project's rectangles and image, the image's key, and the labels."""
    root = ElementTree.fromstring(label_config)
    images = {each.get("name"): each.get("value", "") for each in root.iter("Image")}
    for tag in root.iter("RectangleLabels"):
        name, image = tag.get("name", ""), tag.get("toName", "")
        if image in images:
            labels = {label.get("value", "") for label in tag.iter("Label")}
            return name, image, images[image].removeprefix("$"), labels
    raise ValueError("the project's labelling interface has no RectangleLabels for an Image")


def load(url: str) -> bytes:
    """Returns a picture. Only Label Studio itself gets the key, also when it redirects."""
    whole = urljoin(LABEL_STUDIO_URL, url)
    if urlsplit(whole).scheme not in ("http", "https"):
        raise ValueError(f"{whole}: must be an http or https address")
    request = urllib.request.Request(whole)
    if API_KEY and urlsplit(whole)[:2] == urlsplit(LABEL_STUDIO_URL)[:2]:
        request.add_unredirected_header("Authorization", f"Token {API_KEY}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: bytes = answer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{whole}: over {MOST_BYTES} bytes")
    return content


def results(
    found: Iterator[Detection], size_hw: tuple[int, int], names: tuple[str, str]
) -> list[dict[str, Any]]:
    """Returns rectangles in per cent of the upright picture, as Label Studio draws them."""
    height, width = size_hw
    rows = []
    for number, one in enumerate(found):
        left, top, right, bottom = one.box_xyxy
        value = {
            "x": 100 * left / width,
            "y": 100 * top / height,
            "width": 100 * (right - left) / width,
            "height": 100 * (bottom - top) / height,
            "rotation": 0,
            "rectanglelabels": [one.name],
        }
        rows.append(
            {
                "id": f"spotlet{number}",
                "type": "rectanglelabels",
                "from_name": names[0],
                "to_name": names[1],
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "score": round(one.score, 4),
                "value": value,
            }
        )
    return rows


def predict_tasks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns one prediction a task, in their order; classes that are not labels are left out."""
    name, image_name, key, labels = rectangles_of(content["label_config"])
    predictions = []
    for task in content["tasks"]:
        image = decode_image(load(task["data"][key]))
        found = [one for one in detector(image) if one.name in labels]
        rows = results(iter(found), (image.shape[0], image.shape[1]), (name, image_name))
        score = min((one.score for one in found), default=0.0)  # the most doubtful ones first
        predictions.append({"result": rows, "score": score, "model_version": model_version})
    return predictions


async def predict(request: Request) -> JSONResponse:
    """Answers with the predictions, or with what is wrong in one line."""
    try:
        found = await run_in_threadpool(predict_tasks, await request.json())
    except FAULTS as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
    return JSONResponse({"results": found, "model_version": model_version})


async def setup(request: Request) -> JSONResponse:
    """Says which model it is; the key that Label Studio sends is not used."""
    return JSONResponse({"model_version": model_version})


async def health(request: Request) -> JSONResponse:
    """Says that the service is there."""
    return JSONResponse({"status": "UP", "model_class": "Spotlet"})


async def nothing(request: Request) -> JSONResponse:
    """Accepts events on annotations and ignores them: `spotlet train` trains."""
    return JSONResponse({}, 201)


app = Starlette(
    routes=[
        Route("/", health),
        Route("/health", health),
        Route("/setup", setup, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/webhook", nothing, methods=["POST"]),
        Route("/train", nothing, methods=["POST"]),
    ]
)

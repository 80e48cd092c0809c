"""A service that detects in pictures.

pip install spotlet fastapi uvicorn
SPOTLET_MODEL=everyday uvicorn fastapi_service:app
curl -H "Content-Type: image/jpeg" --data-binary @picture.jpg http://127.0.0.1:8000/detect
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST_BYTES = 10_000_000
MOST_PIXELS = 50_000_000  # a small file may unfold to gigabytes; OpenCV reads this when it loads
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_PIXELS))

from fastapi import FastAPI, HTTPException, Request  # noqa: E402

from spotlet import Detector, SpotletError  # noqa: E402
from spotlet.events import detections_json  # noqa: E402
from spotlet.image_files import decode_image  # noqa: E402

app = FastAPI(title="Spotlet")
detector = Detector(os.environ.get("SPOTLET_MODEL", "everyday"))
workers = ThreadPoolExecutor(max_workers=2)  # the event loop answers others meanwhile


@app.get("/healthz")
async def healthz() -> dict[str, Any]:
    """Says that the service is there, and what it looks for."""
    return {"status": "ok", "model": detector.manifest.name, "classes": detector.class_names}


@app.post("/detect")
async def detect(request: Request) -> dict[str, Any]:
    """Returns what is in the picture that is the body of the request."""
    if not request.headers.get("content-type", "").startswith("image/"):
        raise HTTPException(415, "the body must be a picture, its Content-Type image/...")
    content = bytearray()
    async for part in request.stream():  # a Content-Length may be missing or wrong
        content += part
        if len(content) > MOST_BYTES:
            raise HTTPException(413, f"a picture may have {MOST_BYTES} bytes at most")
    return await asyncio.get_running_loop().run_in_executor(workers, find, bytes(content))


def find(content: bytes) -> dict[str, Any]:
    """Decodes a picture and detects in it."""
    try:
        image = decode_image(content)
    except SpotletError as error:
        raise HTTPException(400, str(error)) from error
    height, width = image.shape[:2]
    return {"width": width, "height": height, "detections": detections_json(detector(image))}

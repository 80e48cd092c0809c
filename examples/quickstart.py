"""A picture, then a video: python quickstart.py [picture.jpg [clip.mp4]]."""

import sys

import cv2

from spotlet import Detector, open_stream
from spotlet.annotate import draw_detections
from spotlet.image_files import read_image
from spotlet.sinks import NdjsonSink, VideoSink

picture, clip = (*sys.argv[1:], "docs/person.jpg", "models/spotlet_models/clips/people.mp4")[:2]
detector = Detector("everyday")  # a bundled model, a package folder, or an .onnx file

image = read_image(picture)
detections = detector(image)
for found in detections:
    print(found.name, round(found.score, 2), found.box_xyxy)
cv2.imwrite("annotated.png", draw_detections(image, detections))

with (
    open_stream(clip) as stream,
    VideoSink("annotated.mp4", stream.fps, real_time=True) as video,
    NdjsonSink("detections.ndjson") as lines,
):
    for frame in stream:
        detections = detector(frame.image)
        video.write(frame, detections)
        lines.write(frame, detections)

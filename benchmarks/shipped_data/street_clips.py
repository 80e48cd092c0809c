"""Cuts the demo's street clips out of films of intel-iot-devkit/sample-videos.

    git clone https://github.com/intel-iot-devkit/sample-videos
    pip install av
    python -m benchmarks.shipped_data.street_clips sample-videos

writes the shipped files again, to `models/spotlet_models/clips`: of each film the frames that its
`counts.json` keeps, at the film's size and rate, as H.264 in MP4. `counts.json` and `LICENSES.md`
are written by hand.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from spotlet.atomic import atomic_file
from spotlet.errors import InputError, SpotletError, UsageError

QUALITY = {"crf": "24", "preset": "veryslow"}
"""Of x264: three clips in 2.5 MB, in which no artefact is visible."""


def cut_film(film: Path, clip: Path, kept: Sequence[tuple[int, int]]) -> int:
    """Writes the kept frames of a film, one after the other at its rate; returns how many.

    Args:
        film: any video that FFmpeg reads.
        clip: the `.mp4` to write.
        kept: of each stretch the first frame, and the one after its last.

    Raises:
        InputError: the film cannot be read, or ends before the last kept frame.
        OutputError: the clip cannot be written.
    """
    import av

    written = 0
    try:
        with atomic_file(clip) as path, av.open(str(film)) as reader:
            stream = reader.streams.video[0]
            rate = stream.average_rate
            with av.open(str(path), "w", format="mp4") as writer:
                encoder = writer.add_stream("libx264", rate=rate, options=QUALITY)
                encoder.width, encoder.height = stream.width, stream.height
                encoder.pix_fmt = "yuv420p"
                for number, frame in enumerate(reader.decode(stream)):
                    if any(first <= number < after for first, after in kept):
                        frame.pts, frame.time_base = written, 1 / rate
                        frame.pict_type = av.video.frame.PictureType.NONE  # as it compresses best
                        writer.mux(encoder.encode(frame))
                        written += 1
                writer.mux(encoder.encode())
            if written < sum(after - first for first, after in kept):
                raise InputError(f"{film}: ends before frame {kept[-1][1]}; fetch the film again")
    except av.FFmpegError as error:
        raise InputError(f"{film}: cannot be cut ({error})") from error
    return written


def main() -> int:
    """Writes the clips and returns the exit code."""
    parser = argparse.ArgumentParser(description="Cut the demo's street clips.")
    parser.add_argument("films", type=Path, help="folder of the films")
    default = Path(str(resources.files("spotlet_models"))) / "clips"
    parser.add_argument("--out", type=Path, default=default, help="folder [%(default)s]")
    args = parser.parse_args()
    try:
        for clip in json.loads((default / "counts.json").read_text("utf-8"))["clips"]:
            if not (args.films / clip["film"]).is_file():
                raise UsageError(f"{args.films}: has no {clip['film']}; clone sample-videos")
            path = args.out / clip["file"]
            frames = cut_film(args.films / clip["film"], path, clip["kept"])
            print(f"{path}: {frames} frames, {path.stat().st_size / 1e6:.2f} MB")
    except SpotletError as error:
        print(f"clips: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

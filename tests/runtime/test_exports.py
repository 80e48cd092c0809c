import subprocess
import sys

import spotlet
import spotlet.sinks
import spotlet.streams

FOREIGN = ("torch", "torchvision", "onnx", "onnxscript", "matplotlib", "PIL", "yaml")
LAZY = ("tqdm", "faster_coco_eval", "asyncio")


def test_the_public_names_are_these() -> None:
    assert spotlet.__all__ == [
        "Detection",
        "Detections",
        "Detector",
        "Frame",
        "SessionSettings",
        "SpotletError",
        "open_stream",
    ]
    assert all(hasattr(spotlet, name) for name in spotlet.__all__)


def test_the_public_names_of_streams_and_sinks_are_these() -> None:
    assert spotlet.streams.__all__ == [
        "Arrival",
        "Frame",
        "OnStatus",
        "Reconnection",
        "Source",
        "State",
        "StatusEvent",
        "Stream",
        "StreamGroup",
        "locate_source",
        "open_stream",
        "open_streams",
    ]
    assert spotlet.sinks.__all__ == [
        "ImageSink",
        "NdjsonSink",
        "QueueRule",
        "QueuedSink",
        "RecordingSink",
        "Sink",
        "SinkGroup",
        "SnapshotSink",
        "VideoSink",
        "WindowClosed",
        "WindowSink",
        "frame_record",
        "refuse_source",
        "save_sink",
        "save_sinks",
        "snapshot_sink",
    ]


def _loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_runtime_and_its_command_line_load_nothing_of_the_workshops() -> None:
    commands = ", ".join(f"spotlet.commands.{name}" for name in COMMANDS)
    loaded = _loaded(f"import spotlet, spotlet.cli, {commands}")
    assert {"spotlet", "onnxruntime", "cv2"} <= loaded
    assert not loaded & {*FOREIGN, "spotlet_training", "spotlet_export"}


COMMANDS = ("check", "demo", "doctor", "info", "run")


def test_importing_the_runtime_loads_nothing_that_can_wait() -> None:
    assert not _loaded("import spotlet") & {*FOREIGN, *LAZY}


def test_importing_the_runtime_starts_no_thread() -> None:
    code = "import spotlet, threading; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)

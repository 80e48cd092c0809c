import subprocess
import sys

import pytest

import spotlet
import spotlet.running
import spotlet.sinks
import spotlet.streams

pytestmark = pytest.mark.live

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
        "Tracker",
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
        "SourceClock",
        "State",
        "StatusEvent",
        "Stream",
        "StreamGroup",
        "locate_source",
        "open_stream",
        "open_streams",
    ]
    assert spotlet.sinks.__all__ == [
        "CallbackSink",
        "EventSink",
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
        "refuse_source",
        "save_sink",
        "save_sinks",
        "snapshot_sink",
    ]


def test_the_public_names_of_a_run_are_these() -> None:
    assert spotlet.running.__all__ == ["RunCallbacks", "RunSettings", "RunSummary", "run"]


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


COMMANDS = ("bench", "check", "demo", "doctor", "info", "run")


def test_importing_the_runtime_loads_nothing_that_can_wait() -> None:
    assert not _loaded("import spotlet") & {*FOREIGN, *LAZY}


def test_the_runtime_and_its_command_line_load_their_libraries_when_they_are_used() -> None:
    heavy = {"numpy", "cv2", "onnxruntime"}
    assert not _loaded("import spotlet, spotlet.cli; dir(spotlet)") & heavy
    assert not _loaded("from spotlet.cli import main; main(['--help'])") & heavy
    assert heavy <= _loaded("from spotlet import Detector")


def test_a_detector_needs_no_streams() -> None:
    code = "import sys; from spotlet import Detector; assert 'spotlet.streams' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'spotlet' has no attribute 'detect'"):
        spotlet.detect  # noqa: B018
    assert set(spotlet.__all__) <= set(dir(spotlet))


def test_importing_the_runtime_starts_no_thread() -> None:
    code = "import spotlet, threading; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)

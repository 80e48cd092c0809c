"""Ctrl-C does not wait for a library."""

import os
import signal
import threading
import time

import pytest

from spotlet_export.gate.interruption import interruptible


def test_results_and_errors_pass_through() -> None:
    assert interruptible(lambda: 7) == 7
    with pytest.raises(ValueError, match="wrong"):
        interruptible(lambda: int("wrong"))


def test_outside_of_the_main_thread_it_only_calls() -> None:
    names: list[str] = []
    thread = threading.Thread(
        target=lambda: interruptible(lambda: names.append(threading.current_thread().name)),
        name="other",
    )
    thread.start()
    thread.join()
    assert names == ["other"]


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process on Windows")
def test_ctrl_c_ends_the_wait_at_once() -> None:
    end = threading.Event()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            interruptible(lambda: end.wait(30))  # as onnxruntime, it hears nothing of Ctrl-C
    finally:
        end.set()
        timer.join()
    assert time.monotonic() - started < 5

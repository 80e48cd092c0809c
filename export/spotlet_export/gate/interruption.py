"""Long calls into a library, which Ctrl-C does not have to wait for."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

POLL_SECONDS = 0.2
"""How long Windows waits before it looks for Ctrl-C; elsewhere it comes at once."""


def interruptible(call: Callable[[], Result]) -> Result:
    """Returns what a call returns, or raises what it raises.

    Python handles Ctrl-C between its own instructions only, so not while onnxruntime computes.
    That happens in another thread here; after an interrupt, it is left to end by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="spotlet-inference", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
    if errors:
        raise errors[0]
    return results[0]

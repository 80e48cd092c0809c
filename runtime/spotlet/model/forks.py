"""An onnxruntime session that survives `fork`, which copies its memory but not its threads."""

import ctypes
import os
import threading
import weakref
from collections.abc import Callable

import onnxruntime as ort


class ForkedSession:
    """A session that a child process opens again, at its first use there.

    In the child, the copy of a session with threads can neither compute nor be destroyed: both wait
    for threads that are in the parent only. So the copy is never freed.
    """

    def __init__(
        self, session: ort.InferenceSession, open_again: Callable[[], ort.InferenceSession]
    ) -> None:
        """Takes an open session.

        Args:
            session: to use in this process.
            open_again: returns another one for the same file; called in a child process.
        """
        self._session: ort.InferenceSession | None = session
        self._open_again = open_again
        self._lock = threading.Lock()
        _watch(self)

    def get(self) -> ort.InferenceSession:
        """Returns the session of this process; raises what `open_again` does."""
        session = self._session
        if session is None:
            with self._lock:
                session = self._session = self._session or self._open_again()
        return session

    def abandon(self) -> None:
        """Leaves the parent's session to it; called in the child."""
        self._lock = threading.Lock()  # a thread of the parent may have held it
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
            self._session = None


_watched: weakref.WeakSet[ForkedSession] = weakref.WeakSet()
_is_watching = False


def _watch(session: ForkedSession) -> None:
    global _is_watching
    _watched.add(session)
    if not _is_watching and hasattr(os, "register_at_fork"):
        _is_watching = True
        os.register_at_fork(after_in_child=_abandon_all)


def _abandon_all() -> None:
    for session in list(_watched):
        session.abandon()

"""Turns off onnxruntime's telemetry, before its import decides for the whole process.

From 1.29 on, outside Windows, onnxruntime writes a device's id and a database into the user's cache
folder and sends them to its maker. `docs/decisions/0020-nothing-is-sent.md` says why this is the
one thing that `import spotlet` does.
"""

import os
import sys

SWITCH = "ORT_DISABLE_TELEMETRY"
"""The environment variable that onnxruntime reads, once."""

OFF_VALUES = ("1", "true", "yes", "on", "y")
"""The values that turn telemetry off, in upper or lower case; all others leave it on.

Source: onnxruntime 1.32.0, its behaviour with each of them.
"""


def turn_off_telemetry() -> str | None:
    """Sets the switch for this process and those that it starts, unless the user has set it.

    It cannot detect a switch that was set after onnxruntime was imported.

    Returns:
        Why telemetry may still be on, as text; None if it is off.
    """
    if sys.platform == "win32":
        return "on Windows the system's privacy settings decide"
    # An empty variable counts as unset: shells and unit files clear one that way.
    value = os.environ.get(SWITCH, "").strip()
    if value:
        return None if value.lower() in OFF_VALUES else f"{SWITCH} is {value}"
    os.environ[SWITCH] = "1"
    if "onnxruntime" in sys.modules:
        return f"onnxruntime was imported before spotlet, without {SWITCH}=1"
    return None

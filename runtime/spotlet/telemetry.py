"""onnxruntime's telemetry, turned off before its import, which decides for the whole process.

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

    A switch that a program set after importing onnxruntime goes unnoticed.

    Returns:
        Why telemetry may still be on, as text; None where it is off.
    """
    if sys.platform == "win32":
        return "on Windows the system's privacy settings decide"
    # An empty variable says nothing: it is how a shell or a unit file clears one.
    value = os.environ.get(SWITCH, "").strip()
    if value:
        return None if value.lower() in OFF_VALUES else f"{SWITCH} is {value}"
    os.environ[SWITCH] = "1"
    if "onnxruntime" in sys.modules:
        return f"onnxruntime was imported before spotlet, without {SWITCH}=1"
    return None

"""Which distributions spotlet's libraries come from, and which overwrote each other.

Several distributions hold the same module: `opencv-python` and `opencv-python-headless` both write
`cv2`, `onnxruntime` and `onnxruntime-gpu` both write `onnxruntime`. pip silently
installs one over the other, and windows or providers disappear.
"""

import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata

OURS = {"cv2": "opencv-python-headless", "onnxruntime": "onnxruntime"}
"""The modules concerned, each with the distribution that Spotlet requires."""

_LIBRARY_FAULT = re.compile(
    r"cannot open shared object|Library not loaded|DLL load failed|undefined symbol|not found \(req"
)
_DESKTOP_LIBRARY = re.compile(r"lib(GL|EGL|gthread|glib|SM|ICE|Xext|Xrender|X11|xcb)\b")
"""What OpenCV's builds with windows need."""


def distributions_of(module: str) -> list[str]:
    """Returns the names of the installed distributions that hold a top-level module, sorted."""
    return sorted({name for name in _distributions().get(module, ()) if name})


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    """Returns the installed distributions of each top-level module; the search takes 0.2 s."""
    with warnings.catch_warnings():
        # Python 3.12 and later warn about a broken installation without a name.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return metadata.packages_distributions()
        except KeyError:
            return {}


def version_of(name: str) -> str:
    """Returns a distribution's version, or name and version of others in its place.

    Args:
        name: of a distribution with a module of the same name.

    Example:
        >>> version_of("there_is_none")
        'not installed'
    """
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(name)
    others = [f"{other} {metadata.version(other)}" for other in distributions_of(name)]
    return " and ".join(others) or "not installed"


def replacing_commands(module: str, wanted: str) -> str:
    """Returns the commands that leave a module with one distribution, as text.

    All are uninstalled first: a half overwritten module cannot be imported.

    Args:
        module: a top-level module.
        wanted: the distribution.

    Example:
        >>> replacing_commands("there_is_none", "opencv-python")
        '`pip install --no-deps opencv-python`'
    """
    install = f"`pip install --no-deps {wanted}`"
    installed = distributions_of(module)
    return f"`pip uninstall -y {' '.join(installed)}`, then {install}" if installed else install


def overwritten(module: str) -> str | None:
    """Returns which distributions overwrote each other, and the remedy; None if none did.

    Args:
        module: a key of `OURS`.
    """
    installed = distributions_of(module)
    if len(installed) < 2:
        return None
    wanted = next(name for name in installed if name != OURS[module])
    commands = replacing_commands(module, wanted)
    return f"{' and '.join(installed)} overwrite each other; for {wanted} alone: {commands}"


def origin(module: str) -> str:
    """Returns where a module comes from, and any remedy, as text.

    Args:
        module: a key of `OURS`.
    """
    installed = distributions_of(module)
    if not installed:
        return "no distribution known to pip"
    text = overwritten(module) or installed[0]
    if OURS[module] in installed:
        return text
    return f"{text}, not {OURS[module]}: install with --no-deps, or pip puts that back over it"


def library_fault(error: ImportError) -> str | None:
    """Returns which shared library a package misses, and the remedy; None for other errors."""
    reason = " ".join(str(error).split())
    if not _LIBRARY_FAULT.search(reason):
        return None
    module = (error.name or "").partition(".")[0]
    if module == "cv2" or _DESKTOP_LIBRARY.search(reason):
        return (
            f"OpenCV cannot be loaded ({reason}); without a desktop "
            f"{replacing_commands('cv2', OURS['cv2'])}; on one, install the library with the "
            "system's packages (Debian, Ubuntu: apt install libgl1 libglib2.0-0)"
        )
    return f"{module or 'a package'} cannot be loaded ({reason}); install that library"

"""Still scenes: whether a picture shows anything that moved."""

from spotlet.stillness.scene import Scene
from spotlet.stillness.settings import StillSettings

__all__ = ["Scene", "StillSettings"]

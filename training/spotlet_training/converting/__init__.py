"""A labelled set, written in another format."""

from spotlet_training.converting.converting import (
    FORMATS,
    Conversion,
    SplitCount,
    convert_set,
)

__all__ = ["FORMATS", "Conversion", "SplitCount", "convert_set"]

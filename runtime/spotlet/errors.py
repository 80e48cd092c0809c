"""The errors that Spotlet raises on purpose.

    SpotletError              exit  1   never raised itself: catch it to catch all
    ├── UsageError            exit  2   an argument or a setting breaks a rule
    │   └── SettingError                a setting of a run
    ├── GateError             exit  3   a check did not pass; nothing was written
    │   └── TrainingError               training cannot continue
    └── InputError            exit  4   something outside cannot be read or written
        ├── ModelFileError              a model file or its manifest
        ├── SourceError                 an image, a video, a camera
        ├── DatasetError                a labelled set
        ├── CheckpointError             a trained network's weights
        ├── RunnerError                 a program that computes a network
        └── OutputError                 a place to write to

A message is one line: what was given, the rule, the remedy.
"""


class SpotletError(Exception):
    """The base of all errors that Spotlet raises on purpose."""

    exit_code = 1


class UsageError(SpotletError):
    """An argument, an option or a setting breaks a stated rule."""

    exit_code = 2


class SettingError(UsageError):
    """A setting of a run breaks its rule; the names of settings are in backquotes."""


class GateError(SpotletError):
    """A check did not pass, so what it guards was not written."""

    exit_code = 3


class TrainingError(GateError):
    """Training cannot continue; the best checkpoint so far is kept."""


class InputError(SpotletError):
    """Something outside the program cannot be read or written."""

    exit_code = 4


class ModelFileError(InputError):
    """A model file, its package or its manifest cannot be used."""


class SourceError(InputError):
    """An image, a folder, a video file, a camera or a URL cannot be read."""


class DatasetError(InputError):
    """A labelled set is missing, damaged or contradicts itself."""


class CheckpointError(InputError):
    """A checkpoint cannot be read."""


class RunnerError(InputError):
    """A program that computes a network cannot be started, ended, hung or answered nonsense."""


class OutputError(InputError):
    """A file or folder cannot be written."""

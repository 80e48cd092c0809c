"""The callbacks of an adoption."""

from collections.abc import Callable
from dataclasses import dataclass, field

from spotlet_export.adoption.preview import Preview
from spotlet_export.adoption.trials.proposal import Proposal
from spotlet_export.gate.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Callbacks of an adoption.

    Attributes:
        on_step: called with the step that starts.
        on_progress: called with how many frames of that step are done, and how many there are.
        on_remark: called with what was found or assumed.
        on_report: called with what was measured, passed or not.
        confirm: called with the preview; returns whether its boxes are right.
        propose: called where the reading is in doubt and another finds objects, with the preview
            of that; returns whether to adopt it so. By default it is not.
    """

    on_step: Callable[[str], None] = field(default=lambda _: None)
    on_progress: Callable[[int, int], None] = field(default=lambda _, __: None)
    on_remark: Callable[[str], None] = field(default=lambda _: None)
    on_report: Callable[[Report], None] = field(default=lambda _: None)
    confirm: Callable[[Preview], bool] = field(default=lambda _: True)
    propose: Callable[[Proposal, Preview], bool] = field(default=lambda *_: False)

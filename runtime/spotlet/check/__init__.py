"""Does this model compute here what it computed where it was proven?"""

from spotlet.check.report import CheckReport, CheckRow
from spotlet.check.verification import check_model

__all__ = ["CheckReport", "CheckRow", "check_model"]

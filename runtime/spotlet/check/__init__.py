"""Does this model compute here what it computed at its export?"""

from spotlet.check.report import CheckReport, CheckRow
from spotlet.check.verification import check_model

__all__ = ["CheckReport", "CheckRow", "check_model"]

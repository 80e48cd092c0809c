"""Tracked objects that cross a line or stay in a zone, counted."""

from spotlet.counting.counter import ObjectCounter
from spotlet.counting.rules import CountingRules, parse_line, parse_zone

__all__ = ["CountingRules", "ObjectCounter", "parse_line", "parse_zone"]

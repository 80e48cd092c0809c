"""Tracked objects that cross lines or enter zones, counted."""

from spotlet.counting.counter import ObjectCounter
from spotlet.counting.rules import CountingRules, parse_line, parse_zone

__all__ = ["CountingRules", "ObjectCounter", "parse_line", "parse_zone"]

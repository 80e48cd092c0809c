"""A program that computes a network, spoken to over pipes; its protocol is in docs/runners.md."""

from spotlet.errors import RunnerError
from spotlet.runner.runner import Runner

__all__ = ["Runner", "RunnerError"]

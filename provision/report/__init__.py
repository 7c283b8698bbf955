"""A support archive: what a probe reads, what tools say, what doctor and resolve answer; without secrets and names."""

from provision.report.archive import Contents, write
from provision.report.tools import ask_tools

__all__ = ["Contents", "ask_tools", "write"]

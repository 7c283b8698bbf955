"""The command line: parse, call, print. Decisions are made in the rooms below."""

from provision.cli.app import main

__all__ = ["main"]

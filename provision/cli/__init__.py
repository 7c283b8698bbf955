"""The command line: parse, call, print. Decisions are made in the rooms below."""

import gc

# Start-up makes many objects and little garbage: looking for it less often saves a third of the start.
gc.set_threshold(50_000)

from provision.cli.app import main  # noqa: E402 - the line above is for this import

__all__ = ["main"]

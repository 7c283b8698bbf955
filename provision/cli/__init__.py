"""The command line: parse, call, print. Decisions are made in the rooms below."""

import atexit
import gc

# Start-up makes many objects and little garbage: looking for it less often saves a third of the start.
gc.set_threshold(50_000)
# Nor is it looked for once more when the process ends: 16 of 100 ms. What must be undone at the end is no garbage.
atexit.register(gc.freeze)

from provision.cli.process import main  # noqa: E402 - the lines above are for this import

__all__ = ["main"]

"""Runs the workload as a container does."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from provision.engine.protocol import Ran
from provision.prove.workload import zipapp

SOURCE = zipapp.source()


def run(spec: dict[str, Any], *options: str, **environment: str) -> Ran:
    """Return how the workload ended with a spec; `options` are Python's own."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, "-c", SOURCE, json.dumps(spec)],
        capture_output=True,
        text=True,
        timeout=240,  # a minute is enough on a machine with nothing else to do
        check=False,
        env={**os.environ, **environment},
    )
    seconds = time.monotonic() - begun
    return Ran(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=seconds)

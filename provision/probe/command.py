"""Runs a vendor's tool with a time limit; a failure is a value, never an exception."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a tool gave no answer, in words for a finding."""

    reason: str


def find(tool: str, *more: str) -> str | None:
    """Return the path of `tool` on PATH or in the directories `more`, or None."""
    return shutil.which(tool, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *more]))


def run(*command: str, seconds: float = SECONDS) -> str | Failed:
    """Return the command's standard output, or why there is none. `command` begins with an absolute path."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the path comes from `find`
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Failed(f"no answer within {seconds:g} s")
    except OSError as error:
        return Failed(error.strerror or str(error))
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        words = (output + done.stderr.decode(errors="replace")).split()
        return Failed(f"exit code {done.returncode}, {' '.join(words)[:200] or 'no output'}")
    return output

"""Runs a vendor's tool with a time limit; a failure is a value, never an exception."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final, Protocol

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
    return answered(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def answered(code: int, output: str, errors: str) -> str | Failed:
    """Return the output of a command that ended with `code`, or what it says why there is none."""
    if code != 0:
        return Failed(f"exit code {code}, {' '.join((output + errors).split())[:200] or 'no output'}")
    return output


class Tools(Protocol):
    """Whoever answers for tools: this module, or a capture."""

    def find(self, tool: str, /, *more: str) -> str | None:
        """Return the path of `tool`, or None."""

    def run(self, *command: str) -> str | Failed:
        """Return the standard output, or why there is none."""

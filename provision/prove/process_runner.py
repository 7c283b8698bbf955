"""The workload as a process of this machine: no engine, the packages of a Python that is already here."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from provision.engine.protocol import Ran

ENDING_SECONDS = 10.0  # from the polite signal to the other one


def run_here(python: Path, source: str, argument: str, environment: Mapping[str, str], seconds: float) -> Ran:
    """Run the workload with `python` to its end or its limit; its processes are gone afterwards, whatever happens.

    Args:
        python: the interpreter whose packages are to be proved.
        source: the workload.
        argument: its JSON.
        environment: added to this process's own.
        seconds: the limit; the workload is then asked to end and prints what it has.
    """
    begun = time.monotonic()
    command = (str(python), "-c", source, argument)
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and the interpreter is the one asked for
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,  # so that its children can be ended with it
            text=True,
            errors="replace",
        )
    except OSError as error:
        refused = f"{python}: {error.strerror or error}"
        return Ran(exit_code=None, stdout="", stderr="", seconds=time.monotonic() - begun, refused=refused)
    try:
        return _follow(process, seconds, begun)
    finally:
        _end(process, signal.SIGKILL)
        process.wait()


def _follow(process: "subprocess.Popen[str]", seconds: float, begun: float) -> Ran:
    timed_out = False
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
        _end(process, signal.SIGTERM)
        stdout, stderr = _rest(process)
    code = process.returncode
    return Ran(
        exit_code=None if timed_out else code if code >= 0 else 128 - code,  # as shells and engines count a signal
        stdout=stdout,
        stderr=stderr,
        seconds=time.monotonic() - begun,
        timed_out=timed_out,
    )


def _rest(process: "subprocess.Popen[str]") -> tuple[str, str]:
    try:
        return process.communicate(timeout=ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        _end(process, signal.SIGKILL)
        return process.communicate()


def _end(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # all of it has ended

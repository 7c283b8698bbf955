"""The workload as a process of this machine: no engine, the packages of a Python that is already here."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from provision.engine.protocol import OnOutput, Ran

ENDING_SECONDS = 10.0  # from the polite signal to the other one
CHUNK = 1 << 16


def run_here(  # noqa: PLR0913, PLR0917 - a process: what it is, how long, and who hears it
    python: Path,
    source: str,
    argument: str,
    environment: Mapping[str, str],
    seconds: float,
    on_stdout: OnOutput | None = None,
) -> Ran:
    """Run the workload with `python` to its end or its limit; its processes are gone afterwards, whatever happens.

    Args:
        python: the interpreter whose packages are to be proved.
        source: the workload.
        argument: its JSON.
        environment: added to this process's own.
        seconds: the limit; the workload is then asked to end and prints what it has.
        on_stdout: gets what it prints as it comes, in pieces.
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
        )
    except OSError as error:
        refused = f"{python}: {error.strerror or error}"
        return Ran(exit_code=None, stdout="", stderr="", seconds=time.monotonic() - begun, refused=refused)
    output = _Output(process, on_stdout)
    try:
        timed_out = _follow(process, output, seconds)
    finally:
        _end(process, signal.SIGKILL)
        process.wait()
        output.close()
    code = process.returncode
    return Ran(
        exit_code=None if timed_out else code if code >= 0 else 128 - code,  # as shells and engines count a signal
        stdout=output.text(0),
        stderr=output.text(1),
        seconds=time.monotonic() - begun,
        timed_out=timed_out,
    )


class _Output:
    """What a process prints, read by a thread for each of its streams."""

    def __init__(self, process: "subprocess.Popen[bytes]", on_stdout: OnOutput | None) -> None:
        self._kept = (bytearray(), bytearray())
        self._streams: list[tuple[IO[bytes] | None, OnOutput | None]]
        self._streams = [(process.stdout, on_stdout), (process.stderr, None)]
        self._threads = [
            threading.Thread(target=self._read, args=(stream, kept, heard), daemon=True)
            for (stream, heard), kept in zip(self._streams, self._kept, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(stream: IO[bytes], kept: bytearray, heard: OnOutput | None) -> None:
        while chunk := os.read(stream.fileno(), CHUNK):
            kept += chunk
            if heard:
                heard(chunk)

    def ended(self, seconds: float) -> bool:
        """Wait until nobody can print any more, for so long at most; tell whether that is so."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def text(self, number: int) -> str:
        """Return what came on stdout (0) or stderr (1)."""
        return bytes(self._kept[number]).decode(errors="replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Read to the end, which is near: nobody of the process's session is left to print."""
        if self.ended(ENDING_SECONDS):
            for stream, _ in self._streams:
                if stream:
                    stream.close()


def _follow(process: "subprocess.Popen[bytes]", output: _Output, seconds: float) -> bool:
    """Wait for the end, and bring it about at the limit; tell whether it was the limit."""
    begun = time.monotonic()
    if output.ended(seconds) and _gone(process, begun + seconds - time.monotonic()):
        return False
    _end(process, signal.SIGTERM)
    begun = time.monotonic()
    output.ended(ENDING_SECONDS)
    _gone(process, begun + ENDING_SECONDS - time.monotonic())
    return True


def _gone(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for the process itself, which may live on without its streams; tell whether it has ended."""
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # all of it has ended

"""One verification at a time on a GPU of this machine: of two each would judge the other's speed."""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from provision.errors import EngineError
from provision.files import read_file

LOCKS: Final = Path("/dev/shm")  # noqa: S108 - every Linux has it, all users may write there, and no boot keeps it
DEVICES: Final = Path("/sys/bus/pci/devices")
PATIENCE_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 0.5
_HOLDER: Final = re.compile(rb"(\d{1,10}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", re.ASCII)


@contextmanager
def turn(gpus: Iterable[str], log: Callable[[str], None], *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold GPUs for one verification; the locks end with this process, whatever ends that.

    Where the machine has no place for locks that all users share, nothing is held.

    Args:
        gpus: PCI addresses; those that this machine does not have are left out.
        log: gets a line where another verification is waited for.
        patience: seconds.

    Raises:
        EngineError: KGE-920, another verification still has one of them.
    """
    until = time.monotonic() + patience
    with ExitStack() as held:
        for name in sorted({name for name in gpus if "/" not in name and (DEVICES / name).exists()}):
            with suppress(OSError):
                held.enter_context(_held(name, until, log))
        yield


@contextmanager
def _held(name: str, until: float, log: Callable[[str], None]) -> Iterator[None]:
    path, told = LOCKS / f"kgpu-env.{name}.lock", False
    while (descriptor := _locked(path)) is None:
        if time.monotonic() > until:
            raise _busy(name, path)
        if not told:
            log(f"waiting for the end of another verification on GPU {name} ({_holder(path)})")
            told = True
        time.sleep(_STEP_SECONDS)
    try:
        _sign(descriptor)
        yield
    finally:
        with suppress(OSError):  # another user's, from before
            path.unlink()
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with suppress(OSError):  # no space: it holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {now}".encode(), 0)


def _locked(path: Path) -> int | None:
    """Return the locked file's descriptor, None while another process has it.

    Raises:
        OSError: it can be neither opened nor made.
    """
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_here = os.fstat(descriptor).st_ino == path.stat().st_ino  # its last holder removes it
    except (BlockingIOError, FileNotFoundError):
        is_here = False
    if is_here:
        return descriptor
    os.close(descriptor)
    return None


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)  # without O_CREAT: in such a folder root may not make what another user has
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with suppress(OSError):
            os.fchmod(descriptor, 0o666)  # whatever the umask: every user's verification waits for every other's
        return descriptor


def _holder(path: Path) -> str:
    try:
        found = _HOLDER.fullmatch(read_file(path, 64))
    except OSError:
        found = None
    return f"process {int(found[1])}, since {found[2].decode()}" if found else "a process that does not say which"


def _busy(name: str, path: Path) -> EngineError:
    fix = "wait for its end, and run the same again; a verification that was killed holds nothing"
    return EngineError("KGE-920", f"Another verification runs on GPU {name}.", cause=f"it is {_holder(path)}", fix=fix)

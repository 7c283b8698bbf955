"""A Debian base image made on this machine, for hosts that reach an apt mirror but no image registry."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.engine import apt_sources
from provision.engine.protocol import Engine, Image
from provision.errors import BuildError, UsageError
from provision.model.reference import parse_reference

INCLUDE = "ca-certificates,python3,python3-venv"
# An engine that finds none makes one for each step and removes it: older ones leave that as a new date of /etc.
HOSTS = ': > "$1/etc/hosts"'
SUITE = re.compile(r"[a-z][a-z0-9-]{1,30}")
TAIL_LINES = 20
END_SECONDS = 30  # mmdebstrap removes its chroot when it is asked to end


def make_base(engine: Engine, suite: str, tag: str, on_progress: Callable[[str], None]) -> Image:
    """Make a minimal Debian with Python from the machine's apt sources and import it as `tag`.

    The image keeps those sources in its /etc/apt, so that builds on it use the same mirrors.

    Raises:
        BuildError: KGE-405 no mmdebstrap, KGE-406 neither root nor user namespaces, KGE-407 mmdebstrap
            failed (with its last lines), KGE-410 the engine did not import the result.
        UsageError: KGE-412, not a suite's name.
    """
    if not SUITE.fullmatch(suite):
        raise UsageError("KGE-412", f"{suite!r} is no Debian suite", fix="give one such as bookworm")
    parse_reference(tag)
    program = _program()
    with tempfile.TemporaryDirectory(prefix="kgpu-env-base-", ignore_cleanup_errors=True) as folder:
        workdir = Path(folder)
        workdir.chmod(0o755)  # in a user namespace another uid works here
        archive = workdir / "root.tar"
        _bootstrap(_command(program, suite, archive, workdir), workdir, on_progress)
        on_progress(f"importing {archive.stat().st_size >> 20} MiB")
        labels = {
            "org.opencontainers.image.title": f"Debian {suite} with Python",
            "org.opencontainers.image.description": "made by kgpu-env with mmdebstrap, not pulled",
            "kgpu-env.base": suite,
        }
        return engine.import_image(str(archive), tag, labels)


def _program() -> str:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise BuildError(
            "KGE-405",
            "a base image cannot be made here: mmdebstrap is not installed",
            fix="sudo apt-get install mmdebstrap",
        )
    if os.geteuid() != 0 and shutil.which("newuidmap") is None:
        raise BuildError(
            "KGE-406",
            "a base image cannot be made by this user",
            cause="mmdebstrap needs root, or user namespaces with newuidmap",
            fix="run with sudo, or sudo apt-get install uidmap",
        )
    return program


def _command(program: str, suite: str, archive: Path, workdir: Path) -> list[str]:
    lines, stanzas = apt_sources.machine_sources(suite)
    mirrors = list(lines)
    if stanzas:
        listed = workdir / "machine.sources"
        listed.write_text("\n".join(stanzas))
        mirrors.append(str(listed))
    options = ["--variant=minbase", f"--include={INCLUDE}", "--format=tar", f"--customize-hook={HOSTS}"]
    return [program, *options, suite, str(archive), *mirrors]


def _bootstrap(command: list[str], workdir: Path, on_progress: Callable[[str], None]) -> None:
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with _running(command, workdir) as process:
        for line in process.stdout or ():
            text = line.rstrip("\n").rsplit("\r", 1)[-1]
            tail.append(text)
            if text.startswith(("I: ", "W: ", "E: ")):
                on_progress(text[3:])
        code = process.wait()
    if code != 0:
        raise BuildError(
            "KGE-407",
            f"mmdebstrap failed with exit code {code}",
            cause=next((text for text in tail if text.startswith("E: ")), ""),
            fix="check that apt-get update works on this machine: its own sources are used",
            log=tuple(tail),
        )


@contextmanager
def _running(command: list[str], workdir: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `command` in a group of its own, which is ended when the block is left early."""
    environment = {**os.environ, "TMPDIR": str(workdir), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(  # noqa: S603 - the program and a validated suite, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)

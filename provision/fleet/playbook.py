"""A playbook on nodes of an inventory, by ansible-runner: its events are heard, and nothing of the run is kept."""

import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from provision.compat import StrEnum
from provision.fleet.inventory import RUNS, environment, runner
from provision.locks import own_folder
from provision.model import Value

Hear = Callable[[Mapping[str, Any]], bool]
_SILENT: Final = re.compile(r"timed? ?out|not responding", re.IGNORECASE)
_SSH: Final = re.compile(r"Failed to connect to the host via \w+: (?=\S)")  # before what ssh, sftp or scp says
ADDRESS: Final = re.compile(r"\d{3} \w+ Error for http\+docker://\S+: ")  # before what the engine says
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a service manager, a closed terminal
# Ansible calls a node unreachable that it has reached, and that has no place for what it sends.
_FULL: Final = "No space left on device"
_CLOSED: Final = "Failed to create temporary directory"
_NO_PLACE: Final = (
    f"{_CLOSED}: it may not write to Ansible's remote_tmp there (by default ~/.ansible/tmp), or the disk is read-only"
)
_WORDS: Final = 300  # characters of a cause
NO_PROGRAM: Final = 127  # of the shell: there is no such program


class Play(Value):
    """What is run, and where.

    Attributes:
        name: of the playbook, one of `files`.
        inventory: of Ansible.
        nodes: by name.
        files: what is beside the playbook: files and folders.
        variables: of all nodes, before those of the inventory.
        forks: so many nodes at a time.
        check: whether nothing is changed.
    """

    name: str
    inventory: Path
    nodes: tuple[str, ...]
    files: tuple[Path, ...]
    variables: dict[str, Any]
    forks: int
    check: bool = False


class Failure(StrEnum):
    """How a task can fail on a node."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    FAILED = "failed"


def play(wanted: Play, hear: Hear) -> None:
    """Run a playbook, and tell its events while it runs. Its own folder is gone afterwards, whatever happens.

    Raises:
        InputError: KGE-944, no Ansible.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; Ansible was ended before.
    """
    ansible = runner()
    with own_folder(RUNS) as place, _stoppable() as stopped:
        project = place / "project"
        project.mkdir()
        for file in wanted.files:
            if file.is_dir():
                shutil.copytree(file, project / file.name)
            else:
                shutil.copy(file, project)
        (place / "nodes").write_text("\n".join(wanted.nodes) + "\n")
        ansible.run(
            private_data_dir=str(place),
            playbook=wanted.name,
            inventory=str(wanted.inventory.resolve()),
            limit=f"@{place}/nodes",
            forks=wanted.forks,
            extravars={"kgpu_env_project": str(project), **wanted.variables},
            envvars=environment(),
            cmdline="--check" if wanted.check else None,
            event_handler=hear,
            cancel_callback=stopped.is_set,
            quiet=True,
        )
    if stopped.is_set():
        raise KeyboardInterrupt


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Turn Ctrl-C and its like into an event, so that Ansible is ended before this program."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in _STOPS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def failure(result: Mapping[str, Any], *, reached: bool) -> tuple[Failure, str]:
    """Return how a task failed, and what was said.

    Args:
        result: of the event.
        reached: whether the node answered at all.
    """
    message = brief(ADDRESS.sub("", _SSH.sub("", str(result.get("msg", "")).replace("Task failed: ", ""))))
    if message.startswith(_CLOSED):
        return Failure.FAILED, _NO_PLACE
    if _FULL in message:
        return Failure.FAILED, message
    if "timedout" in result or _SILENT.search(message):
        return Failure.TIMED_OUT, message
    return (Failure.FAILED if reached else Failure.UNREACHABLE), message


def said(result: Mapping[str, Any]) -> str:
    """Return what a command of a task said."""
    return brief(f"{result.get('stderr', '')} {result.get('stdout', '')}")


def brief(text: str) -> str:
    """Return a text in one line that is not too long."""
    return " ".join(text.split())[:_WORDS]

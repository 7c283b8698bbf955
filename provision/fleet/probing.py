"""Captures of many nodes over SSH, by Ansible: a file is sent to each, its answer comes with Ansible's events."""

import base64
import binascii
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import InputError
from provision.fleet.hosts import NAME
from provision.fleet.inventory import nodes_of
from provision.fleet.playbook import NO_PROGRAM, Failure, Play, brief, failure, play, said
from provision.model.fleet_probe import FleetProbe, NodeAnswer, Outcome, ProbeWishes
from provision.probe import collector
from provision.resources import folder

Listener = Callable[[NodeAnswer], None]


def probe_fleet(inventory: Path, hosts: Path, heard: Listener, wishes: ProbeWishes) -> FleetProbe:
    """Write a capture of each node, `HOSTS/NODE.tar.gz`, as soon as it has answered; return what became of each.

    A node that gives no capture keeps the one that it had.

    Args:
        inventory: of Ansible. Of its variables `kgpu_env_root` is where the node's own tree is seen (`/`),
            `kgpu_env_python` its Python (`python3`).
        hosts: a folder, made where there is none.
        heard: is told of each node when it has answered.
        wishes: which nodes, and how many at a time.

    Raises:
        InputError: KGE-943, no usable inventory; KGE-944, no Ansible; KGE-605, the folder cannot be written.
        KeyboardInterrupt: what had come until then is written.
    """
    names = nodes_of(inventory, wishes.limit)
    make(hosts, "name a folder that you can write to")
    answers = Answers(hosts, heard)
    for name in names:
        if not NAME.fullmatch(name):
            answers.add(NodeAnswer(name=name, outcome=Outcome.BROKEN, cause="its name is no name of a node"))
        elif wishes.resume and answers.place(name).exists():
            answers.add(NodeAnswer(name=name, outcome=Outcome.KEPT))
    asked = [name for name in names if name not in answers.found]
    if asked:
        _run(inventory, asked, wishes.forks, answers)
    for name in asked:
        if name not in answers.found:
            cause = answers.cause or "the run ended before it answered"
            answers.add(NodeAnswer(name=name, outcome=Outcome.SKIPPED, cause=cause))
    return FleetProbe(hosts=str(hosts), nodes=tuple(sorted(answers.found.values(), key=lambda one: one.name)))


def make(place: Path, fix: str) -> None:
    """Make a folder that nodes' files are gathered in, and try to write there.

    Raises:
        InputError: KGE-605, with this fix.
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError("KGE-605", f"{place} cannot be written.", cause=error.strerror or "", fix=fix) from error


class Answers:
    """The nodes' answers as they come."""

    def __init__(self, hosts: Path, heard: Listener) -> None:
        self.found: dict[str, NodeAnswer] = {}
        self.cause = ""  # why the whole run failed, where Ansible says so
        self._hosts, self._heard = hosts, heard

    def place(self, name: str) -> Path:
        """Return the file of a node's capture."""
        return self._hosts / f"{name}.tar.gz"

    def add(self, answer: NodeAnswer) -> None:
        """Keep an answer; the first of a node counts."""
        if answer.name not in self.found:
            self.found[answer.name] = answer
            self._heard(answer)

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take an event of ansible-runner; return whether that is to keep it in its folder: never."""
        data = event.get("event_data") or {}
        name, result = data.get("host"), data.get("res") or {}
        kind = event.get("event")
        if kind == "runner_on_ok" and name:
            self.add(self._captured(name, result))
        elif kind in {"runner_on_failed", "runner_on_unreachable"} and name:
            self.add(_failed(name, result, reached=kind == "runner_on_failed"))
        elif kind == "error":
            self.cause = brief(str(event.get("stdout", "")))
        return False

    def _captured(self, name: str, result: Mapping[str, Any]) -> NodeAnswer:
        text = str(result.get("stdout", ""))
        start = text.rfind(collector.TEXT)  # after whatever the node's login says
        try:
            data = base64.b64decode(
                text[start + len(collector.TEXT) :].split("\n", maxsplit=1)[0].strip(), validate=True
            )
        except (binascii.Error, ValueError):
            data = b""
        if start < 0 or not data or len(data) > collector.TOTAL_BYTES:
            cause = brief(f"it gave no capture: {text}")
            return NodeAnswer(name=name, outcome=Outcome.BROKEN, cause=cause)
        try:
            write(self.place(name), data)
        except OSError as error:
            return NodeAnswer(name=name, outcome=Outcome.BROKEN, cause=f"it cannot be kept: {error.strerror}")
        return NodeAnswer(name=name, outcome=Outcome.OK)


def _failed(name: str, result: Mapping[str, Any], *, reached: bool) -> NodeAnswer:
    kind, message = failure(result, reached=reached)
    if kind is not Failure.FAILED:
        return NodeAnswer(name=name, outcome=Outcome(kind.value), cause=message)
    if result.get("rc") == NO_PROGRAM:
        cause = f"Python is missing, or not on PATH: {said(result)}"
        return NodeAnswer(name=name, outcome=Outcome.BROKEN, cause=cause)
    return NodeAnswer(name=name, outcome=Outcome.BROKEN, cause=brief(f"{message} {said(result)}"))


def write(path: Path, data: bytes) -> None:
    """Write a node's file beside its place, then rename; its owner alone reads it. Raises OSError, leaving nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _run(inventory: Path, names: list[str], forks: int, answers: Answers) -> None:
    files = (Path(collector.__file__), folder("templates") / "fleet" / "probe.yml")
    play(
        Play(name="probe.yml", inventory=inventory, nodes=tuple(names), files=files, variables={}, forks=forks),
        answers.hear,
    )

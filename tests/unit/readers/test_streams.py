"""What a command ends with when its streams are closed, full or unread, or its folder is gone: real processes."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import pytest

from provision.cli.commands import COMMANDS

pytestmark = pytest.mark.process
SCRIPT = "from provision.cli import main; main()"
STACK = ("--host", str(Path(__file__).parents[2] / "data" / "hosts" / "h100-580.json"))
OK, USAGE, INPUT, ENGINE, REGISTRY, NOT_PROVED, GONE = 0, 2, 3, 5, 6, 7, 141


class Case(NamedTuple):
    """Words that need no engine and no network, and how they end."""

    words: tuple[str, ...]
    code: int
    answers: bool = True  # something is printed on stdout


CASES: Final = {
    "--help": Case((), OK),
    "--version": Case((), OK),
    "up": Case(("--show-config",), OK),
    "probe": Case(("--root", "nowhere"), INPUT, answers=False),
    "resolve": Case(STACK, OK),
    "check": Case(("127.0.0.1:1/x",), REGISTRY, answers=False),
    "lock": Case(("--show-config",), OK),
    "outdated": Case((), INPUT, answers=False),
    "render": Case(STACK, OK),
    "build": Case(("--show-config",), OK),  # it asks an index before it needs an engine
    "verify": Case(("x",), ENGINE, answers=False),
    "gate": Case((), NOT_PROVED),
    "key": Case((), OK),
    "init": Case((), USAGE, answers=False),
    "run": Case(("--", "true"), ENGINE, answers=False),
    "shell": Case((), USAGE, answers=False),
    "jupyter": Case((), ENGINE, answers=False),
    "export": Case(("compose", "--by-tag", *STACK), OK),
    "doctor": Case(("KGE-101",), OK),
    "report": Case(("--root", "nowhere"), INPUT, answers=False),
    "prepare": Case(("--root", "nowhere"), INPUT, answers=False),
    "size": Case(("x",), ENGINE, answers=False),
    "inspect": Case(("x",), ENGINE, answers=False),
    "bundle": Case((), INPUT, answers=False),
    "base": Case((), ENGINE, answers=False),
    "prune": Case((), ENGINE, answers=False),
    "catalogue": Case(("list",), OK),
    "fleet": Case(("plan", "nowhere"), INPUT, answers=False),
}


class Fault(NamedTuple):
    """What is wrong with a process's streams or its folder."""

    start: str = 'exec "$@"'  # how a shell starts it
    stdout: str = ""  # a place that takes no answer
    stderr: str = ""
    answer: int | None = None  # the exit code where an answer was to be printed; None: the command's own


FAULTS: Final = {
    "none": Fault(),
    "stdin closed": Fault('exec "$@" <&-'),
    "stdout closed": Fault('exec "$@" >&-'),
    "stderr closed": Fault('exec "$@" 2>&-'),
    "all closed": Fault('exec "$@" <&- >&- 2>&-'),
    "stdout full": Fault(stdout="full", answer=INPUT),
    "stderr full": Fault(stderr="full"),
    "stdout unread": Fault(stdout="unread", answer=GONE),
    "stderr unread": Fault(stderr="unread"),
    "folder gone": Fault('mkdir gone && cd gone && rmdir ../gone && exec "$@"'),
}
# Those that failed once are tried each time, all of them by ./run test slow.
QUICK: Final = {
    *(("resolve", one) for one in ("stdout closed", "stdout unread", "stderr unread", "folder gone")),
    *(("gate", one) for one in ("stdout closed", "folder gone")),
    *(("verify", one) for one in ("stderr closed", "stderr full", "all closed")),
    *(("--help", one) for one in ("stdout full", "stdout unread")),
    *(("init", one) for one in ("stdin closed",)),
    *(("probe", one) for one in ("folder gone",)),
}


@contextlib.contextmanager
def opened(kind: str) -> Iterator[int | IO[bytes]]:
    if kind == "full":
        with Path("/dev/full").open("wb") as full:
            yield full
    elif kind == "unread":
        read, write = os.pipe()
        os.close(read)
        try:
            yield write
        finally:
            os.close(write)
    else:
        yield subprocess.PIPE


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, marks=() if (name, fault) in QUICK else pytest.mark.slow)
        for name in CASES
        for fault in FAULTS
    ],
)
def test_the_exit_code_is_the_true_one(tmp_path: Path, name: str, fault: str) -> None:
    case, wrong = CASES[name], FAULTS[fault]
    command = ["bash", "-c", wrong.start, "-", sys.executable, "-c", SCRIPT, name, *case.words]
    state = {"DOCKER_HOST": "unix:///no/such.sock", "XDG_STATE_HOME": str(tmp_path / "state")}
    with opened(wrong.stdout) as stdout, opened(wrong.stderr) as stderr:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            check=False,
            cwd=tmp_path,
            env=os.environ | state,
        )
    told = (ended.stderr or b"").decode()
    expected = wrong.answer if case.answers and wrong.answer else case.code
    if (name, fault) == ("init", "folder gone"):
        expected = INPUT  # its work is to write there
    assert ended.returncode == expected, told
    for word in ("Traceback", "Exception ignored", "KGE-999"):
        assert word not in told
    if fault == "none":
        assert bool(ended.stdout) == case.answers


def test_every_command_is_in_the_table() -> None:
    assert set(CASES) == {"--help", "--version", *(one.name for one in COMMANDS)}

"""`./run up` offers what a GPU lacks: the script is the real one, the programs that it calls are stand-ins."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.process
LOCK, PROJECT = "a==1\n", "[project]\n"
KGPU_ENV = """#!/bin/sh
echo "$@" >>calls
case "$*" in
*--if-needed*) [ ! -e lacking ] || cat lacking ;;
prepare*) exit "$(cat answer)" ;;
esac
"""


def cksum(text: str) -> str:
    return subprocess.run(["cksum"], input=text, capture_output=True, text=True, check=True).stdout.split()[0]


class Checkout:
    """A folder with the script, an environment that is ready, and an engine that answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "run", folder / "run")
        (folder / "tests" / "locks").mkdir(parents=True)
        (folder / "tests" / "locks" / "use.txt").write_text(LOCK)
        (folder / "pyproject.toml").write_text(PROJECT)
        programs = {"kgpu-env": KGPU_ENV, "python": "#!/bin/sh\n", "pip": "#!/bin/sh\n"}
        for name, text in programs.items():
            self.program(folder / ".venv" / "bin" / name, text)
        (folder / ".venv" / f".locked-{cksum(LOCK)}").write_text("use\n")
        (folder / ".venv" / f".built-{cksum(PROJECT)}").touch()
        self.program(folder / "bin" / "dpkg-query", "#!/bin/sh\necho install ok installed\n")
        self.program(folder / "bin" / "sudo", '#!/bin/sh\nexec "$@"\n')
        (folder / "answer").write_text("0")

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def up(self, *words: str, stdin: int = subprocess.DEVNULL) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        command = ["./run", "up", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=stdin, capture_output=True, text=True, check=False
        )

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


LOOKS = "prepare --add-repository --if-needed --dry-run"
UP = "up --fallback cpu"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_where_nothing_lacks_nothing_is_said(checkout: Checkout) -> None:
    ended = checkout.up("--vendor", "cpu")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert checkout.calls == [LOOKS, f"{UP} --vendor cpu"]


def test_without_a_terminal_the_commands_are_printed_and_it_goes_on(checkout: Checkout) -> None:
    (checkout.folder / "lacking").write_text("to do     install it\n")
    ended = checkout.up()
    assert ended.returncode == 0
    assert ended.stderr.splitlines()[0] == "to do     install it"
    assert "--yes does this" in ended.stderr
    assert checkout.calls == [LOOKS, UP]


def test_yes_is_for_the_offer_alone(checkout: Checkout) -> None:
    (checkout.folder / "lacking").write_text("to do     install it\n")
    assert checkout.up("--yes", "--json").returncode == 0
    assert checkout.calls == [LOOKS, "prepare --add-repository --yes", f"{UP} --json"]


@pytest.mark.parametrize(("answer", "goes_on"), [("0", True), ("130", True), ("5", False)])
def test_at_a_terminal_it_asks(checkout: Checkout, answer: str, *, goes_on: bool) -> None:
    """No (130) goes on without; a preparation that failed ends it."""
    (checkout.folder / "lacking").write_text("to do     install it\n")
    (checkout.folder / "answer").write_text(answer)
    keys, screen = pty.openpty()
    try:
        ended = checkout.up(stdin=screen)
    finally:
        os.close(keys)
        os.close(screen)
    assert (ended.returncode == 0) is goes_on
    assert checkout.calls == [LOOKS, "prepare --add-repository", *([UP] if goes_on else [])]

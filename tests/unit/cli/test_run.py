"""`./run up` offers what a GPU lacks, `./run test` runs all tests: the real script, stand-ins of what it calls."""

import os
import pty
import shutil
import subprocess
import sys
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

PYTHON = f"""#!/bin/sh
case "$1" in -c) ;; *) exec {sys.executable} "$@" ;; esac
"""
# Each run has a file of counts, unless it fails before; the one that `failing` names ends with 1.
PYTEST = """#!/bin/sh
echo "pytest $@" >>calls
for word; do case $word in --junitxml=*) mkdir -p .pytest_cache && cp counts.xml "${word#*=}" ;; esac; done
[ ! -e failing ] || ! echo "$@" | grep -q -e "$(cat failing)"
"""
MYPY = """#!/bin/sh
echo mypy >>calls
[ ! -e untyped ]
"""
COUNTS = '<testsuites><testsuite tests="1200" failures="2" errors="0" skipped="3" time="61.5"/></testsuites>'


def cksum(text: str) -> str:
    return subprocess.run(["cksum"], input=text, capture_output=True, text=True, check=True).stdout.split()[0]


class Checkout:
    """A folder with the script, an environment that is ready, and an engine that answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "run", folder / "run")
        (folder / "tests" / "locks").mkdir(parents=True)
        (folder / "tests" / "locks" / "use.txt").write_text(LOCK)
        shutil.copy(ROOT / "tests" / "counts.py", folder / "tests")
        (folder / "pyproject.toml").write_text(PROJECT)
        programs = {"kgpu-env": KGPU_ENV, "python": PYTHON, "pytest": PYTEST, "ruff": "#!/bin/sh\n", "mypy": MYPY}
        for name, text in programs.items():
            self.program(folder / ".venv" / "bin" / name, text)
        (folder / ".venv" / f".locked-{cksum(LOCK)}").write_text("use\ntest\n")
        (folder / ".venv" / f".built-{cksum(PROJECT)}").touch()
        self.program(folder / "bin" / "dpkg-query", "#!/bin/sh\necho install ok installed\n")
        for name in ("google-chrome", "npm"):
            self.program(folder / "bin" / name, "#!/bin/sh\n")
        self.program(folder / "bin" / "sudo", '#!/bin/sh\nexec "$@"\n')
        (folder / "answer").write_text("0")
        (folder / "counts.xml").write_text(COUNTS)

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *words: str, stdin: int = subprocess.DEVNULL) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        command = ["./run", *words]
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
    ended = checkout.run("up", "--vendor", "cpu")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert checkout.calls == [LOOKS, f"{UP} --vendor cpu"]


def test_without_a_terminal_the_commands_are_printed_and_it_goes_on(checkout: Checkout) -> None:
    (checkout.folder / "lacking").write_text("to do     install it\n")
    ended = checkout.run("up")
    assert ended.returncode == 0
    assert ended.stderr.splitlines()[0] == "to do     install it"
    assert "--yes does this" in ended.stderr
    assert checkout.calls == [LOOKS, UP]


def test_yes_is_for_the_offer_alone(checkout: Checkout) -> None:
    (checkout.folder / "lacking").write_text("to do     install it\n")
    assert checkout.run("up", "--yes", "--json").returncode == 0
    assert checkout.calls == [LOOKS, "prepare --add-repository --yes", f"{UP} --json"]


@pytest.mark.parametrize(("answer", "goes_on"), [("0", True), ("130", True), ("5", False)])
def test_at_a_terminal_it_asks(checkout: Checkout, answer: str, *, goes_on: bool) -> None:
    """No (130) goes on without; a preparation that failed ends it."""
    (checkout.folder / "lacking").write_text("to do     install it\n")
    (checkout.folder / "answer").write_text(answer)
    keys, screen = pty.openpty()
    try:
        ended = checkout.run("up", stdin=screen)
    finally:
        os.close(keys)
        os.close(screen)
    assert (ended.returncode == 0) is goes_on
    assert checkout.calls == [LOOKS, "prepare --add-repository", *([UP] if goes_on else [])]


UNIT = "pytest tests/unit -n auto --junitxml=.pytest_cache/unit.xml"
OTHERS = "pytest --ignore-glob=tests/unit/* --durations=40 --junitxml=.pytest_cache/others.xml"


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("tests/unit -n", 1), ("--ignore", 1)])
def test_all_tests_are_two_runs_and_either_fails_the_whole(checkout: Checkout, failing: str, code: int) -> None:
    if failing:
        (checkout.folder / "failing").write_text(failing)
    ended = checkout.run("test")
    assert (ended.returncode, ended.stderr) == (code, "")
    assert checkout.calls == ["mypy", UNIT, OTHERS]
    assert ended.stdout.splitlines() == [
        "unit    1,200 tests, 2 failures, 0 errors, 3 skipped, 62 s",
        "others  1,200 tests, 2 failures, 0 errors, 3 skipped, 62 s",
        "all     2,400 tests, 4 failures, 0 errors, 6 skipped, 123 s",
    ]


def test_a_run_that_counts_nothing_is_no_success(checkout: Checkout) -> None:
    (checkout.folder / "counts.xml").unlink()
    assert checkout.run("test").returncode != 0


def test_a_test_that_both_runs_have_is_an_error(checkout: Checkout) -> None:
    (checkout.folder / "counts.xml").write_text(
        COUNTS.replace("/></", '><testcase classname="a" name="b"/></testsuite></')
    )
    ended = checkout.run("test")
    assert (ended.returncode, ended.stderr) == (1, "1 tests were run twice, a b among them\n")


def test_no_test_is_run_on_what_lint_refuses(checkout: Checkout) -> None:
    (checkout.folder / "untyped").touch()
    assert checkout.run("test").returncode == 1
    assert checkout.calls == ["mypy"]


@pytest.mark.parametrize(
    ("words", "given"), [(("-k", "a b"), "-k a b"), (("slow",), "-m slow"), (("slow", "-x"), "-m slow -x")]
)
def test_what_follows_test_goes_to_pytest(checkout: Checkout, words: tuple[str, ...], given: str) -> None:
    assert checkout.run("test", *words).returncode == 0
    assert checkout.calls == [f"pytest {given}"]
    (checkout.folder / "failing").write_text(given)
    assert checkout.run("test", *words).returncode == 1

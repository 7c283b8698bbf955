"""Package indexes that fail, as a locked build meets them: told by their cause, with no tag, and nothing half."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from faulty import Fault, faulty

Attempt = Any  # the class of conftest.py
Failed = Callable[..., dict[str, str]]
pytestmark = pytest.mark.engine
LIST, FILE = "^/simple/demo/", "^/files/demo-1"


class Case(NamedTuple):
    """A fault, and what it is told as."""

    fault: Fault
    code: str
    told: str

    def __str__(self) -> str:
        return f"{self.fault.how}{self.fault.where.replace('/', ' ').replace('^', '')}"


@pytest.mark.parametrize(
    "case",
    [
        Case(Fault("reset", LIST), "KGE-450", "reset by peer"),
        Case(Fault("cut", LIST), "KGE-450", "end of file"),
        Case(Fault("500", LIST), "KGE-439", "500 Internal Server Error"),
        Case(Fault("401", LIST), "KGE-430", "401"),
        Case(Fault("404", LIST), "KGE-436", "not found in the package registry"),
        Case(Fault("garbage", LIST), "KGE-451", "no version of demo==1"),
        Case(Fault("flip", FILE), "KGE-668", "Bad CRC"),
        Case(Fault("cut", FILE), "KGE-450", "end of file"),
        Case(Fault("reset", FILE), "KGE-450", "reset by peer"),
        Case(Fault("503", FILE), "KGE-439", "503"),
        pytest.param(Case(Fault("hang", LIST), "KGE-433", "timed out"), marks=pytest.mark.slow),
        pytest.param(Case(Fault("hang", FILE), "KGE-433", "timed out"), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_it_is_told_by_its_cause(attempt: Attempt, failed: Failed, wheels: dict[str, bytes], case: Case) -> None:
    with faulty(case.fault, wheels) as index:
        error = failed(attempt("--no-cache", index=index.host))
    assert (error["code"], case.told in error["cause"]) == (case.code, True), error
    assert index.failed <= 12  # asked again, and not for ever


def test_another_file_than_the_locked_one(
    attempt: Attempt, failed: Failed, wheels: dict[str, bytes], made_wheels: ModuleType
) -> None:
    other = made_wheels.wheel("demo", "1").replace(b"int x;", b"int y;")
    [file] = (path for path in wheels if path.startswith("/files/"))
    with faulty(Fault(), {**wheels, file: other}) as index:
        assert failed(attempt("--no-cache", index=index.host))["code"] == "KGE-668"


@pytest.mark.parametrize("fault", [Fault("500", FILE, times=1), Fault("slow", FILE, seconds=8)], ids=["once", "slow"])
def test_one_that_gives_the_files_in_the_end_serves(attempt: Attempt, wheels: dict[str, bytes], fault: Fault) -> None:
    with faulty(fault, wheels) as index:
        ended = attempt("--no-cache", index=index.host)
    assert (ended.returncode, index.failed) == (0, 1), ended.stderr
    assert attempt.image


def test_one_that_is_not_there_is_named_before_the_step_fails(attempt: Attempt, failed: Failed) -> None:
    ended = attempt("--no-cache", index="127.0.0.1:9")
    error = failed(ended)
    assert error["code"] == "KGE-434"
    warned = ended.stderr.index("warning: the package index at 127.0.0.1:9 does not serve this host")
    assert warned < ended.stderr.index("KGE-434: ")
    assert "network: index_url" in ended.stderr


def test_one_that_is_not_needed_is_not_asked(attempt: Attempt, wheels: dict[str, bytes]) -> None:
    with faulty(Fault(), wheels) as index:
        assert attempt(index=index.host).returncode == 0
        before = len(index.seen)
        ended = attempt(index=index.host)
        assert len(index.seen) == before
    assert ended.returncode == 0
    gone = attempt(index=index.host)  # nobody listens there any more
    assert (gone.returncode, "warning" in gone.stderr) == (0, False), gone.stderr

"""What long work shows while it runs: a living line on a terminal, a line every few seconds elsewhere."""

import time

import pytest

from provision.cli import live
from provision.cli.live import Live
from provision.model.events import Event

TRAINING = Event(phase="training", subject="/GPU:0", number=1, total=3, epoch=2, epochs=6)
WORDS = "training 1 of 3 on /GPU:0, epoch 2 of 6"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "DRAWN", 0.01)


def test_a_log_gets_a_line_after_silence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(live, "SILENCE", 0.1)
    with Live("Verify") as shown:
        shown(TRAINING)
        shown.log("training in x")
        time.sleep(0.35)
    err = capsys.readouterr().err
    lines = err.splitlines()
    assert lines[0] == "Verify    training in x"
    assert 1 <= len(lines[1:]) <= 3
    assert set(lines[1:]) == {f"Verify    after 0 s: {WORDS}"}
    assert "\x1b" not in err


def test_short_work_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Live("Verify") as shown:
        shown(TRAINING)
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_log_is_never_silent_for_ten_seconds() -> None:
    assert live.SILENCE + 0.5 < 10  # with the half second between two looks


def test_a_terminal_has_one_line_that_is_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    with Live("Verify") as shown:
        shown(TRAINING)
        time.sleep(0.1)
        shown.log("a warning")
    err = capsys.readouterr().err
    assert f"{live.CLEAR}Verify    0 s  {WORDS}" in err
    assert f"{live.CLEAR}Verify    a warning\n" in err
    assert err.endswith(live.CLEAR)
    assert err.count("\n") == 1


def test_what_an_event_says_cannot_command_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    with Live("Build") as shown:
        shown(Event(phase="RUN \x1b[2J\u202e x"))
        time.sleep(0.1)
    err = capsys.readouterr().err.replace(live.CLEAR, "")
    assert "RUN \\x1b[2J\\u202e x" in err
    assert "\x1b" not in err

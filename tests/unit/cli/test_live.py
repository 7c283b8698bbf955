"""What long work shows while it runs: a living line on a terminal, a line every few seconds elsewhere."""

import json
import time

import pytest

from provision.cli import live
from provision.cli.live import Live, amount, clock
from provision.cli.output import Talk, settle_talk
from provision.engine.build_steps import step_event
from provision.engine.protocol import BuildStep
from provision.model.events import Event

TRAINING = Event(phase="training", subject="/GPU:0", number=1, total=3, epoch=2, epochs=6)
WORDS = "training 1 of 3 on /GPU:0, epoch 2 of 6"
STEP = Event(phase="installing 44 wheels", number=3, total=6, state="running", key="7")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "DRAWN", 0.01)
    for name in ("progress", "verbose", "timings"):
        monkeypatch.setattr(Talk, name, getattr(Talk, name))


def ended(event: Event, state: str = "done", seconds: float = 1.5) -> Event:
    return Event(phase=event.phase, number=event.number, total=event.total, state=state, key=event.key, seconds=seconds)  # type: ignore[arg-type] # a test's own


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
    assert set(lines[1:]) == {f"Verify    {WORDS}  0:00"}
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
    assert f"{live.CLEAR}Verify    {WORDS}  0:00" in err
    assert f"{live.CLEAR}Verify    a warning\n" in err
    assert err.endswith(live.CLEAR)
    assert err.count("\n") == 1


def test_a_living_line_can_be_asked_for_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    settle_talk({"progress": "rich"})
    with Live("Verify") as shown:
        shown(TRAINING)
        time.sleep(0.1)
    assert f"{live.CLEAR}Verify    {WORDS}  0:00" in capsys.readouterr().err


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


class Clock:
    """The time, set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_the_clock_never_runs_backwards(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It did: each line of output, and each step that runs beside another, set it to 0."""
    given = Clock()
    monkeypatch.setattr(live, "time", given)
    monkeypatch.setattr(live, "DRAWN", 9.0)
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    beside = Event(phase="installing git by apt", state="running", key="8")
    with Live("Build") as shown:
        for event in (STEP, STEP, beside, STEP, ended(beside), STEP):
            shown(event)
            given.now += 5
            shown._draw()  # noqa: SLF001 - what the clock's thread calls, at a time of the test's own
    drawn = [line for line in capsys.readouterr().err.split(live.CLEAR) if "0:" in line]
    assert [line.split()[-1] for line in drawn] == ["0:05", "0:10", "0:15", "0:20", "0:25", "0:30"]
    assert {line.split("  0:")[0] for line in drawn} == {"Build     3 of 6  installing 44 wheels"}


def test_the_name_of_a_step_gives_way_to_its_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    event = Event(phase="RUN " + "long " * 20, number=3, total=6, state="running", done_bytes=5, total_bytes=20_000_000)
    with Live("Build") as shown:
        shown(event)
        time.sleep(0.1)
    drawn = capsys.readouterr().err.split(live.CLEAR)[1]
    assert drawn == "Build     3 of 6  RUN long long long...  0:00  0 of 20 MB"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("80", "Build     3 of 6  installing 44 wheels...  0:40  1.2 of 2.5 GB  about 0:41 left"),
        ("90", "Build     3 of 6  installing 44 wheels (framework)  0:40  1.2 of 2.5 GB  about 0:41 left"),
        (
            "120",
            "Build     3 of 6  installing 44 wheels (framework)  0:40  1.2 of 2.5 GB  31 MB/s  about 0:41 left",
        ),
    ],
)
def test_a_narrow_terminal_gets_the_time_that_is_left_before_the_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, line: str
) -> None:
    given = Clock()
    monkeypatch.setattr(live, "time", given)
    monkeypatch.setattr(live, "DRAWN", 9.0)
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    wheels = Event(
        phase="installing 44 wheels (framework)",
        number=3,
        total=6,
        state="running",
        done_bytes=1_240_000_000,
        total_bytes=2_500_000_000,
    )
    with Live("Build") as shown:
        shown(wheels)
        given.now += 40
        shown._draw()  # noqa: SLF001 - as above
    assert capsys.readouterr().err.split(live.CLEAR)[1] == line


@pytest.mark.parametrize(("columns", "said"), [("50", ""), ("80", "  Get:9 http://mirror.example/debian bookworm")])
def test_a_few_letters_of_what_a_step_says_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, said: str
) -> None:
    monkeypatch.setattr(live, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    with Live("Build") as shown:
        shown(Event(phase="installing git by apt", state="running", said="Get:9 http://mirror.example/debian bookworm"))
        time.sleep(0.1)
    assert (
        capsys.readouterr().err.split(live.CLEAR)[1]
        == f"Build     installing git by apt  0:00{said}"[: int(columns) - 1]
    )


def test_a_log_tells_the_last_words_of_a_step_in_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "SILENCE", 0.0)
    with Live("Build") as shown:
        shown(Event(phase="RUN x", state="running", said="word " * 50))
        shown(Event(phase="RUN x", state="running"))
        time.sleep(0.05)
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("Build     RUN x  0:00  word word")
    assert len(line) < 90


def test_a_step_is_one_line_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with Live("Build") as shown:
        for event in (STEP, STEP, ended(STEP), STEP, ended(Event(phase="copying x", key="9"), "cached")):
            shown(event)
        shown(ended(Event(phase="RUN false", number=4, total=6, key="10"), "failed", 0.25))
    assert capsys.readouterr().err.splitlines() == [
        "Build     3 of 6  installing 44 wheels  1.5 s",
        "Build     4 of 6  RUN false  0.2 s  FAILED",
    ]


def test_quiet_work_says_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    settle_talk({"quiet": True, "progress": "json"})
    with Live("Build") as shown:
        shown(STEP)
        shown(ended(STEP))
        shown.log("pulling x")
        shown.log("warning: no record is kept")
    assert capsys.readouterr().err == "Build     warning: no record is kept\n"


def test_programs_get_a_json_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    settle_talk({"progress": "json"})
    with Live("Build") as shown:
        for event in (STEP, STEP, STEP, ended(STEP)):
            shown(event)
        shown.log("a note")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one.get("state") for one in told] == ["running", "done", None]
    assert (told[0]["words"], told[1]["seconds"]) == ("3 of 6  installing 44 wheels", 1.5)
    assert told[2] == {"message": "Build     a note"}


def test_timings_are_a_table_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    settle_talk({"timings": True, "quiet": True})
    with Live("Verify") as shown:
        shown(TRAINING)
        shown(Event(phase="training", subject="/GPU:0", number=1, total=3, epoch=3, epochs=6))
        shown(Event(phase="judging"))
        shown(ended(STEP, "cached"))
    lines = capsys.readouterr().err.splitlines()
    assert [line[10:66].strip() for line in lines] == [
        "training 1 of 3 on /GPU:0",
        "3 of 6  installing 44 wheels",
        "judging",
        "Verify in all",
    ]
    assert lines[1].endswith("cached")


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (0, 0, 9, ""),
        (0, 2_500_000_000, 9, "0.0 of 2.5 GB"),
        (1_240_000_000, 2_500_000_000, 40, "1.2 of 2.5 GB  31 MB/s  about 0:41 left"),
        (5_000_000, 20_000_000, 1, "5 of 20 MB"),
        (4_900_000, 20_000_000, 9, "5 of 20 MB"),  # of a few small files: the rate of the large ones is another
        (20_000_000, 20_000_000, 9, "20 MB fetched"),
        (2_500_000_000, 2_500_000_000, 9, "2.5 GB fetched"),
    ],
)
def test_bytes_rate_and_what_is_left(done: int, total: int, seconds: float, words: str) -> None:
    assert amount(Event(phase="x", done_bytes=done, total_bytes=total), seconds) == words


def test_a_clock_of_hours() -> None:
    assert [clock(one) for one in (0.9, 41, 3723)] == ["0:00", "0:41", "1:02:03"]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("[stage-1 3/6] COPY a b", "3 of 6  copying a b"),
        ("[3/6] RUN --mount=type=cache,target=/x my command", "3 of 6  RUN my command"),
        ("[5/5] WORKDIR /home/keras", "5 of 5  making the folder /home/keras"),
        (
            "[4/6] RUN --mount=type=bind,source=debian,target=/dev/debian apt-get install -y /dev/debian/*.deb",
            "4 of 6  installing the bundle's Debian packages",
        ),
        ("[tools 2/3] RUN my command", "RUN my command"),
        ("exporting to image", "writing the image"),
        ("pulling debian:bookworm-slim", "pulling debian:bookworm-slim"),
        ("importing cache manifest from x", "importing the cache of earlier builds"),
    ],
)
def test_a_step_has_a_title_for_people(name: str, title: str) -> None:
    event = step_event(BuildStep(index=1, name=name, state="running"))
    assert event is not None
    assert event.title == title


@pytest.mark.parametrize("name", ["[internal] load build context", "[tools 1/3] FROM debian:12"])
def test_housekeeping_is_not_shown(name: str) -> None:
    assert step_event(BuildStep(index=1, name=name, state="running")) is None

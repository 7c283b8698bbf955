"""The workload as a process: its end, its limit, its children."""

import secrets
import sys
import time
from pathlib import Path

import pytest

from provision.prove import process_runner
from provision.prove.host_monitor import processes
from provision.prove.process_runner import run_here

PYTHON = Path(sys.executable)
pytestmark = pytest.mark.process


def test_output_and_code() -> None:
    source = "import os, sys; print(sys.argv[1], os.environ['X']); print('e', file=sys.stderr); sys.exit(3)"
    ran = run_here(PYTHON, source, "argument", {"X": "y"}, 30)
    assert (ran.exit_code, ran.stdout, ran.stderr, ran.timed_out) == (3, "argument y\n", "e\n", False)


def test_a_signal_counts_as_engines_count_it() -> None:
    assert run_here(PYTHON, "import os; os.kill(os.getpid(), 9)", "", {}, 30).exit_code == 137


def test_what_cannot_be_started_is_refused() -> None:
    ran = run_here(Path("/no/such/python"), "", "", {}, 30)
    assert (ran.exit_code, ran.refused) == (None, "/no/such/python: No such file or directory")


def test_at_the_limit_nothing_is_left() -> None:
    mark = secrets.token_hex(16)
    source = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', "
        "sys.argv[1]]); time.sleep(60)"
    )
    begun = time.monotonic()
    ran = run_here(PYTHON, source, mark, {}, 1.5)
    assert (ran.timed_out, ran.exit_code) == (True, None)
    assert time.monotonic() - begun < 20
    end = time.monotonic() + 5
    while (left := processes(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == ()


def test_what_it_prints_is_heard_while_it_runs() -> None:
    heard: list[tuple[float, bytes]] = []
    source = "import time; print('one', flush=True); time.sleep(1); print('two')"
    ran = run_here(PYTHON, source, "", {}, 30, lambda chunk: heard.append((time.monotonic(), chunk)))
    assert (ran.stdout, b"".join(chunk for _, chunk in heard)) == ("one\ntwo\n", b"one\ntwo\n")
    assert heard[-1][0] - heard[0][0] > 0.5


def test_much_output_on_both_streams() -> None:
    source = "import sys; [print('x' * 999, file=one) for _ in range(2000) for one in (sys.stdout, sys.stderr)]"
    ran = run_here(PYTHON, source, "", {}, 60)
    assert (ran.exit_code, len(ran.stdout), len(ran.stderr)) == (0, 2_000_000, 2_000_000)


def test_a_child_that_keeps_the_streams_is_waited_for_until_the_limit() -> None:
    source = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('x')"
    )
    begun = time.monotonic()
    ran = run_here(PYTHON, source, "", {}, 1.5)
    assert (ran.timed_out, ran.stdout) == (True, "x\n")
    assert time.monotonic() - begun < 20


def test_one_that_lives_on_without_its_streams_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_runner, "ENDING_SECONDS", 1.0)
    source = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); "
    begun = time.monotonic()
    ran = run_here(PYTHON, source + "os.close(1); os.close(2); time.sleep(60)", "", {}, 1.5)
    assert (ran.timed_out, ran.stdout) == (True, "x\n")
    assert time.monotonic() - begun < 20

"""`shell` and `run` at a real terminal: its size, its keys, its end; nothing is left behind."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from docker import APIClient

pytestmark = pytest.mark.engine
Start = Callable[..., Any]  # of the conftest: a Terminal
PROMPT = "(kgpu-env) /work"


@pytest.fixture
def containers(api: "APIClient") -> Callable[[], set[str]]:
    """The containers of work that is under way or was left behind."""
    return lambda: {one["Id"] for one in api.containers(all=True, filters={"label": "kgpu-env.job"})}


@pytest.fixture
def shell(terminal: Start, base: str, containers: Callable[[], set[str]]) -> Iterator[Any]:
    before = containers()
    opened = terminal("shell", f"--image={base}")
    opened.expect(PROMPT)
    assert len(containers()) == len(before) + 1
    yield opened
    assert opened.restored
    assert containers() == before


def test_the_window_and_its_changes_arrive(shell: Any) -> None:  # noqa: ANN401 - a Terminal
    shell.type("stty size; echo $TERM\r")
    shell.expect("\n24 80\nxterm-256color\n")
    shell.resize(50, 132)
    shell.type("sleep 1; stty size\r")
    shell.expect("\n50 132\n")
    shell.type("exit\r")
    assert shell.end() == 0


def test_ctrl_c_is_the_commands_inside(shell: Any) -> None:  # noqa: ANN401 - a Terminal
    shell.type("sleep 300; echo code $?\r")
    shell.expect("sleep 300")
    shell.type("\x03")
    shell.expect(PROMPT)
    shell.type("echo $((6 * 7)); test -t 0 && exit 4\r")
    shell.expect("\n42\n")
    assert shell.end() == 4


def test_ctrl_d_ends_it_with_the_last_exit_code(shell: Any) -> None:  # noqa: ANN401 - a Terminal
    shell.type("false\r")
    shell.expect(PROMPT)
    shell.type("\x04")
    assert shell.end() == 1


def test_a_window_that_is_closed_leaves_no_container(
    terminal: Start, base: str, containers: Callable[[], set[str]], wait_for: Callable[..., None]
) -> None:
    before = containers()
    opened = terminal("shell", f"--image={base}")
    opened.expect(PROMPT)
    opened.hang_up()
    wait_for(lambda: containers() == before, "the container's end")
    opened.process.wait(timeout=20)


def test_what_is_typed_ahead_arrives(terminal: Start, base: str) -> None:
    opened = terminal("shell", f"--image={base}")
    opened.type("exit 4\r")
    assert opened.end() == 4


def test_run_at_a_terminal_gives_the_command_one(terminal: Start, base: str) -> None:
    ran = terminal("run", f"--image={base}", "--", "sh", "-c", "test -t 0; sleep 1; stty size; exit 7")
    ran.expect("24 80\n")
    assert (ran.end(), ran.restored) == (7, True)


def test_ctrl_c_ends_a_command_at_a_terminal(terminal: Start, base: str, containers: Callable[[], set[str]]) -> None:
    before = containers()
    ran = terminal("run", f"--image={base}", "--", "sh", "-c", "echo ready; exec sleep 300")
    ran.expect("ready")
    ran.type("\x03")
    assert (ran.end(), ran.restored, containers()) == (130, True, before)


def test_a_shells_json_is_alone_on_stdout(terminal: Start, base: str) -> None:
    opened = terminal("shell", f"--image={base}", "--json", stdout=subprocess.PIPE)
    opened.expect(PROMPT)
    opened.type("exit 4\r")
    assert opened.end() == 4
    with opened.process.stdout as out:
        assert json.load(out)["exit_code"] == 4

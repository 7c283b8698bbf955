"""How the process ends: with its exit code, whatever threads of its own are still waiting."""

import subprocess
import sys

import pytest

# A thread as the checks beside a build have them, waiting for ever; Python's own end would stop it anywhere.
SCRIPT = """
import sys, threading
from provision.cli import main
if sys.argv.pop(1) == "beside":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
main()
"""


@pytest.mark.process
@pytest.mark.parametrize("before", ["alone", "beside"])
@pytest.mark.parametrize(("words", "code", "said"), [(["--version"], 0, "kgpu-env"), (["no-such-command"], 2, "")])
def test_its_exit_code_and_output_are_whole(before: str, words: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-c", SCRIPT, before, *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stdout
    assert (code == 0) == (ended.stderr == "")

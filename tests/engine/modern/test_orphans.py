"""`kill -9` of the command while its container trains: on an engine of its own, where nobody else's can be swept."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from provision.engine.container import DEADLINE, LABEL, OWNER, PATIENCE_SECONDS, sweep
from provision.engine.protocol import Built, Run

Modern = Any  # the class of conftest.py
WaitFor = Callable[[Callable[[], bool], str], None]
pytestmark = pytest.mark.engine
LIMIT = 4  # seconds that the workload may live
# The tool, with less time for the workload beyond the command's own limit.
VERIFY = f"""
import provision.prove.runner as runner
runner.ENDING_SECONDS = {LIMIT} - 30.0
from provision.cli import main
main()
"""
ENDLESS = b"import time; time.sleep(600)\n"  # a framework whose import never ends


def containers(docker28: Modern) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = docker28.api.containers(all=True, filters={"label": LABEL})
    return {one["Id"]: one for one in found}


def killed(docker28: Modern, image: str, wait_for: WaitFor) -> str:
    """Start a verification, kill it when its container runs, and return the container."""
    words = ("verify", image, "--vendor", "cpu", "--timeout", "30")
    command = [sys.executable, "-c", VERIFY, *words]
    before = containers(docker28)
    with subprocess.Popen(
        command, env=os.environ | docker28.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        running = {"running"}
        wait_for(
            lambda: {one["State"] for key, one in containers(docker28).items() if key not in before} == running,
            "the training",
        )
        client.send_signal(signal.SIGKILL)
    [ident] = containers(docker28).keys() - before.keys()
    return ident


def test_a_killed_command_s_training_ends_by_itself_and_is_swept(
    docker28: Modern, debian: str, make: Callable[..., Built], name: str, wait_for: WaitFor
) -> None:
    modules = ("tensorflow", "keras", "numpy")
    lines = [f"COPY endless.py /usr/lib/python3/dist-packages/{one}.py" for one in modules]
    make(*lines, **{"endless.py": ENDLESS})
    begun = time.monotonic()
    orphan = killed(docker28, name, wait_for)
    assert containers(docker28)[orphan]["State"] == "running", "nobody is left to end it"

    # The limit is inside: it ends without whoever started it.
    wait_for(lambda: docker28.api.inspect_container(orphan)["State"]["Status"] == "exited", "its end")
    assert docker28.api.inspect_container(orphan)["State"]["ExitCode"] == 1
    assert time.monotonic() - begun >= LIMIT

    # The next command leaves it before its deadline, since clocks differ.
    ran = docker28.engine.run(Run(image=debian, command=("true",)))
    assert (ran.exit_code, list(containers(docker28))) == (0, [orphan])
    labels = docker28.api.inspect_container(orphan)["Config"]["Labels"]
    deadline = int(labels[DEADLINE])
    assert abs(deadline - time.time() - PATIENCE_SECONDS - 30) < 60

    # Past it the next one removes it, and not the container of a command that still runs, however late it is.
    other = threading.Thread(
        target=docker28.engine.run, args=(Run(image=debian, command=("sleep", "6"), seconds=30.0),)
    )
    other.start()
    wait_for(lambda: len(containers(docker28)) == 2, "the other command's container")
    sweep(docker28.api, now=deadline + 10.0 * PATIENCE_SECONDS)
    [left] = containers(docker28).values()
    assert left["Labels"][OWNER].split()[1] == str(os.getpid())
    other.join()
    assert containers(docker28) == {}

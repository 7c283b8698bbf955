import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.engine.container import DEADLINE, LABEL, OWNER, remove
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, Built, Ran, Run
from provision.errors import BuildError
from provision.model import GPU_VENDORS, Vendor

if TYPE_CHECKING:
    from docker import APIClient

WaitFor = Callable[[Callable[[], bool], str], None]
Leftovers = Callable[[], list[str]]
pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def _nothing_is_left(leftovers: Leftovers) -> None:
    assert leftovers() == []


def shell(engine: DockerEngine, base: str, script: str, **options: object) -> Ran:
    return engine.run(Run(image=base, command=("sh", "-c", script), **options))  # type: ignore[arg-type] # passed through


def test_output_and_exit_code(engine: DockerEngine, base: str, leftovers: Leftovers) -> None:
    ran = shell(engine, base, "echo out; echo err >&2; exit 3")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (3, "out\n", "err\n")
    assert (ran.timed_out, ran.out_of_memory, ran.refused) == (False, False, "")
    assert 0 < ran.seconds < 60
    assert leftovers() == []


def test_what_it_prints_is_heard_while_it_runs(engine: DockerEngine, base: str) -> None:
    heard: list[tuple[float, bytes]] = []
    run = Run(image=base, command=("sh", "-c", "echo one; echo err >&2; sleep 2; echo two"))
    ran = engine.run(run, lambda piece: heard.append((time.monotonic(), piece)))
    assert (ran.stdout, b"".join(piece for _, piece in heard)) == ("one\ntwo\n", b"one\ntwo\n")
    assert heard[-1][0] - heard[0][0] > 1


def test_the_root_is_read_only_and_tmp_is_home(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "touch /x /usr/x /var/x; echo 'echo ran' > ~/s; chmod +x ~/s; ~/s; echo $HOME; pwd")
    assert ran.stdout == "ran\n/tmp\n/tmp\n"
    assert ran.stderr.count("Read-only file system") == 3


def test_there_is_no_network(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "ls /sys/class/net")
    assert ran.stdout == "lo\n"
    assert "eth0" in shell(engine, base, "ls /sys/class/net", network=True).stdout


def test_rights_are_dropped(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status")
    told = dict(line.split(":\t") for line in ran.stdout.splitlines())
    assert int(told["CapEff"], 16) == 0
    assert int(told["CapBnd"], 16) == 0
    assert told["NoNewPrivs"] == "1"
    assert told["Seccomp"] == "2"  # filtered


def test_user_environment_and_groups(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "id -u; id -G; echo $A", user="1234:5678", env={"A": "b c"}, access=Access(groups=(993,)))
    assert ran.stdout == "1234\n5678 993\nb c\n"


def test_the_time_limit_ends_it(engine: DockerEngine, base: str, leftovers: Leftovers) -> None:
    ran = shell(engine, base, "echo before; sleep 60", seconds=1.5)
    assert (ran.exit_code, ran.timed_out, ran.stdout) == (None, True, "before\n")
    assert 1.5 <= ran.seconds < 20
    assert leftovers() == []


def test_out_of_memory_is_told(engine: DockerEngine, base: str) -> None:
    ran = engine.run(Run(image=base, command=("python3", "-c", "x = bytearray(1 << 30)"), memory_bytes=64 << 20))
    assert (ran.exit_code, ran.out_of_memory, ran.timed_out) == (137, True, False)


def test_endless_output_is_cut_from_the_front(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "echo kept >&2; yes | head -c 20000000; echo last")
    assert len(ran.stdout) <= 1 << 20
    assert ran.stdout.endswith("y\nlast\n")
    assert ran.stderr == "kept\n"


def test_a_long_command(engine: DockerEngine, base: str) -> None:
    code = "print(len('''" + "x" * 60_000 + "'''))"
    assert engine.run(Run(image=base, command=("python3", "-c", code))).stdout == "60000\n"


def test_no_toolkit_is_a_refusal(engine: DockerEngine, base: str, leftovers: Leftovers) -> None:
    if "nvidia" in engine.describe().runtimes:
        pytest.fail("this test is about an engine without the NVIDIA toolkit")
    ran = engine.run(Run(image=base, command=("true",), access=Access(runtime_ids=("all",))))
    assert "could not select device driver" in ran.refused
    assert ran.exit_code is None
    assert leftovers() == []


def test_a_device_that_is_not_there_is_a_refusal(engine: DockerEngine, base: str, leftovers: Leftovers) -> None:
    ran = engine.run(Run(image=base, command=("true",), access=Access(nodes=("/dev/kgpu-none",))))
    assert "/dev/kgpu-none" in ran.refused
    assert leftovers() == []


def test_a_device_reaches_the_container(engine: DockerEngine, base: str) -> None:
    ran = shell(engine, base, "ls -l /dev/fuse", access=Access(nodes=("/dev/fuse",)))
    assert Path("/dev/fuse").exists(), "this machine has no /dev/fuse to pass on"
    assert ran.stdout.startswith("c")


def test_a_missing_mount_is_a_refusal_and_makes_no_folder(engine: DockerEngine, base: str) -> None:
    ran = engine.run(Run(image=base, command=("true",), access=Access(mounts={"/kgpu-none/x": "/x"})))
    assert "/kgpu-none/x" in ran.refused
    assert not Path("/kgpu-none").exists()


def test_what_wsl2_hands_in_is_found_by_the_loader(engine: DockerEngine, base: str, tmp_path: Path) -> None:
    """Where librocdxg and libdxcore are mounted a program opens them by name, and LD_LIBRARY_PATH stays the image's."""
    access = GPU_VENDORS[Vendor.ROCM].access_on_wsl
    assert access
    own = Path("/proc/self/maps").read_text().splitlines()
    some = next(line.split()[-1] for line in own if "/libz.so" in line)  # a library that needs the C library alone
    mounts = {str(shutil.copy(some, tmp_path / Path(one).name)): inside for one, inside in access.mounts.items()}
    names = [Path(inside).name for inside in mounts.values()]
    code = f"import ctypes, os; [ctypes.CDLL(name) for name in {names}]; print('LD_LIBRARY_PATH' in os.environ)"
    ran = engine.run(Run(image=base, command=("python3", "-c", code), access=Access(mounts=mounts)))
    assert (ran.stdout.strip(), ran.stderr) == ("False", "")


def test_a_program_that_the_image_lacks(engine: DockerEngine, base: str, leftovers: Leftovers) -> None:
    ran = engine.run(Run(image=base, command=("kgpu-none",)))
    assert "executable file not found" in ran.refused
    assert leftovers() == []


def test_an_image_without_python(engine: DockerEngine, build: Callable[..., Built], tag: str) -> None:
    build("RUN rm -f /usr/bin/python3*")
    ran = engine.run(Run(image=tag, command=("python3", "-c", "print(1)")))
    assert "python3" in ran.refused


def test_an_image_that_is_not_there(engine: DockerEngine, leftovers: Leftovers) -> None:
    with pytest.raises(BuildError) as caught:
        engine.run(Run(image="kgpu-test/none:1", command=("true",)))
    assert caught.value.code == "KGE-408"
    assert leftovers() == []


SCRIPT = """
import sys
from provision.engine.docker import connect
from provision.engine.protocol import Run
engine = connect()
try:
    engine.run(Run(image=sys.argv[1], command=("sleep", "300")))
except KeyboardInterrupt:
    print("interrupted")
finally:
    engine.close()
"""


def test_ctrl_c_leaves_no_container(base: str, leftovers: Leftovers, wait_for: WaitFor) -> None:
    with interrupted(base) as process:
        wait_for(lambda: bool(leftovers()), "the container")
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert leftovers() == []


@pytest.mark.parametrize("delay", [0.35, 0.45, 0.55, 0.65])
def test_ctrl_c_at_any_moment_leaves_no_container(base: str, leftovers: Leftovers, delay: float) -> None:
    with interrupted(base) as process:
        time.sleep(delay)  # while importing, connecting, creating or starting
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
    assert leftovers() == []


def interrupted(base: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", SCRIPT, base]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_an_orphan_past_its_deadline_is_removed_by_the_next_command(
    engine: DockerEngine, base: str, api: "APIClient", leftovers: Leftovers
) -> None:
    """A command that was killed leaves its container; those of commands that still run have a deadline to come."""
    for name, deadline in {"orphan": "1", "running": str(int(time.time()) + 3600)}.items():
        labels = {LABEL: name, DEADLINE: deadline, OWNER: ""}
        host = api.create_host_config(init=True)
        made = api.create_container(base, ["sleep", "600"], name=f"kgpu-{name}", labels=labels, host_config=host)
        api.start(made["Id"])
    try:
        assert shell(engine, base, "true").exit_code == 0
        assert leftovers() == ["/kgpu-running"]
    finally:
        remove(api, "kgpu-running")
        remove(api, "kgpu-orphan")


def test_a_workload_ends_by_itself(engine: DockerEngine, base: str) -> None:
    """Whoever would end it may be gone: as the first process of a container it still ends, whatever Python does."""
    program = "import faulthandler; faulthandler.dump_traceback_later(1, exit=True, file=2); [0 for _ in iter(int, 1)]"
    ran = engine.run(Run(image=base, command=("python3", "-c", program), seconds=30.0))
    assert (ran.exit_code, ran.timed_out) == (1, False)
    assert "Timeout" in ran.stderr

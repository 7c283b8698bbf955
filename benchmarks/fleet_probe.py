"""`fleet probe` against a bare Ansible command of the same size: the same script on the same nodes, its answer dropped.

Nodes are containers with sshd and the tree of an H100's host, in a network of their own; they are removed afterwards.
The image is that of tests/engine/test_fleet_probe.py, which makes it. The order of each round is left to chance.

.venv/bin/python benchmarks/fleet_probe.py [NODES]
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from timing import Taken, machine, median

from provision.fleet.inventory import environment
from provision.probe import collector

NODES, RUNS, MOST = 36, 5, 1.3
NAME = f"kgpu-test-benchmark-{os.getpid()}"
SSHD = "mkdir -p -m 700 /root/.ssh /run/sshd; echo '{}' >/root/.ssh/authorized_keys; exec /usr/sbin/sshd -D -e"


def main() -> int:
    """Print the seconds of both and their ratio; return 1 when it is over its limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else NODES
    with tempfile.TemporaryDirectory() as name, nodes(Path(name), count) as inventory:
        taken = _rounds(Path(name), inventory)
    whole = {what: median(some) for what, some in taken.items()}
    ratio = whole["fleet probe"] / whole["bare"]
    cpu = median(taken["fleet probe"], "cpu") / median(taken["bare"], "cpu")
    print(machine())
    for what, some in taken.items():
        print(f"{what:<12} {whole[what]:6.2f} s (cpu {median(some, 'cpu'):6.2f} s)  {count} nodes, {len(some)} runs")
    print(f"ratio        {ratio:6.2f}   (cpu {cpu:6.2f})    at most {MOST}")
    return int(ratio > MOST)


def _rounds(folder: Path, inventory: Path) -> dict[str, list[Taken]]:
    beside = Path(sys.executable).parent
    probe = [beside / "kgpu-env", "fleet", "probe", "-i", inventory, "-o", folder / "hosts"]
    asked = json.dumps({"cmd": f"{collector.__file__} --text --root /tree", "executable": "python3"})
    words = ["-m", "ansible.builtin.script", "-a", asked]
    commands = {"fleet probe": probe, "bare": [beside / "ansible", "all", "-i", inventory, "--forks", "50", *words]}
    taken: dict[str, list[Taken]] = {what: [] for what in commands}
    dice = random.Random(4711)
    for number in range(RUNS + 1):
        for what in dice.sample(sorted(commands), len(commands)):
            one = _run(commands[what])
            if number:  # the first of each is not counted
                taken[what].append(one)
    return taken


def _run(command: list[Any]) -> Taken:
    before, begun = os.times(), time.monotonic()
    done = subprocess.run(
        list(map(str, command)), env={**os.environ, **environment()}, capture_output=True, text=True, check=False
    )
    wall, after = time.monotonic() - begun, os.times()
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}{done.stdout[-500:]}")
    return Taken(wall, after.children_user + after.children_system - before.children_user - before.children_system)


@contextmanager
def nodes(folder: Path, count: int) -> Iterator[Path]:
    """Start the nodes; give their inventory."""
    client = docker.APIClient()
    image = next((tag for one in client.images("kgpu-test/sshd") for tag in one["RepoTags"]), "")
    if not image:
        raise SystemExit("there is no image kgpu-test/sshd: .venv/bin/pytest tests/engine/test_fleet_probe.py")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
    from trees import build  # noqa: PLC0415 - found by the line above

    tree = build(folder / "tree", "h100")
    script = SSHD.format((folder / "key.pub").read_text().strip())
    client.create_network(NAME, driver="bridge")
    made: list[str] = []
    try:
        lines = []
        for number in range(count):
            binds: Any = {str(tree): {"bind": "/tree", "mode": "ro"}}
            settings = client.create_host_config(binds=binds, network_mode=NAME, init=True)
            one = client.create_container(image, ["sh", "-c", script], host_config=settings, user="root")["Id"]
            made.append(one)
            client.start(one)
            address = client.inspect_container(one)["NetworkSettings"]["Networks"][NAME]["IPAddress"]
            lines.append(f"node{number:03} ansible_host={address}")
        known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        key = f"ansible_ssh_private_key_file={folder}/key"
        shared = ["[all:vars]", "ansible_user=root", key, f"ansible_ssh_common_args='{known}'", "kgpu_env_root=/tree"]
        (folder / "inventory").write_text("\n".join([*lines, *shared]) + "\n")
        time.sleep(1)
        yield folder / "inventory"
    finally:
        for one in made:
            client.remove_container(one, force=True)
        client.remove_network(NAME)
        client.close()


if __name__ == "__main__":
    raise SystemExit(main())

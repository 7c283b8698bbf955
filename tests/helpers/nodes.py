"""Nodes of a fleet as containers: sshd, a fake tree of a machine, and where it is asked for an engine of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from trees import build

import provision

if TYPE_CHECKING:
    from docker import APIClient

ROOT: Final = Path(provision.__file__).parents[1]
SSHD: Final = "mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e"
_CLEAN: Final = "rm -rf /var/lib/apt/lists"
SSH: Final = ("openssh-server",)
# What a node with an engine has: Ansible's docker modules need requests.
ENGINE: Final = ("openssh-server", "docker.io", "iptables", "python3-requests")
# What a Docker in a container needs; "privileged" asks for more than a container of tests may itself have.
_CAPABILITIES: Final = (
    *("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_NICE", "IPC_LOCK", "DAC_READ_SEARCH", "SYSLOG"),
)
_UNCONFINED: Final = ["seccomp=unconfined", "apparmor=unconfined"]
_CGROUPS: Final = "for one in /sys/fs/cgroup/*; do mountpoint -q $one && mount -o remount,bind,rw $one; done"
# Its network has no bridge, which would replace the machine's.
_OPTIONS: Final = "--bridge=none --iptables=false --ip-forward=false"
DOCKERD: Final = f"mount -o remount,rw /sys; {_CGROUPS}; (dockerd {_OPTIONS} $MORE >/var/log/dockerd 2>&1 &)"
_OLD: Final = "MORE=--oom-score-adjust=0"
# Has DOCKERD start a current one, with containerd's image store.
_SETTINGS: Final = '{"features": {"containerd-snapshotter": true}, "userland-proxy": false}'
_NEW: Final = (
    "export PATH=/opt/docker/usr/sbin:/opt/docker/usr/bin:$PATH; "
    f"mkdir -p /etc/docker; echo '{_SETTINGS}' >/etc/docker/daemon.json"
)
# The fake tree in place of the machine's own: a gate reads nothing else.
MASKED: Final = (
    "mount --bind /tree/sys/bus/pci /sys/bus/pci; mount --bind /tree/sys/module /sys/module; "
    "mount --bind /tree/proc/driver /proc/driver; "
    "mknod -m 666 /dev/nvidia0 c 195 0; mknod -m 666 /dev/nvidiactl c 195 255; mknod -m 666 /dev/nvidia-uvm c 510 0; "
    "cp -a /tree/usr/. /usr/"
)


def image(client: "APIClient", base: str, packages: tuple[str, ...], name: str) -> str:
    """Return the base with packages, by the machine's own apt sources; kept as the base is.

    Args:
        client: of the engine.
        base: of the tests: kgpu-test/base.
        packages: of Debian.
        name: of the image's repository, below kgpu-test.
    """
    found = base.replace("/base:", f"/{name}:")
    if client.images(found):
        return found
    install = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(packages)} && {_CLEAN}"
    binds: Any = {"/etc/apt": {"bind": "/etc/apt", "mode": "ro"}}
    settings = client.create_host_config(network_mode="host", binds=binds)
    made = client.create_container(base, ["sh", "-c", install], host_config=settings, user="root")
    try:
        client.start(made)
        code = client.wait(made, timeout=400)["StatusCode"]
        assert code == 0, client.logs(made).decode()
        repository, _, tag = found.partition(":")
        client.commit(made, repository, tag)
    finally:
        client.remove_container(made, force=True)
    return found


# Lets a port of one machine be reached as another's: python3 -c FORWARD HOST PORT TARGET PORT [PROCESS], where it
# listens in the network of that process.
FORWARD: Final = """
import ctypes, os, socket, sys, threading
networks = [os.open(f"/proc/{one}/ns/net", os.O_RDONLY) for one in (*sys.argv[5:], "self")]
def enter(network):
    assert len(networks) == 1 or ctypes.CDLL(None).setns(network, 0) == 0
def copy(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
enter(networks[0])
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
enter(networks[-1])
while True:
    one = listening.accept()[0]
    other = socket.create_connection((sys.argv[3], int(sys.argv[4])))
    for pair in ((one, other), (other, one)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


# What makes sshd listen at another port than the inventory has, as shell words before it starts.
REFUSING: Final = "echo Port 2222 >> /etc/ssh/sshd_config"
# An sshd that can end without its node.
STOPPABLE: Final = "mkdir -p /run/sshd; /usr/sbin/sshd; exec sleep infinity"


@contextmanager
def reached_from(process: int, port: int) -> Iterator[None]:
    """Let the network of a process reach a port of this machine's loopback as its own."""
    words = [sys.executable, "-c", FORWARD, "127.0.0.1", str(port), "127.0.0.1", str(port), str(process)]
    with subprocess.Popen(words) as forwarding:
        try:
            yield
        finally:
            forwarding.terminate()


class Nodes:
    """Containers by the name of the node, and the inventory of them."""

    def __init__(self, client: "APIClient", image: str, folder: Path, network: str) -> None:
        self.client, self.image, self.folder, self.network = client, image, folder, network
        self.ids: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
        client.create_network(network, driver="bridge", labels={"kgpu-env.test": "nodes"})

    @property
    def tree(self) -> Path:
        """The tree that a node has where nothing else is said."""
        return self.tree_of("h100")

    def tree_of(self, kind: str) -> Path:
        """The tree of a kind of host."""
        path = self.folder / "trees" / kind
        return path if path.exists() else build(path, kind)

    def add(
        self,
        name: str,
        before: str = "true",
        *,
        kind: str = "h100",
        engine: bool | Path = False,
        installed: bool = False,
    ) -> None:
        """Start a node.

        Args:
            name: of the node.
            before: shell words that are run before sshd starts.
            kind: of host, whose tree it has.
            engine: whether it has a Docker of its own; or the folder of another one's programs, which has
                containerd's image store there.
            installed: whether it has this kgpu-env.
        """
        text = (self.folder / "key.pub").read_text().strip()
        keys = f"mkdir -p -m 700 /root/.ssh; echo '{text}' > /root/.ssh/authorized_keys"
        daemon = [_NEW if isinstance(engine, Path) else _OLD, DOCKERD] if engine else []
        words = [keys, before, *daemon, *([self._program()] if installed else []), SSHD]
        binds: Any = {str(self.tree_of(kind)): {"bind": "/tree", "mode": "ro"}}
        if isinstance(engine, Path):
            binds[str(engine)] = {"bind": "/opt/docker", "mode": "ro"}
        # A node has a Python of its own in /usr, and much else.
        for path in {sys.prefix, sys.base_prefix, str(ROOT)} - {"/usr"} if installed else ():
            binds[path] = {"bind": path, "mode": "ro"}
        rights: Any = {
            "cap_add": list(_CAPABILITIES),
            "security_opt": _UNCONFINED,
            "device_cgroup_rules": ["a *:* rwm"],
            "tmpfs": {"/run": ""},
        }
        settings = self.client.create_host_config(
            binds=binds, network_mode=self.network, init=True, **(rights if engine else {})
        )
        if engine:
            settings |= {"MaskedPaths": [], "ReadonlyPaths": []}
        made = self.client.create_container(
            self.image,
            ["sh", "-c", "; ".join(words)],
            host_config=settings,
            user="root",
            name=f"{self.network}-{name}",
            hostname=name,
            volumes=["/var/lib/docker"] if engine else [],
        )
        self.ids[name] = made["Id"]
        self.client.start(made)
        address = self.client.inspect_container(made)["NetworkSettings"]["Networks"][self.network]["IPAddress"]
        self.addresses[name] = address
        self.lines[name] = f"{name} ansible_host={address}"

    @staticmethod
    def _program() -> str:
        text = f'#!/bin/sh\\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH={ROOT} exec {sys.executable} -m provision "$@"\\n'
        return f"printf '{text}' > /usr/local/bin/kgpu-env; chmod 755 /usr/local/bin/kgpu-env"

    def run(self, name: str, *words: str) -> tuple[int, str]:
        """Return exit code and output of a command on a node."""
        made = self.client.exec_create(self.ids[name], list(words))["Id"]
        output: bytes = self.client.exec_start(made)
        return int(self.client.exec_inspect(made)["ExitCode"]), output.decode(errors="replace")

    def write(self, name: str, path: str, text: str) -> None:
        """Write a file on a node, in a folder for its owner alone."""
        words = f"mkdir -p -m 700 {Path(path).parent} && printf %s '{text}' > {path}"
        assert self.run(name, "sh", "-c", words) == (0, "")

    def wait(self, name: str, *words: str, seconds: float = 40) -> None:
        """Wait until a command on a node succeeds."""
        end = time.monotonic() + seconds
        while (found := self.run(name, *words))[0]:
            assert time.monotonic() < end, (name, words, found, self.run(name, "tail", "/var/log/dockerd"))
            time.sleep(0.2)

    @contextmanager
    def reaching(self, port: int, *names: str) -> Iterator[None]:
        """Let nodes reach a port of this machine's loopback as their own."""
        [network] = self.client.inspect_network(self.network)["IPAM"]["Config"]
        gateway = network["Gateway"]
        inside = ["timeout", "300", "python3", "-c", FORWARD, "127.0.0.1", str(port), gateway, str(port)]
        for name in names:
            self.client.exec_start(self.client.exec_create(self.ids[name], inside)["Id"], detach=True)
        here = [sys.executable, "-c", FORWARD, gateway, str(port), "127.0.0.1", str(port)]
        with subprocess.Popen(here) as process:
            try:
                yield
            finally:
                process.terminate()

    @property
    def variables(self) -> dict[str, str]:
        """What Ansible has to know of every node."""
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": f"{self.folder}/key",
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            "kgpu_env_root": "/tree",
        }

    @property
    def inventory(self) -> Path:
        """The inventory of all nodes."""
        path = self.folder / "inventory"
        shared = [f"{key}={value!r}" for key, value in self.variables.items()]
        path.write_text("\n".join([*self.lines.values(), "[all:vars]", *shared]) + "\n")
        return path

    def close(self) -> None:
        """Remove all of them; a busy machine may need longer than the client waits, to take an engine's data away."""
        for container in self.ids.values():
            with suppress(requests.Timeout):
                self.client.remove_container(container, force=True, v=True)
        end = time.monotonic() + 120
        while self.client.inspect_network(self.network)["Containers"] and time.monotonic() < end:
            time.sleep(1)
        self.client.remove_network(self.network)


def network_name(of: str) -> str:
    """Return the name of a network that no other run of the tests has."""
    return f"kgpu-test-{of}-{os.getpid()}"

"""Engines that cannot hand a GPU over as they are installed: snap, Desktop, SELinux, a reload of systemd."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from provision.model import GPU_VENDORS, Finding
from provision.probe.causes.scene import Scene, error, info, warning
from provision.probe.cdi import read_cdi
from provision.probe.engine_place import leave_snap

_SNAP: Final = ("/snap/docker/current/bin/dockerd", "/var/snap/docker/current")
_OWN: Final = ("/usr/bin/dockerd", "/usr/local/bin/dockerd", "/usr/sbin/dockerd")
_DAEMON: Final = "/etc/docker/daemon.json"
_SELINUX: Final = "/sys/fs/selinux"
_PODMAN: Final = ("/usr/bin/podman", "/usr/bin/buildah")
_BOOLEANS: Final = ("container_use_devices", "container_use_xserver_devices")
_CGROUP2: Final = "/sys/fs/cgroup/cgroup.controllers"
_PID: Final = ("/run/docker.pid", "/var/run/docker.pid")
_NETWORKS: Final = "/sys/class/net"
READS: Final = (
    *_PID,
    _NETWORKS,
    *_SNAP,
    *_OWN,
    _DAEMON,
    "~/.docker/config.json",
    _SELINUX,
    *_PODMAN,
    _CGROUP2,
    "/dev/char",
)


def snap(scene: Scene) -> Iterator[Finding]:
    """KGE-143: Docker is a snap, which sees neither the host's libraries nor /etc/docker."""
    found = next((path for path in _SNAP if scene.reader.exists(path)), None)
    if not found or not scene.host.gpus:
        return
    both = " beside a Docker of the distribution" if any(scene.reader.exists(path) for path in _OWN) else ""
    yield warning(
        "KGE-143",
        f"Docker is installed as a snap{both} ({found}): it reads /var/snap/docker, not /etc/docker, and does not "
        "see the "
        "host's driver libraries (load library failed: libnvidia-ml.so.1).",
        leave_snap(scene.family),
    )


def desktop(scene: Scene) -> Iterator[Finding]:
    """KGE-143: Docker Desktop answers, whose containers run in a virtual machine without the GPU."""
    if not scene.host.gpus or scene.host.wsl:
        return
    for home in _homes(scene):
        path = f"{home}/.docker/config.json"
        try:
            settings = json.loads(scene.reader.text(path) or "{}")
        except ValueError:
            continue
        if isinstance(settings, dict) and settings.get("currentContext") == "desktop-linux":
            yield warning(
                "KGE-143",
                f"{path} chooses Docker Desktop (desktop-linux): its containers run in a virtual machine without "
                "the GPU.",
                "`docker context use default`, with docker-ce or docker.io installed beside it. Check: docker "
                "context show",
            )


def _homes(scene: Scene) -> tuple[str, ...]:
    """Return the home of who asks; of a captured tree all of them."""
    if scene.reader.live:
        return (str(Path.home()),)
    return ("/root", *(f"/home/{name}" for name in scene.reader.names("/home")))


def settings(scene: Scene) -> Iterator[Finding]:
    """KGE-156: dockerd's settings are no JSON, or name a runtime whose program is gone."""
    text = (scene.reader.text(_DAEMON) or "").strip()
    if not text or not scene.host.gpus:
        return
    try:
        found = json.loads(text)
    except ValueError as problem:
        yield _unreadable(str(problem))
        return
    runtimes = found.get("runtimes") if isinstance(found, dict) else None
    for row in GPU_VENDORS.values():
        programs = {toolkit.name for toolkit in scene.host.toolkits} & set(row.toolkit_programs.values())
        name = row.container_runtime
        if isinstance(runtimes, dict) and name in runtimes and not programs and scene.host.gpus_of(row.maker):
            yield _gone(name, is_default=found.get("default-runtime") == name)


def _unreadable(why: str) -> Finding:
    return error(
        "KGE-156",
        f"{_DAEMON} is no JSON ({why}): dockerd does not start with it.",
        "Mend the place that the message names: `sudo dockerd --validate --config-file=/etc/docker/daemon.json`, then "
        "`sudo systemctl restart docker`. Check: docker info",
    )


def _gone(name: str, *, is_default: bool) -> Finding:
    which = "no container starts" if is_default else f"containers with --runtime={name} do not start"
    return (error if is_default else warning)(
        "KGE-156",
        f"{_DAEMON} names the runtime {name}{', as the default' if is_default else ''}, and its toolkit is not "
        f"installed any more: {which}.",
        f"Install the container toolkit again, or take {name} out of runtimes and default-runtime; then "
        "`sudo systemctl restart docker`. Check: docker info",
    )


def reload(scene: Scene) -> Iterator[Finding]:
    """KGE-144: with cgroup v2 and the NVIDIA runtime, a reload of systemd takes the GPU from running containers."""
    for row in GPU_VENDORS.values():
        if row.access != "runtime" or not scene.host.gpus_of(row.maker) or not scene.reader.exists(_CGROUP2):
            continue
        settings = scene.reader.text(_DAEMON) or ""
        by_runtime = f'"{row.container_runtime}"' in settings and "native.cgroupdriver=cgroupfs" not in settings
        linked = any(
            row.own_node.rpartition("/")[2] in (scene.reader.link(f"/dev/char/{name}") or "")
            for name in scene.reader.names("/dev/char")
        )
        if by_runtime and not linked and not any(name.startswith(row.cdi_kind) for name in read_cdi(scene.reader)):
            yield info(
                "KGE-144",
                "cgroup v2 with the NVIDIA runtime: a systemctl daemon-reload takes the GPU from containers that "
                "run (Failed "
                "to initialize NVML: Unknown Error).",
                f"Hand the GPU over by CDI (`{row.cdi_command}`), or: sudo nvidia-ctk system create-dev-char-symlinks "
                "--create-all. Check: ls -l /dev/char | grep nvidia",
            )


def selinux(scene: Scene) -> Iterator[Finding]:
    """KGE-145: SELinux keeps Podman's containers from the nodes, unless told otherwise."""
    podman = any(scene.reader.exists(path) for path in _PODMAN)
    if not podman or not scene.host.gpus or scene.reader.line(f"{_SELINUX}/enforce") != "1":
        return
    if any((scene.reader.line(f"{_SELINUX}/booleans/{name}") or "").startswith("1") for name in _BOOLEANS):
        return
    yield info(
        "KGE-145",
        "SELinux is enforcing: Podman's containers may not open the GPU's nodes, whatever their groups.",
        "`sudo setsebool -P container_use_devices 1`, or --security-opt label=disable; rootless also --group-add "
        "keep-groups. "
        "Check: getsebool container_use_devices",
    )


def bridge(scene: Scene) -> Iterator[Finding]:
    """KGE-152: dockerd runs and its bridge is gone, as when a second dockerd started with one of its own."""
    number = next((line for path in _PID if (line := scene.reader.line(path))), None)
    started = scene.reader.text(f"/proc/{number}/cmdline") if number else None
    networks = scene.reader.names(_NETWORKS)
    if not scene.host.gpus or not started or "lo" not in networks or "docker0" in networks:
        return
    if "--bridge" in started or "-b=" in started or '"bridge"' in (scene.reader.text(_DAEMON) or ""):
        return
    yield warning(
        "KGE-152",
        "dockerd runs, but its bridge docker0 is gone: containers with a network do not start.",
        "`sudo systemctl restart docker`; a second dockerd needs a network namespace of its own, since also "
        "--bridge=none deletes docker0. Check: ip link show docker0",
    )

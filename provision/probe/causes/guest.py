"""A probe that itself runs in a container: what the outer host must hand in, and what its engine may not write."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding, Vendor
from provision.probe.causes.scene import Scene, error, info, warning
from provision.probe.reader import Reader

_SYSTEMD: Final = "/run/systemd/container"
_ENVIRONMENT: Final = "/proc/1/environ"
_MARKS: Final = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
TOOLKIT_CONFIG: Final = "/etc/nvidia-container-runtime/config.toml"
READS: Final = (_SYSTEMD, _ENVIRONMENT, *_MARKS, TOOLKIT_CONFIG, "/run/user")
_SYSTEMS: Final = {"lxc", "lxc-libvirt", "systemd-nspawn", "openvz"}  # with an init of their own, an engine runs inside
_NVIDIA: Final = Vendor.CUDA.row
_AMD: Final = Vendor.ROCM.row
_NO_CGROUPS = re.compile(r"^\s*no-cgroups\s*=\s*(true|false)", re.MULTILINE)
_SET: Final = "`sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups={} --in-place`"


def kind(reader: Reader) -> str:
    """Return the kind of container that the host's tree is, as systemd names it; "" for none, or not known."""
    named = reader.line(_SYSTEMD)
    if named:
        return named
    words = (reader.data(_ENVIRONMENT) or b"").decode(errors="replace").split("\0")
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    if "container" in variables or "KUBERNETES_SERVICE_HOST" in variables:
        return variables.get("container", "kubernetes")
    return next((name for path, name in _MARKS.items() if reader.exists(path)), "")


def inside(scene: Scene) -> Iterator[Finding]:
    """KGE-128: where the probe runs; what is said of kernel modules and packages is the outer host's affair."""
    if scene.guest and scene.host.gpus and not scene.host.wsl:
        yield info(
            "KGE-128",
            f"The probe runs in a container itself ({scene.guest}): driver, kernel modules and device nodes are "
            "the outer "
            "host's.",
            "Nothing has to be done; fix what concerns the driver on the outer host.",
        )


def missing_nodes(scene: Scene) -> Iterator[Finding]:
    """KGE-129: the driver is there, its nodes were not handed in."""
    if not scene.guest or scene.host.wsl:
        return
    for row, wanted in ((_NVIDIA, ("/dev/nvidiactl", "/dev/nvidia-uvm")), (_AMD, _AMD.shared_nodes)):
        driven = [gpu for gpu in scene.host.gpus_of(row.maker) if gpu.kernel_driver == row.kernel_driver]
        missing = [path for path in wanted if driven and not scene.reader.node(path)]
        if missing and scene.host.driver(row.maker):
            yield _missing(scene, row.title, missing)


def _missing(scene: Scene, title: str, paths: list[str]) -> Finding:
    listed = ", ".join(paths)
    lxc = "; ".join(f"lxc.mount.entry: {path} {path[1:]} none bind,optional,create=file" for path in paths)
    own = (
        "On the outer host: load the module (sudo nvidia-modprobe -u -c 0), then add to the guest's "
        f"configuration {lxc}"
    )
    own += "; lxc.cgroup2.devices.allow for their numbers. Docker inside it needs no-cgroups = true as well."
    engine = "Start the container with the GPU: --gpus all, --device nvidia.com/gpu=all, or --device for each node."
    if title == _AMD.title:
        own = f"On the outer host add to the guest's configuration: {lxc}; and its render nodes below /dev/dri."
        engine = "Start the container with --device /dev/kfd --device /dev/dri."
    return error(
        "KGE-129",
        f"{listed} was not handed into this container ({scene.guest}), although the outer host drives the {title} "
        "GPU: the "
        "node belongs to the outer host and cannot be made in here.",
        f"{own if scene.guest in _SYSTEMS else engine} Check: ls -l {' '.join(paths)}",
    )


def device_rules(scene: Scene) -> Iterator[Finding]:
    """KGE-130: the toolkit writes device rules where it may not, or leaves them where it must write them."""
    has_toolkit = any(toolkit.name in _NVIDIA.toolkit_programs.values() for toolkit in scene.host.toolkits)
    if not has_toolkit or not scene.host.gpus_of(_NVIDIA.maker):
        return
    config = scene.reader.text(TOOLKIT_CONFIG)
    setting = _NO_CGROUPS.search(config or "")
    off = setting is not None and setting[1] == "true"
    if scene.guest in _SYSTEMS and not off:
        text = (
            f"An engine in this guest ({scene.guest}) may not write device rules (bpf_prog_query ... not "
            "permitted), and "
        )
        yield _rules(text + f"no-cgroups = true is not set in {TOOLKIT_CONFIG}.", "true")
    elif not scene.guest and off and not _rootless(scene):
        text = (
            f"no-cgroups = true in {TOOLKIT_CONFIG}: an engine that runs as root mounts the nodes, and its device "
            "cgroup "
        )
        yield _rules(text + "forbids them (Failed to initialize NVML: Unknown Error).", "false")
    elif not scene.guest and config is not None and not off and _rootless(scene):
        text = (
            f"A rootless Docker runs here and no-cgroups = true is not set in {TOOLKIT_CONFIG}: it may not write "
            "device rules."
        )
        yield _rules(text, "true")


def _rules(text: str, value: str) -> Finding:
    return warning(
        "KGE-130",
        text,
        f"{_SET.format(value)}; or hand GPUs over by CDI (--device nvidia.com/gpu=all), which needs neither.",
    )


def _rootless(scene: Scene) -> bool:
    engine = scene.host.engine
    users = (f"/run/user/{uid}/docker.sock" for uid in scene.reader.names("/run/user"))
    return bool(engine and engine.rootless) or any(scene.reader.exists(path) for path in users)

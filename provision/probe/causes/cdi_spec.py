"""CDI specifications that no longer fit, a toolkit that no engine knows of, one that looks in another root."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from provision.model import GPU_VENDORS, Finding, GpuVendor, Vendor
from provision.probe.causes.guest import TOOLKIT_CONFIG
from provision.probe.causes.scene import Scene, error, info, warning
from provision.probe.cdi import CDI_DIRS, load_spec, read_cdi

_DAEMON: Final = "/etc/docker/daemon.json"
_DOCKER: Final = ("/usr/bin/dockerd", "/usr/local/bin/dockerd", "/usr/sbin/dockerd")
_PODMAN: Final = ("/usr/bin/podman", "/run/current-system/sw/bin/podman")
_PODMAN_HOOKS: Final = ("/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d")
_HOOKS: Final = ("/usr/bin/nvidia-container-runtime-hook", "/usr/bin/nvidia-container-toolkit")
_CONFIGS: Final = (TOOLKIT_CONFIG, "/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml")
READS: Final = (*CDI_DIRS, _DAEMON, *_DOCKER, *_PODMAN, *_PODMAN_HOOKS, *_HOOKS, *_CONFIGS)
# The driver's branches have three digits; libnvidia-egl-wayland.so.1.1.13 has a version of its own.
_VERSIONED = re.compile(r"(.*\.so)\.(\d{3,5}\.\d{1,5}(?:\.\d{1,5})?)", re.ASCII)
_DRIVER_FILE = re.compile(r"lib(cuda|nvidia|nvcuvid|nvoptix|EGL_nvidia|GLX_nvidia|GLESv\w+_nvidia)\S*", re.ASCII)
_ROOT = re.compile(r'^\s*root\s*=\s*"([^"]+)"', re.MULTILINE)
_MODE = re.compile(r'^\s*mode\s*=\s*"cdi"', re.MULTILINE)
_UVM: Final = "/dev/nvidia-uvm"
_ROW: Final = Vendor.CUDA.row


@dataclass(frozen=True, slots=True)
class _Spec:
    """What one specification hands over."""

    path: str
    kind: str
    nodes: tuple[str, ...]
    files: tuple[str, ...]
    reasons: list[str] = field(default_factory=list)


def stale(scene: Scene) -> Iterator[Finding]:
    """KGE-140: a specification names nodes or files that are not there, or libraries of another driver."""
    for row in GPU_VENDORS.values():
        specs = [spec for spec in _specs(scene) if spec.kind == row.cdi_kind]
        if not scene.host.gpus_of(row.maker):
            continue
        for spec in specs:
            reasons = list(dict.fromkeys(_reasons(scene, row, spec)))
            # Of two specifications of a kind the one in the later folder is taken, where the engine takes any.
            if reasons:
                yield _stale(row, spec, reasons, taken=spec is specs[-1])


def _specs(scene: Scene) -> list[_Spec]:
    paths = [f"{folder}/{name}" for folder in CDI_DIRS for name in scene.reader.names(folder)]
    documents = (
        (path, load_spec(scene.reader.text(path) or "")) for path in paths if path.endswith((".json", ".yaml"))
    )
    specs: dict[str, _Spec] = {}
    for path, document in documents:
        if isinstance(document, Mapping) and isinstance(document.get("kind"), str):
            spec = _spec(path, document)
            specs.setdefault(f"{path.removeprefix('/var')}", spec)  # /var/run is /run on most hosts
    return list(specs.values())


def _spec(path: str, document: Mapping[object, object]) -> _Spec:
    devices = document.get("devices")
    entries = [document, *(devices if isinstance(devices, list) else [])]
    edits = [entry["containerEdits"] for entry in entries if isinstance(entry, Mapping) and "containerEdits" in entry]
    nodes = tuple(path for edit in edits for path in _values(edit, "deviceNodes", ("hostPath", "path")))
    files = tuple(path for edit in edits for path in _values(edit, "mounts", ("hostPath",)))
    return _Spec(path, str(document.get("kind")), nodes, files)


def _values(edit: object, name: str, keys: tuple[str, ...]) -> Iterator[str]:
    items = edit.get(name) if isinstance(edit, Mapping) else None
    for item in items if isinstance(items, list) else []:
        value = next((item[key] for key in keys if isinstance(item, Mapping) and isinstance(item.get(key), str)), None)
        if isinstance(value, str):
            yield value


def _reasons(scene: Scene, row: GpuVendor, spec: _Spec) -> Iterator[str]:
    driver = scene.host.driver(row.maker)
    for path in spec.files:
        versioned = _VERSIONED.fullmatch(path)
        ours = versioned and row is _ROW and _DRIVER_FILE.match(path.rpartition("/")[2])
        if versioned and ours and driver and driver.version and versioned[2] != driver.version:
            yield f"it names {path.rpartition('/')[2]}, the driver is {driver.version}"
        elif _is_absent(scene, path):
            yield f"{path} does not exist"
    yield from (f"{path} does not exist" for path in spec.nodes if _is_absent(scene, path))
    if row is _ROW and spec.nodes and _UVM not in spec.nodes and scene.reader.node(_UVM):
        yield f"it lacks {_UVM}, without which CUDA does not start"


def _is_absent(scene: Scene, path: str) -> bool:
    """Tell whether a path is known not to exist; of a captured tree only where its folder holds something like it."""
    if scene.reader.exists(path):
        return False
    folder, _, name = path.rpartition("/")
    stem = re.sub(r"[\d.]+$", "", name)
    beside = scene.reader.node_names(folder)
    return scene.reader.live or (len(stem) < len(name) and any(other.startswith(stem) for other in beside))


def _stale(row: GpuVendor, spec: _Spec, reasons: list[str], *, taken: bool) -> Finding:
    more = f" and {len(reasons) - 2} more" if len(reasons) > 2 else ""  # noqa: PLR2004 - two are named
    text = f"The CDI spec {spec.path} is stale: {'; '.join(reasons[:2])}{more}. Containers started by it fail."
    command = re.sub(r"(--output=)\S+", rf"\g<1>{spec.path}", row.cdi_command)
    fix = f"Write it anew: `{command}` (after each driver update; nvidia-cdi-refresh does it by itself)."
    if row is not _ROW:
        fix = f"Write it anew: `{command}`."
    check = f"{fix} Check: nvidia-ctk cdi list" if row is _ROW else fix
    return (error if taken else warning)("KGE-140", text, check)


def not_registered(scene: Scene) -> Iterator[Finding]:
    """KGE-141: the toolkit is there, Docker or Podman has not been told of it, and no CDI spec stands in."""
    for row in GPU_VENDORS.values():
        programs = {toolkit.name for toolkit in scene.host.toolkits} & set(row.toolkit_programs.values())
        if row.access != "runtime" or not programs or not scene.host.gpus_of(row.maker):
            continue
        if any(name.startswith(row.cdi_kind) for name in read_cdi(scene.reader)):
            continue
        if _registered(scene, row) is False:
            hook = next((path for path in _HOOKS if scene.reader.exists(path)), None)
            yield _not_registered(row, hook)
        elif _is_podman_alone(scene):
            yield _no_spec(row)


def mode_without_spec(scene: Scene) -> Iterator[Finding]:
    """KGE-159: the NVIDIA runtime takes GPUs from CDI specifications alone, and there is none."""
    path = next((one for one in _CONFIGS if _MODE.search(scene.reader.text(one) or "")), None)
    if not path or not scene.host.gpus_of(_ROW.maker) or not _registered(scene, _ROW):
        return
    if any(name.startswith(_ROW.cdi_kind) for name in read_cdi(scene.reader)):
        return
    yield error(
        "KGE-159",
        f'{path} puts the NVIDIA runtime into CDI mode (mode = "cdi"), and there is no CDI spec in '
        f"{', '.join(CDI_DIRS)}: no container with a GPU starts (unresolvable CDI devices {_ROW.cdi_kind}=all).",
        f"`{_ROW.cdi_command}`; or without CDI: sudo nvidia-ctk config --in-place --set "
        "nvidia-container-runtime.mode=auto. Check: nvidia-ctk cdi list",
    )


def _registered(scene: Scene, row: GpuVendor) -> bool | None:
    """Tell whether Docker knows the runtime; None: there is no Docker, or its settings cannot be read."""
    text = scene.reader.text(_DAEMON)
    if text is None:
        return False if any(scene.reader.exists(path) for path in _DOCKER) and not _hidden(scene) else None
    try:
        settings = json.loads(text or "{}")
    except ValueError:
        return None
    runtimes = settings.get("runtimes") if isinstance(settings, dict) else None
    return isinstance(runtimes, dict) and row.container_runtime in runtimes


def _is_podman_alone(scene: Scene) -> bool:
    """Tell whether Podman is the engine and has no hook either, by which it took GPUs before CDI."""
    hooks = [name for folder in _PODMAN_HOOKS for name in scene.reader.names(folder) if "nvidia" in name]
    docker = any(scene.reader.exists(path) for path in _DOCKER)
    return any(scene.reader.exists(path) for path in _PODMAN) and not hooks and not docker


def _no_spec(row: GpuVendor) -> Finding:
    return warning(
        "KGE-141",
        f"The {row.title} Container Toolkit is installed and there is no CDI spec: Podman cannot hand the GPU over "
        f"(unresolvable CDI devices {row.cdi_kind}=all).",
        f"`{row.cdi_command}`. Check: nvidia-ctk cdi list",
    )


def _hidden(scene: Scene) -> bool:
    return any(_DAEMON in finding.text for finding in scene.reader.findings)


def _not_registered(row: GpuVendor, hook: str | None) -> Finding:
    text = (
        f"The {row.title} Container Toolkit is installed, but {_DAEMON} does not name its runtime and there is no "
        "CDI spec"
    )
    fix = "`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`. Check: docker info"
    if hook:
        return info("KGE-141", f"{text}: --gpus works by {hook}, --runtime={row.container_runtime} does not.", fix)
    return warning("KGE-141", f"{text}: no engine can hand the GPU over.", fix)


def other_root(scene: Scene) -> Iterator[Finding]:
    """KGE-142: the toolkit's settings name a driver root that is not there, as a GPU operator leaves them."""
    for path in _CONFIGS:
        found = _ROOT.search(scene.reader.text(path) or "")
        root = found[1].rstrip("/") if found else ""
        if root and scene.host.gpus_of(_ROW.maker) and not scene.reader.names(root):
            yield error(
                "KGE-142",
                f"{path} makes the NVIDIA toolkit look for the driver below {root} (a GPU operator's), which is "
                "not there.",
                'Set root = "/" and ldconfig = "@/sbin/ldconfig" in it (Debian and Ubuntu: ldconfig.real), or let the '
                "operator install the driver. Check: sudo nvidia-container-cli info",
            )

"""Copies what a probe reads, and what the vendors' tools say, into an archive that `kgpu-env` reads on another machine.

This one file is sent to nodes: the standard library alone, Python 3.6 or newer.

    python3 collector.py > NODE.tar.gz
"""

import argparse
import base64
import errno
import fnmatch
import gzip
import io
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

FILE_BYTES = 256 << 10  # of one file; the end of a log, the beginning of others
TOTAL_BYTES = 32 << 20  # of all files together
ENTRIES = 20000  # files, folders and links
NAMES = 500  # of one folder; of a larger one those that a probe may look for
SECONDS = 10  # for one tool
ANSWERS = "/tools/answers.json"  # of the tools
UNREADABLE = "/tools/unreadable"  # lines of path, tabulator, reason
NODES = "/dev/.nodes"  # lines of path, octal mode, numeric group
TEXT = "kgpu-env-capture/1 "  # before an archive in Base64
_MAX_LINKS = 40  # as in the kernel's path lookup
_MAX_PATH = 4096  # bytes; the same
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)

# What follows is written by tests/regenerate.py.
# fmt: off
VENDORS = ["cuda", "nvidia", "rocm", "amd"]
LOGS = ["/var/log/dmesg", "/var/log/kern.log", "/var/log/messages"]
FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/wsl/lib"]
TOOLS = [
    [
        "nvidia-smi",
        "--query-gpu=uuid,name,pci.bus_id,driver_version,memory.total,compute_cap",
        "--format=csv,noheader,nounits"
    ],
    [
        "nvidia-smi",
        "--query-gpu=uuid,name,pci.bus_id,driver_version,memory.total",
        "--format=csv,noheader,nounits"
    ],
    [
        "nvidia-smi",
        "--query-gpu=pci.bus_id,mig.mode.current,ecc.errors.uncorrected.volatile.total,remapped_rows.pending",
        "--format=csv,noheader,nounits"
    ],
    [
        "nvidia-smi",
        "-L"
    ],
    [
        "nvidia-ctk",
        "--version"
    ],
    [
        "amd-ctk",
        "--version"
    ]
]
PATHS = [
    ("/.dockerenv", "seen"),
    ("/bin/amd-ctk", "seen"),
    ("/bin/docker", "seen"),
    ("/bin/dockerd", "seen"),
    ("/bin/nvidia-container-runtime", "seen"),
    ("/bin/nvidia-ctk", "seen"),
    ("/dev", "seen"),
    ("/dev/.nodes", "read"),
    ("/dev/char", "seen"),
    ("/dev/dri", "seen"),
    ("/dev/dri/renderD[0-9]*", "seen"),
    ("/dev/dxg", "seen"),
    ("/dev/kfd", "seen"),
    ("/dev/nvidia-caps/nvidia-cap[0-9]*", "seen"),
    ("/dev/nvidia-modeset", "seen"),
    ("/dev/nvidia-uvm", "seen"),
    ("/dev/nvidia-uvm-tools", "seen"),
    ("/dev/nvidia[0-9]*", "seen"),
    ("/dev/nvidiactl", "seen"),
    ("/etc/cdi", "seen"),
    ("/etc/cdi/*", "read"),
    ("/etc/containers/oci/hooks.d", "seen"),
    ("/etc/default/docker", "read"),
    ("/etc/docker/daemon.json", "read"),
    ("/etc/environment", "read"),
    ("/etc/environment.d", "seen"),
    ("/etc/ld.so.conf", "read"),
    ("/etc/ld.so.conf.d", "seen"),
    ("/etc/ld.so.conf.d/*", "read"),
    ("/etc/modprobe.d", "seen"),
    ("/etc/modprobe.d/*", "read"),
    ("/etc/nv_tegra_release", "seen"),
    ("/etc/nvidia-container-runtime/config.toml", "read"),
    ("/etc/nvidia/gridd.conf", "read"),
    ("/etc/os-release", "read"),
    ("/etc/pki/akmods/certs/public_key.der", "read"),
    ("/etc/profile.d", "seen"),
    ("/home", "seen"),
    ("/home/*/.docker/config.json", "read"),
    ("/home/*/bin/nvidia", "seen"),
    ("/lib/modprobe.d", "seen"),
    ("/lib/modules", "seen"),
    ("/lib/modules/*", "seen"),
    ("/lib/modules/*/build", "seen"),
    ("/lib/modules/*/extra", "seen"),
    ("/lib/modules/*/extra/drivers/video/nvidia", "seen"),
    ("/lib/modules/*/extra/nvidia", "seen"),
    ("/lib/modules/*/extramodules", "seen"),
    ("/lib/modules/*/kernel", "seen"),
    ("/lib/modules/*/kernel/drivers/char/drm", "seen"),
    ("/lib/modules/*/kernel/drivers/gpu/drm/amd/amdgpu", "seen"),
    ("/lib/modules/*/kernel/drivers/video", "seen"),
    ("/lib/modules/*/kernel/nvidia-*", "seen"),
    ("/lib/modules/*/misc", "seen"),
    ("/lib/modules/*/modules.dep", "read"),
    ("/lib/modules/*/updates", "seen"),
    ("/lib/modules/*/updates/dkms", "seen"),
    ("/lib/modules/*/updates/dkms/nvidia-current.ko*", "read"),
    ("/lib/modules/*/updates/dkms/nvidia.ko*", "read"),
    ("/lib/modules/*/weak-updates", "seen"),
    ("/lib/modules/*/weak-updates/nvidia", "seen"),
    ("/opt/amdgpu/share/libdrm/amdgpu.ids", "read"),
    ("/opt/rocm/lib/librocdxg.so", "read"),
    ("/proc", "seen"),
    ("/proc/1/comm", "read"),
    ("/proc/1/environ", "read"),
    ("/proc/[0-9]*/cmdline", "read"),
    ("/proc/[0-9]*/comm", "read"),
    ("/proc/acpi/bbswitch", "read"),
    ("/proc/cmdline", "read"),
    ("/proc/cpuinfo", "read"),
    ("/proc/driver/nvidia/capabilities/gpu[0-9]*/mig", "seen"),
    ("/proc/driver/nvidia/capabilities/gpu[0-9]*/mig/gi[0-9]*", "seen"),
    ("/proc/driver/nvidia/capabilities/gpu[0-9]*/mig/gi[0-9]*/access", "read"),
    ("/proc/driver/nvidia/capabilities/gpu[0-9]*/mig/gi[0-9]*/ci[0-9]*/access", "read"),
    ("/proc/driver/nvidia/gpus", "seen"),
    ("/proc/driver/nvidia/gpus/*:*:*.*/information", "read"),
    ("/proc/driver/nvidia/version", "read"),
    ("/proc/modules", "read"),
    ("/proc/stat", "read"),
    ("/proc/sys/kernel/arch", "read"),
    ("/proc/sys/kernel/osrelease", "read"),
    ("/proc/version", "read"),
    ("/root/.docker/config.json", "read"),
    ("/run/.containerenv", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/build", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/extra", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/extra/drivers/video/nvidia", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/extra/nvidia", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/extramodules", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/kernel", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/kernel/drivers/char/drm", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/kernel/drivers/gpu/drm/amd/amdgpu", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/kernel/drivers/video", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/misc", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/modules.dep", "read"),
    ("/run/booted-system/kernel-modules/lib/modules/*/updates", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/updates/dkms", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/weak-updates", "seen"),
    ("/run/booted-system/kernel-modules/lib/modules/*/weak-updates/nvidia", "seen"),
    ("/run/cdi", "seen"),
    ("/run/current-system/sw/bin/amd-ctk", "seen"),
    ("/run/current-system/sw/bin/nvidia-container-runtime", "seen"),
    ("/run/current-system/sw/bin/nvidia-ctk", "seen"),
    ("/run/current-system/sw/bin/podman", "seen"),
    ("/run/docker.pid", "read"),
    ("/run/modprobe.d", "seen"),
    ("/run/nvidia-fabricmanager/nv-fabricmanager.pid", "read"),
    ("/run/nvidia/driver", "seen"),
    ("/run/nvidia/driver/usr/bin/nv-fabricmanager", "seen"),
    ("/run/nvidia/driver/usr/lib/systemd/system/nvidia-fabricmanager.service", "seen"),
    ("/run/nvidia/driver/usr/sbin/nv-fabricmanager", "seen"),
    ("/run/opengl-driver/lib", "seen"),
    ("/run/opengl-driver/lib/libcuda.so.*", "linked"),
    ("/run/opengl-driver/lib/libnvidia-ml.so.*", "seen"),
    ("/run/systemd/container", "read"),
    ("/run/user", "seen"),
    ("/run/user/[0-9]*/docker.sock", "seen"),
    ("/sbin/amd-ctk", "seen"),
    ("/sbin/docker", "seen"),
    ("/sbin/dockerd", "seen"),
    ("/sbin/nvidia-container-runtime", "seen"),
    ("/sbin/nvidia-ctk", "seen"),
    ("/snap/docker/current/bin/dockerd", "seen"),
    ("/sys", "seen"),
    ("/sys/bus/pci/devices", "seen"),
    ("/sys/bus/pci/devices/*:*:*.*", "seen"),
    ("/sys/bus/pci/devices/*:*:*.*/class", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/config", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/current_compute_partition", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/current_link_width", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/current_memory_partition", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/device", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/driver", "linked"),
    ("/sys/bus/pci/devices/*:*:*.*/driver_override", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/fw_version/mes_fw_version", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/iommu_group", "linked"),
    ("/sys/bus/pci/devices/*:*:*.*/max_link_width", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/physfn", "linked"),
    ("/sys/bus/pci/devices/*:*:*.*/product_name", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/ras", "seen"),
    ("/sys/bus/pci/devices/*:*:*.*/ras/gfx_err_count", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/ras/umc_err_count", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/revision", "read"),
    ("/sys/bus/pci/devices/*:*:*.*/vendor", "read"),
    ("/sys/class/iommu", "seen"),
    ("/sys/class/kfd/kfd/topology/nodes", "seen"),
    ("/sys/class/kfd/kfd/topology/nodes/[0-9]*/mem_banks", "seen"),
    ("/sys/class/kfd/kfd/topology/nodes/[0-9]*/mem_banks/[0-9]*/properties", "read"),
    ("/sys/class/kfd/kfd/topology/nodes/[0-9]*/properties", "read"),
    ("/sys/class/net", "seen"),
    ("/sys/devices/soc[0-9]*/family", "read"),
    ("/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23", "read"),
    ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "read"),
    ("/sys/firmware/efi/mok-variables/MokListRT", "read"),
    ("/sys/fs/cgroup/cgroup.controllers", "seen"),
    ("/sys/fs/selinux/booleans/container_use_devices", "read"),
    ("/sys/fs/selinux/booleans/container_use_xserver_devices", "read"),
    ("/sys/fs/selinux/enforce", "read"),
    ("/sys/kernel/security/lockdown", "read"),
    ("/sys/module/amdgpu", "seen"),
    ("/sys/module/amdgpu/initstate", "read"),
    ("/sys/module/amdgpu/version", "read"),
    ("/sys/module/ib_umad", "seen"),
    ("/sys/module/nvidia/version", "read"),
    ("/sys/module/nvidia_vgpu_vfio", "seen"),
    ("/usr/bin/amd-ctk", "seen"),
    ("/usr/bin/buildah", "seen"),
    ("/usr/bin/docker", "seen"),
    ("/usr/bin/dockerd", "seen"),
    ("/usr/bin/nv-fabricmanager", "seen"),
    ("/usr/bin/nvidia-container-runtime", "seen"),
    ("/usr/bin/nvidia-container-runtime-hook", "seen"),
    ("/usr/bin/nvidia-container-toolkit", "seen"),
    ("/usr/bin/nvidia-ctk", "seen"),
    ("/usr/bin/nvidia-gridd", "seen"),
    ("/usr/bin/podman", "seen"),
    ("/usr/lib", "seen"),
    ("/usr/lib/aarch64-linux-gnu", "seen"),
    ("/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.*", "seen"),
    ("/usr/lib/libnvidia-ml.so.*", "seen"),
    ("/usr/lib/modprobe.d", "seen"),
    ("/usr/lib/modprobe.d/*", "read"),
    ("/usr/lib/modules", "seen"),
    ("/usr/lib/modules/*", "seen"),
    ("/usr/lib/modules/*/build", "seen"),
    ("/usr/lib/modules/*/extra", "seen"),
    ("/usr/lib/modules/*/extra/drivers/video/nvidia", "seen"),
    ("/usr/lib/modules/*/extra/nvidia", "seen"),
    ("/usr/lib/modules/*/extramodules", "seen"),
    ("/usr/lib/modules/*/kernel", "seen"),
    ("/usr/lib/modules/*/kernel/drivers/char/drm", "seen"),
    ("/usr/lib/modules/*/kernel/drivers/gpu/drm/amd/amdgpu", "seen"),
    ("/usr/lib/modules/*/kernel/drivers/video", "seen"),
    ("/usr/lib/modules/*/kernel/nvidia-*", "seen"),
    ("/usr/lib/modules/*/misc", "seen"),
    ("/usr/lib/modules/*/modules.dep", "read"),
    ("/usr/lib/modules/*/updates", "seen"),
    ("/usr/lib/modules/*/updates/dkms", "seen"),
    ("/usr/lib/modules/*/weak-updates", "seen"),
    ("/usr/lib/modules/*/weak-updates/nvidia", "seen"),
    ("/usr/lib/nvidia", "seen"),
    ("/usr/lib/nvidia/libnvidia-ml.so.*", "seen"),
    ("/usr/lib/systemd/system/nvidia-fabricmanager.service", "seen"),
    ("/usr/lib/systemd/system/nvidia-gridd.service", "seen"),
    ("/usr/lib/wsl/drivers", "seen"),
    ("/usr/lib/wsl/lib", "seen"),
    ("/usr/lib/wsl/lib/libcuda.so", "read"),
    ("/usr/lib/x86_64-linux-gnu", "seen"),
    ("/usr/lib/x86_64-linux-gnu/libcuda.so.*", "linked"),
    ("/usr/lib/x86_64-linux-gnu/libnvidia-egl-gbm.so.*", "seen"),
    ("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.*", "seen"),
    ("/usr/lib/x86_64-linux-gnu/nvidia/current", "seen"),
    ("/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.*", "seen"),
    ("/usr/lib64", "seen"),
    ("/usr/lib64/libnvidia-egl-wayland.so.*", "seen"),
    ("/usr/lib64/libnvidia-ml.so.*", "seen"),
    ("/usr/lib64/nvidia", "seen"),
    ("/usr/lib64/nvidia/libnvidia-ml.so.*", "seen"),
    ("/usr/local/bin/amd-ctk", "seen"),
    ("/usr/local/bin/docker", "seen"),
    ("/usr/local/bin/dockerd", "seen"),
    ("/usr/local/bin/nvidia-container-runtime", "seen"),
    ("/usr/local/bin/nvidia-ctk", "seen"),
    ("/usr/local/cuda-*/compat", "seen"),
    ("/usr/local/cuda-*/compat/libcuda.so.*", "linked"),
    ("/usr/local/cuda/compat", "seen"),
    ("/usr/local/cuda/compat/libcuda.so.*", "linked"),
    ("/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml", "read"),
    ("/usr/local/nvidia/toolkit/amd-ctk", "seen"),
    ("/usr/local/nvidia/toolkit/nvidia-container-runtime", "seen"),
    ("/usr/local/nvidia/toolkit/nvidia-ctk", "seen"),
    ("/usr/local/sbin/amd-ctk", "seen"),
    ("/usr/local/sbin/docker", "seen"),
    ("/usr/local/sbin/dockerd", "seen"),
    ("/usr/local/sbin/nvidia-container-runtime", "seen"),
    ("/usr/local/sbin/nvidia-ctk", "seen"),
    ("/usr/sbin/amd-ctk", "seen"),
    ("/usr/sbin/docker", "seen"),
    ("/usr/sbin/dockerd", "seen"),
    ("/usr/sbin/nv-fabricmanager", "seen"),
    ("/usr/sbin/nvidia-container-runtime", "seen"),
    ("/usr/sbin/nvidia-ctk", "seen"),
    ("/usr/share/containers/oci/hooks.d", "seen"),
    ("/usr/share/libdrm/amdgpu.ids", "read"),
    ("/var/lib/dkms", "seen"),
    ("/var/lib/dkms/amdgpu", "seen"),
    ("/var/lib/dkms/amdgpu/*", "seen"),
    ("/var/lib/dkms/amdgpu/*/*", "seen"),
    ("/var/lib/dkms/amdgpu/*/*/*/module", "seen"),
    ("/var/lib/dkms/amdgpu/*/build", "seen"),
    ("/var/lib/dkms/amdgpu/*/build/make.log/module", "seen"),
    ("/var/lib/dkms/amdgpu/*/source", "seen"),
    ("/var/lib/dkms/amdgpu/*/source/dkms.conf/module", "seen"),
    ("/var/lib/dkms/mok.pub", "read"),
    ("/var/lib/dkms/nvidia", "seen"),
    ("/var/lib/dkms/nvidia/*", "seen"),
    ("/var/lib/dkms/nvidia/*/*", "seen"),
    ("/var/lib/dkms/nvidia/*/*/*/module", "seen"),
    ("/var/lib/dkms/nvidia/*/source", "seen"),
    ("/var/lib/dkms/nvidia/*/source/dkms.conf/module", "seen"),
    ("/var/lib/dpkg/status", "read"),
    ("/var/lib/shim-signed/mok/MOK.der", "read"),
    ("/var/log/dmesg", "read"),
    ("/var/log/kern.log", "read"),
    ("/var/log/messages", "read"),
    ("/var/run/cdi", "seen"),
    ("/var/run/cdi/*", "read"),
    ("/var/run/docker.pid", "read"),
    ("/var/snap/docker/current", "seen"),
]
# fmt: on
# The end of what tests/regenerate.py writes.

_WANTED = re.compile("|".join(VENDORS) + "|hip|hsa|dri|docker|podman|cdi|fabric|ctk", re.IGNORECASE)
_SPEAKERS = re.compile(rb"Linux version |NVRM|amdgpu|kfd|drm|[Mm]odule|modprobe")
_VARIABLES = re.compile(rb"^\s*(?:export\s+)?(?:HSA|ROC|HIP|CUDA|NVIDIA)\w*=")
_CONTAINER = (b"container=", b"KUBERNETES_SERVICE_HOST=")


def _log(data: bytes) -> "bytes | None":
    return b"".join(filter(_SPEAKERS.search, data.splitlines(keepends=True)))


def _environ(data: bytes) -> "bytes | None":
    return b"".join(one + b"\0" for one in data.split(b"\0") if one.startswith(_CONTAINER))


def _settings(data: bytes) -> "bytes | None":
    return b"".join(filter(_VARIABLES.search, data.splitlines(keepends=True)))


def _context(data: bytes) -> "bytes | None":
    try:
        return json.dumps({"currentContext": json.loads(data.decode())["currentContext"]}).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return b"{}"


def _engine(data: bytes) -> "bytes | None":
    return data if b"dockerd" in data.split(b"\0")[0] else None


# What a probe reads of files that hold more, and that nobody else should see; None: nothing of it.
_PARTS = (
    (re.compile("^(%s)$" % "|".join(LOGS)), _log),
    (re.compile(r"^/proc/\d+/environ$"), _environ),
    (re.compile(r"^/proc/\d+/cmdline$"), _engine),
    (re.compile(r"^/etc/(environment|profile|default/docker)"), _settings),
    (re.compile(r"/\.docker/config\.json$"), _context),
)


def part_of(path: str, data: bytes) -> "bytes | None":
    """Return of a file what a probe reads and others may see; None: nothing of it."""
    for pattern, part in _PARTS:
        if pattern.search(path):
            return part(data)
    return data


def wanted(names: "list[str]") -> "list[str]":
    """Return the names of a folder; of a large one those that a probe may look for."""
    return names if len(names) <= NAMES else [name for name in names if _WANTED.search(name)]


def below(root: str, path: str) -> str:
    """Return where `path` lies when `root` is taken for `/`, symbolic links included."""
    parts = [part for part in path.split("/") if part]
    done = []  # type: list[str]
    links = 0
    while parts:
        part = parts.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join([root, *done, part])
        if not os.path.islink(here):
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(here)
        done = [] if target.startswith("/") else done
        parts = target.split("/") + parts
    return "/".join([root, *done])


class Places:
    """Where paths lie when `root` is taken for `/`: a tree that nobody changes, so a folder is looked for once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._folders = {"": root}  # type: dict[str, str]

    def __call__(self, path: str) -> str:
        """Return where `path` lies."""
        if self.root == "/":
            return path
        folder, _, name = path.rpartition("/")
        found = self._folder(folder) + "/" + name
        # Text and one system call: with objects for paths a probe of 512 partitions took three times as long.
        plain = name not in {"", ".", ".."} and not os.path.islink(found)
        return found if plain else below(self.root, path)

    def _folder(self, path: str) -> str:
        if len(path) > _MAX_PATH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        unknown = []  # from below upwards: of each folder one name is looked at, once
        above = path
        while above not in self._folders:
            unknown.append(above)
            above = above.rpartition("/")[0]
        for folder in reversed(unknown):
            self._folders[folder] = self(folder)
        return self._folders[path]


class Collector:
    """What is to be archived of the machine below `root`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._place = Places(root)
        self.files = {}  # type: dict[str, bytes | None]
        self.links = {}  # type: dict[str, str]
        self.unreadable = {}  # type: dict[str, str]
        self._nodes = {}  # type: dict[str, str]
        self._room = TOTAL_BYTES

    def collect(self) -> None:
        """Copy whatever one of `PATHS` fits."""
        for line in (self._data(NODES) or b"").decode("utf-8", "replace").splitlines():
            self._nodes[line.split(" ")[0]] = line
        for pattern, mode in PATHS:
            for path in self._expanded(pattern):
                self._copy(path, mode)
        if self._nodes:
            self.files = {path: data for path, data in self.files.items() if path not in self._nodes}
            self.files[NODES] = "".join(line + "\n" for _, line in sorted(self._nodes.items())).encode()
        if self.root == "/":
            self.files.setdefault("/proc/sys/kernel/arch", (platform.machine() + "\n").encode())
            self.files[ANSWERS] = json.dumps([one for one in map(ask, TOOLS) if one], indent=1).encode()
        if self.unreadable:
            told = sorted(self.unreadable.items())
            self.files[UNREADABLE] = "".join("%s\t%s\n" % one for one in told).encode("utf-8", "replace")

    def _note(self, path: str, error: OSError) -> None:
        if error.errno not in _ABSENT:
            self.unreadable[path] = error.strerror or str(error)

    def _expanded(self, pattern: str) -> "list[str]":
        found = [""]
        for part in pattern.split("/")[1:]:
            if "*" in part:
                found = [folder + "/" + name for folder in found for name in fnmatch.filter(self._names(folder), part)]
            else:
                found = [folder + "/" + part for folder in found]
        return found

    def _names(self, folder: str) -> "list[str]":
        try:
            return sorted(os.listdir(self._place(folder or "/")))
        except OSError as error:
            self._note(folder, error)
            return []

    def _copy(self, path: str, mode: str) -> None:
        try:
            if mode == "linked":
                folder, _, name = path.rpartition("/")
                target = os.readlink(os.path.join(self._place(folder), name))
                self.links[path] = os.path.basename(target)
                return
            status = os.stat(self._place(path))
        except OSError as error:
            if error.errno != errno.EINVAL:
                self._note(path, error)
            return
        if stat.S_ISDIR(status.st_mode):
            self._list(path)
        elif stat.S_ISREG(status.st_mode):
            self._add(path, self._data(path) if mode == "read" else b"")
        else:
            self._node(path, status)

    def _list(self, path: str) -> None:
        names = self._names(path)
        if path in self.unreadable:
            return
        self._folder(path)
        for name in wanted(names):
            below_it = path + "/" + name
            try:
                status = os.stat(self._place(below_it))
            except OSError:
                if not self._nodes.get(below_it):
                    self._add(below_it, b"")
                continue
            if stat.S_ISDIR(status.st_mode):
                self._folder(below_it)
            elif not self._node(below_it, status):
                self._add(below_it, b"")

    def _node(self, path: str, status: os.stat_result) -> bool:
        if not path.startswith("/dev/") or not stat.S_ISCHR(status.st_mode):
            return False
        self._nodes[path] = "%s %o %d" % (path, stat.S_IMODE(status.st_mode), status.st_gid)
        return True

    def _folder(self, path: str) -> None:
        if len(self.files) < ENTRIES:
            self.files.setdefault(path, None)

    def _add(self, path: str, data: "bytes | None") -> None:
        if data is None or (path in self.files and not data) or path in self.links:
            return
        if len(self.files) >= ENTRIES or len(data) > self._room:
            self.unreadable[path] = "left out: the capture is full"
            return
        self._room -= len(data)
        self.files[path] = data

    def _data(self, path: str) -> "bytes | None":
        try:
            descriptor = os.open(self._place(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if path in LOGS:
                    if self.root == "/" and status.st_mtime < _started():
                        return b""
                    file.seek(max(0, status.st_size - FILE_BYTES))
                return part_of(path, file.read(FILE_BYTES))
        except OSError as error:
            self._note(path, error)
            return None

    def packed(self) -> bytes:
        """Return the archive."""
        return packed(self.files, self.links, tarfile.GNU_FORMAT)


def packed(files: "dict[str, bytes | None]", links: "dict[str, str]", form: int) -> bytes:
    """Return an archive: sorted, without times and owners; None in place of a content is a folder."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as zipped, tarfile.open(
        fileobj=zipped, mode="w", format=form
    ) as tar:
        for path in sorted(set(files) | set(links)):
            member = tarfile.TarInfo(path.lstrip("/"))
            data = files.get(path)
            member.mode = 0o644
            if path in links:
                member.type, member.linkname = tarfile.SYMTYPE, links[path]
            elif data is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            else:
                member.size = len(data)
            tar.addfile(member, io.BytesIO(data or b""))
    return buffer.getvalue()


def _started() -> float:
    try:
        with open("/proc/stat") as file:
            return float(re.search(r"^btime (\d+)", file.read(), re.MULTILINE).group(1))  # type: ignore[union-attr]
    except (OSError, AttributeError):
        return 0.0


def ask(command: "list[str]") -> "dict[str, object] | None":
    """Return what a tool says, or None where it is not installed. One that hangs in the kernel is left behind."""
    program = shutil.which(command[0], path=os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS]))
    if program is None:
        return None
    answer = {"command": command, "path": program, "code": 0, "output": "", "errors": "", "reason": ""}
    environment = dict(os.environ, LC_ALL="C")
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, and the words are of TOOLS
                [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment
            )
            try:
                answer["code"] = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:  # in the kernel, where no signal reaches it
                    process.returncode = -9
                answer["reason"] = "no answer within %d s" % SECONDS
        except OSError as error:
            answer["reason"] = error.strerror or str(error)
        for name, file in (("output", output), ("errors", errors)):
            file.seek(0)
            answer[name] = file.read(FILE_BYTES).decode("utf-8", "replace")
    return answer


def capture(root: str = "/") -> bytes:
    """Return the archive of the machine below `root`; only of this machine itself the tools are asked."""
    collector = Collector(root)
    collector.collect()
    return collector.packed()


def main() -> None:
    """Write the archive to standard output."""
    parser = argparse.ArgumentParser(description="Copy what kgpu-env reads of this machine into an archive.")
    parser.add_argument("--root", default="/", help="the tree of another machine")
    parser.add_argument("--text", action="store_true", help="write Base64, one line")
    chosen = parser.parse_args()
    data = capture(chosen.root)
    if chosen.text:
        sys.stdout.write(TEXT + base64.b64encode(data).decode("ascii") + "\n")
    elif sys.stdout.isatty():
        parser.error("send the archive to a file: > NODE.tar.gz")
    else:
        sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()

"""The kernel's log, as far as files hold it: lines about GPUs since the last start."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from provision.model import Finding, Severity
from provision.probe.causes.scene import Scene

# /var/log/dmesg first: it is of this start alone, also in a capture.
READS: Final = ("/var/log/dmesg", "/var/log/kern.log", "/var/log/messages")
_START: Final = b"Linux version "
_SPEAKERS = re.compile(r"NVRM|amdgpu|kfd|drm|[Mm]odule|modprobe")
_ADDRESS = re.compile(r"\b(?:([0-9a-f]{4}):)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?\b", re.ASCII)
_NEAR: Final = 3  # lines: NVRM breaks a sentence after about 60 characters
_TAIL: Final = 4 << 20


class Sign(NamedTuple):
    """What a line means. In `text` and `fix`, {gpu} is the address and {1} what the pattern caught first."""

    pattern: str
    code: str
    severity: Severity
    text: str
    fix: str
    source: str


_RESET: Final = "sudo nvidia-smi -r -i {gpu} (nobody may use it then), or reboot; if it comes back, replace the card"
# NVIDIA's numbers (docs.nvidia.com/deploy/xid-errors), without those that a program causes (13, 31, 43, 45).
_XIDS: Final = {
    48: ("KGE-134", "an uncorrectable memory error (double bit ECC)", _RESET),
    63: ("KGE-134", "a row remapping is pending", _RESET),
    64: ("KGE-134", "a row could not be remapped", _RESET),
    74: ("KGE-137", "an NVLink error", "Look at nvidia-smi nvlink -s, reseat or replace the bridge; " + _RESET),
    79: ("KGE-133", "it has fallen off the bus", ""),
    94: ("KGE-134", "a contained uncorrectable memory error", _RESET),
    95: ("KGE-134", "an uncontained uncorrectable memory error", _RESET),
    109: ("KGE-137", "a context switch timed out", _RESET),
    119: ("KGE-137", "the GPU's system processor (GSP) does not answer", _RESET),
    120: ("KGE-137", "the GPU's system processor (GSP) failed", _RESET),
    143: ("KGE-137", "the GPU could not initialise", _RESET),
    169: (
        "KGE-135",
        "the firmware did not start",
        "Install the open flavour of the driver on Blackwell; else " + _RESET,
    ),
}
_BEARABLE: Final = {63, 94}  # the GPU goes on: a reset is due, or one program was ended
_LOST: Final = "Switch the machine off and on (a reboot is not enough); look at power, riser and seat; then replace it"
SIGNS: Final = (
    Sign(
        r"fallen off the bus|GPU is lost|amdgpu.*device lost from bus",
        "KGE-133",
        Severity.ERROR,
        "The GPU at {gpu} has fallen off the bus, as the kernel's log says: it does not answer.",
        _LOST + ".",
        "NVSentinel#155; nvidia-docker#1553",
    ),
    Sign(
        r"BAR\d+ is 0M @|can't change power state from D3cold|BAR \d+.*failed to assign",
        "KGE-135",
        Severity.ERROR,
        "The firmware gave the GPU at {gpu} no memory window, as the kernel's log says ({0}).",
        "Switch Above 4G Decoding and Resizable BAR on in the BIOS, or add pci=realloc=on to the kernel's "
        "command line.",
        "archinstoo#244",
    ),
    Sign(
        r"RmInitAdapter failed! \(0x22:",
        "KGE-135",
        Severity.ERROR,
        "The NVIDIA driver could not start the GPU at {gpu} ({0}): its memory window is too small.",
        "Switch Above 4G Decoding and Resizable BAR on in the BIOS, then switch the machine off and on.",
        "open-gpu-kernel-modules#862",
    ),
    Sign(
        r"RmInitAdapter failed! \(([^)]*)\)",
        "KGE-135",
        Severity.ERROR,
        "The NVIDIA driver could not start the GPU at {gpu}: RmInitAdapter failed ({1}).",
        "Switch the machine off and on; another driver version; if it comes back, try the card elsewhere.",
        "raspberry-pi-pcie-devices#549",
    ),
    Sign(
        r'Direct firmware load for (amdgpu/\S+) failed|Failed to get gpu_info firmware "([^"]+)"',
        "KGE-136",
        Severity.ERROR,
        "amdgpu could not start the GPU at {gpu}: its firmware file {1} is missing.",
        "Install the current firmware ({firmware}), make the initial RAM disk anew ({initramfs}), reboot.",
        "nixpkgs#122776, #284403; AMD-BC-250/documentation#4",
    ),
    Sign(
        r"PSP create ring failed|Fatal error during GPU init|hw_init of IP block .* failed",
        "KGE-135",
        Severity.ERROR,
        "amdgpu could not start the GPU at {gpu}: {0}",
        "Switch the machine off and on; update BIOS and firmware; take an Infinity Fabric bridge out to try.",
        "ROCm#2747",
    ),
    Sign(
        r"skipped device \S+, PCI rejects atomics(?: \d+<\d+)?",
        "KGE-147",
        Severity.ERROR,
        "The GPU at {gpu} has no compute: its PCIe slot or a bridge on the way routes no atomics ({0}).",
        "Use a PCIe 3.0 slot of the processor itself; in a virtual machine a q35 root port with atomics. Where "
        "the line "
        "ends in two numbers (145<...), newer linux-firmware is enough.",
        "ROCm#1214, #910; amdgpu#26; kfd_device.c",
    ),
    Sign(
        r"\b([1-9]\d*) uncorrectable hardware errors detected in total",
        "KGE-134",
        Severity.ERROR,
        "The memory of the GPU at {gpu} has uncorrectable errors: the kernel's log counts {1}.",
        "Reboot; if they come back, replace the card. Check: cat /sys/bus/pci/devices/{gpu}/ras/umc_err_count",
        "ROCm#3766",
    ),
    Sign(
        r"GPU reset begin|GPU reset\(\d+\) (?:succeeded|failed)|GCVM_L2_PROTECTION_FAULT_STATUS|\[gfxhub\] page fault",
        "KGE-137",
        Severity.WARNING,
        "The GPU at {gpu} had a fault since the last start: {0}",
        "Look at dmesg around that line: a program may be the cause; if not, newer kernel, firmware and driver.",
        "ollama#13589",
    ),
)


def signs(scene: Scene) -> Iterator[Finding]:
    """Return one finding for each code and GPU that the log speaks of; the last line of each counts."""
    lines = read(scene)
    found: dict[tuple[str, str], Finding] = {}
    for number, line in enumerate(lines):
        for finding, address in _matches(scene, lines, number, line):
            found.setdefault((finding.code, address), finding)
    yield from found.values()


def read(scene: Scene) -> list[str]:
    """Return the log's lines since the last start that may speak of a GPU; none where no file can be read."""
    for path in READS:
        data = (scene.reader.data(path, _TAIL, tail=True) or b"").replace(b"\0", b"")
        since = data[max(0, data.rfind(_START)) :].decode(errors="replace").splitlines()
        if since and not _is_stale(scene, path, since[0]):
            return [line for line in since if _SPEAKERS.search(line)]
    return []


def _is_stale(scene: Scene, path: str, first: str) -> bool:
    """Tell a log of another kernel, and one that was last written before this machine started."""
    if _START.decode() in first and scene.kernel and f"{_START.decode()}{scene.kernel} " not in first:
        return True
    started = re.search(r"^btime (\d+)", scene.reader.text("/proc/stat") or "", re.MULTILINE)
    written = scene.reader.changed(path) if scene.reader.live else None
    return bool(started and written and written < int(started[1]))


def has(scene: Scene, pattern: str) -> bool:
    """Tell whether a line of the log matches."""
    expression = re.compile(pattern)
    return any(expression.search(line) for line in read(scene))


def _matches(scene: Scene, lines: list[str], number: int, line: str) -> Iterator[tuple[Finding, str]]:
    xid = re.search(r"Xid \(PCI:([0-9a-f:.]+)\): (\d+)", line)
    sign = next(((sign, found) for sign in SIGNS if (found := re.search(sign.pattern, line))), None)
    if not xid and not sign:
        return
    address = _address(scene, lines, number)
    if not address:
        return
    if xid and int(xid[2]) in _XIDS:
        yield _xid(int(xid[2]), address), address
    elif sign:
        yield _finding(scene, *sign, address), address


def _address(scene: Scene, lines: list[str], number: int) -> str | None:
    """Return the GPU of this host that a line, or the lines just before it, name; the only one where none is named."""
    on_bus = [gpu.address for gpu in scene.on_bus]
    for line in reversed(lines[max(0, number - _NEAR) : number + 1]):
        named = [f"{m[1] or '0000'}:{m[2]}:{m[3]}.{m[4] or '0'}" for m in _ADDRESS.finditer(line)]
        if known := [address for address in named if address in on_bus]:
            return known[0]
    device = re.search(r"device [0-9a-f]{4}:([0-9a-f]{4})", lines[number])
    same = [gpu.address for gpu in scene.on_bus if device and gpu.device == device[1]]
    bare = [gpu.address for gpu in scene.on_bus if gpu.driver is None or device]
    if device:
        return same[-1] if same else None
    return bare[0] if len(bare) == 1 else (on_bus[0] if len(on_bus) == 1 else None)


def _xid(number: int, address: str) -> Finding:
    code, meaning, fix = _XIDS[number]
    severity = Severity.WARNING if code == "KGE-137" or number in _BEARABLE else Severity.ERROR
    text = f"The GPU at {address} reported Xid {number} since the last start: {meaning}."
    return Finding(code=code, severity=severity, text=text, fix=(fix or _LOST).format(gpu=address) + ".")


def _finding(scene: Scene, sign: Sign, found: re.Match[str], address: str) -> Finding:
    caught = next((group for group in found.groups() if group), "")
    words = {"gpu": address, "firmware": "linux-firmware", "initramfs": scene.family.initramfs}
    if "apt-get" in scene.family.install:
        words["firmware"] = scene.family.install.format("linux-firmware (Debian: firmware-amd-graphics)")
    text = sign.text.format(found[0], caught, **words)
    return Finding(code=sign.code, severity=sign.severity, text=text, fix=sign.fix.format(found[0], caught, **words))

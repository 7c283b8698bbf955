"""The kernel's log, as far as files hold it: lines about GPUs since the last start."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding, Severity
from provision.probe.causes.kernel_signs import BEARABLE, LOST, RECOVERED, SIGNS, XIDS, Sign
from provision.probe.causes.scene import Scene

# /var/log/dmesg first: it is of this start alone, also in a capture.
READS: Final = ("/var/log/dmesg", "/var/log/kern.log", "/var/log/messages")
_START: Final = b"Linux version "
_SPEAKERS = re.compile(r"NVRM|amdgpu|kfd|drm|[Mm]odule|modprobe")
# With its domain: without, a time of day would be one.
_ADDRESS = re.compile(r"\b([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?\b", re.ASCII)
_NEAR: Final = 3  # lines: NVRM breaks a sentence after about 60 characters
_TAIL: Final = 1 << 20  # bytes: some thousand lines
_ANY = re.compile("|".join(["Xid", *(sign.pattern for sign in SIGNS)]))


def signs(scene: Scene) -> Iterator[Finding]:
    """Return one finding for each code and GPU of the log: of the first line, which the others follow from."""
    lines = read(scene)
    found: dict[tuple[str, str], tuple[Finding, bool]] = {}
    for number, line in enumerate(lines):
        if not _ANY.search(line):
            continue
        for finding, address, general in _matches(scene, lines, number, line):
            _, before = found.get((finding.code, address), (None, True))
            if (finding.code, address) not in found or (before and not general):
                found[finding.code, address] = finding, general
    yield from (finding for finding, _ in found.values())


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


def _matches(scene: Scene, lines: list[str], number: int, line: str) -> Iterator[tuple[Finding, str, bool]]:
    """Yield what a line tells, of which GPU, and whether that is general."""
    xid = re.search(rf"Xid \(PCI:([0-9a-f:.]+)\): (\d+)(?!.*{RECOVERED})", line)
    sign = next(((sign, found) for sign in SIGNS if (found := re.search(sign.pattern, line))), None)
    if not xid and not sign:
        return
    address = _address(scene, lines, number)
    if not address:
        return
    if xid and int(xid[2]) in XIDS:
        yield _xid(int(xid[2]), address), address, False
    elif sign:
        yield _finding(scene, *sign, address), address, sign[0].general


def _address(scene: Scene, lines: list[str], number: int) -> str | None:
    """Return the GPU of this host that a line, or the lines just before it, name; the only one where none is named."""
    on_bus = [gpu.address for gpu in scene.on_bus]
    for line in reversed(lines[max(0, number - _NEAR) : number + 1]):
        named = [f"{m[1]}:{m[2]}:{m[3]}.{m[4] or '0'}" for m in _ADDRESS.finditer(line)]
        if named:
            return next((address for address in named if address in on_bus), None)
    device = re.search(r"device [0-9a-f]{4}:([0-9a-f]{4})", lines[number])
    same = [gpu.address for gpu in scene.on_bus if device and gpu.device == device[1]]
    bare = [gpu.address for gpu in scene.on_bus if gpu.driver is None or device]
    if device:
        return same[-1] if same else None
    return bare[0] if len(bare) == 1 else (on_bus[0] if len(on_bus) == 1 else None)


def _xid(number: int, address: str) -> Finding:
    code, meaning, fix = XIDS[number]
    severity = Severity.WARNING if code == "KGE-137" or number in BEARABLE else Severity.ERROR
    text = f"The GPU at {address} reported Xid {number} since the last start: {meaning}."
    return Finding(code=code, severity=severity, text=text, fix=(fix or LOST).format(gpu=address) + ".")


def _finding(scene: Scene, sign: Sign, found: re.Match[str], address: str) -> Finding:
    caught = next((group for group in found.groups() if group), "")
    words = {"gpu": address, "firmware": "linux-firmware", "initramfs": scene.family.initramfs}
    if "apt-get" in scene.family.install:
        words["firmware"] = scene.family.install.format("linux-firmware") + " (Debian: firmware-amd-graphics)"
    text = sign.text.format(found[0], caught, **words)
    return Finding(code=sign.code, severity=sign.severity, text=text, fix=sign.fix.format(found[0], caught, **words))

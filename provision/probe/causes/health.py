"""GPUs that are ill: off the bus, memory errors, a narrow link; a virtual GPU without licence."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding, Vendor
from provision.probe.causes.scene import Scene, error, info, warning
from provision.probe.pci import DEVICES

_GRID: Final = ("/usr/bin/nvidia-gridd", "/usr/lib/systemd/system/nvidia-gridd.service")
_LICENCE: Final = "/etc/nvidia/gridd.conf"
READS: Final = (DEVICES, *_GRID, _LICENCE)
_VGPU = re.compile(r"-\d+[QCAB]\d?$")
_DESKTOP = re.compile(r"-\d+[AB]\d?$")
_COUNT = re.compile(r"^ue:\s*(\d+)", re.MULTILINE)
_IDENTITY: Final = 4  # bytes: vendor and device, which are never all ones on a function that answers
_QUARTER: Final = 4
_ROW: Final = Vendor.CUDA.row


def off_bus(scene: Scene) -> Iterator[Finding]:
    """KGE-133: the function reads as all ones, which is what the bus answers for nobody."""
    for gpu in scene.on_bus:
        head = (scene.reader.data(f"{DEVICES}/{gpu.address}/config", 64) or b"")[:_IDENTITY]
        if len(head) == _IDENTITY and not head.strip(b"\xff"):
            yield error(
                "KGE-133",
                f"The GPU at {gpu.address} has fallen off the bus: its configuration reads as all ones.",
                "Switch the machine off and on (a reboot is not enough); look at power, riser and seat; then "
                "replace it.",
            )


def memory_errors(scene: Scene) -> Iterator[Finding]:
    """KGE-134: amdgpu counts uncorrectable errors, block by block."""
    for gpu in scene.on_bus:
        folder = f"{DEVICES}/{gpu.address}/ras"
        counts = {
            name.removesuffix("_err_count"): int(found[1])
            for name in scene.reader.names(folder)
            if name.endswith("_err_count") and (found := _COUNT.search(scene.reader.text(f"{folder}/{name}") or ""))
        }
        wrong = {block: count for block, count in counts.items() if count}
        if wrong:
            listed = ", ".join(f"{block} {count}" for block, count in wrong.items())
            yield error(
                "KGE-134",
                f"The GPU at {gpu.address} has uncorrectable memory errors ({listed}).",
                f"Reboot; if they come back, replace the card. Check: grep ue {folder}/*_err_count",
            )


def link(scene: Scene) -> Iterator[Finding]:
    """KGE-138: fewer PCIe lanes than GPU and slot could use; the speed is left out, as it falls when idle."""
    for gpu in scene.on_bus:
        now, most = (_lanes(scene, gpu.address, name) for name in ("current_link_width", "max_link_width"))
        integrated = any(one.integrated for one in scene.host.gpus if one.pci == gpu.address)
        if not now or not most or now >= most or integrated:
            continue
        tell = warning if now * _QUARTER <= most else info
        yield tell(
            "KGE-138",
            f"The GPU at {gpu.address} has a PCIe link of x{now}, it could have x{most}: copies to and from it "
            "are slower.",
            "Reseat the card, look at the slot's lanes in the mainboard's manual and at the riser; some slots and all "
            f"external boxes have no more. Check: cat {DEVICES}/{gpu.address}/current_link_width",
        )


def _lanes(scene: Scene, address: str, name: str) -> int | None:
    text = (scene.reader.line(f"{DEVICES}/{address}/{name}") or "").strip("\0 \n")
    lanes = int(text) if text.isdecimal() else 0
    return lanes if 0 < lanes <= 32 else None  # noqa: PLR2004 - PCIe has at most 32 lanes; 255 means unknown


def licence(scene: Scene) -> Iterator[Finding]:
    """KGE-149: a virtual GPU works some minutes without a licence, then slowly or not at all."""
    names = sorted({gpu.name for gpu in scene.host.gpus_of(_ROW.maker) if gpu.name and _VGPU.search(gpu.name)})
    if not names:
        return
    text = f"{', '.join(names)} is a virtual GPU (vGPU): without a licence CUDA is slow or refuses work (error 46)."
    fix = "Check: nvidia-smi -q | grep -A2 -i licen"
    conf = scene.reader.text(_LICENCE)
    if conf is not None and not any(scene.reader.exists(path) for path in _GRID):
        fix = f"Install the licence client nvidia-gridd of the GRID driver and its token. {fix}"
        yield warning("KGE-149", f"{text} {_LICENCE} is there and nvidia-gridd is not.", fix)
    elif re.search(r"^\s*FeatureType\s*=\s*0", conf or "", re.MULTILINE):
        yield warning(
            "KGE-149",
            f"{text} FeatureType=0 in {_LICENCE} asks for none.",
            f"Set FeatureType=1 and restart nvidia-gridd. {fix}",
        )
    else:
        yield info("KGE-149", text, fix)


def series(scene: Scene) -> Iterator[Finding]:
    """KGE-155: a virtual GPU of a series that is for desktops alone.

    nvidia-vgpud lists type P40-8A with "CUDA enabled: 0x0" (DualCoder/vgpu_unlock#70); of the B series it is inferred.
    """
    names = sorted({gpu.name for gpu in scene.host.gpus_of(_ROW.maker) if gpu.name and _DESKTOP.search(gpu.name)})
    if names:
        yield error(
            "KGE-155",
            f"{', '.join(names)} is a virtual GPU (vGPU) of the A or B series, for desktops, which has no CUDA.",
            "Let the hypervisor give this machine a type of the C or Q series (T4-16C, A10-24Q), with its licence. "
            "Check: nvidia-smi -L",
        )

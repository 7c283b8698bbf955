"""GPUs as the PCI bus shows them, whether a driver is loaded or not."""

from dataclasses import dataclass
from typing import Final

from provision.model import GPU_VENDORS, Maker
from provision.probe.parsers import parse_hex_id, parse_pci
from provision.probe.reader import Reader

DEVICES: Final = "/sys/bus/pci/devices"
_MAKERS: Final[dict[str, Maker]] = {row.pci_vendor: row.maker for row in GPU_VENDORS.values()}
# VGA, 3D and other display controllers; AMD's MI300 calls itself a processing accelerator.
_CLASSES: Final = ("0x0300", "0x0302", "0x0380", "0x1200")


@dataclass(frozen=True, slots=True, kw_only=True)
class PciGpu:
    """One display or compute function of a known maker.

    Attributes:
        vendor: the maker.
        address: `0000:17:00.0`.
        device: four hex digits, "" when the file is unreadable.
        driver: the bound kernel driver, or None.
        physical: of an SR-IOV virtual function, the address of the GPU that it belongs to.
        override: the only driver that may bind it, where one is set.
    """

    vendor: Maker
    address: str
    device: str
    driver: str | None
    physical: str | None = None
    override: str | None = None


def pci_gpus(reader: Reader) -> tuple[PciGpu, ...]:
    """Return the GPUs of known makers in PCI order."""
    reader.looked_at.append(DEVICES)
    found = (_gpu(reader, name) for name in reader.names(DEVICES))
    return tuple(gpu for gpu in found if gpu)


def _gpu(reader: Reader, name: str) -> PciGpu | None:
    folder = f"{DEVICES}/{name}"
    vendor = _MAKERS.get(parse_hex_id(reader.text(f"{folder}/vendor")) or "")
    if not vendor or not (reader.text(f"{folder}/class") or "").startswith(_CLASSES):
        return None
    return PciGpu(
        vendor=vendor,
        address=parse_pci(name) or name,
        device=parse_hex_id(reader.text(f"{folder}/device")) or "",
        driver=reader.link(f"{folder}/driver"),
        physical=reader.link(f"{folder}/physfn"),
        override=_override(reader.line(f"{folder}/driver_override")),
    )


def _override(text: str | None) -> str | None:
    return None if text == "(null)" else text

"""Which GPUs of a host are meant: by number, UUID, PCI address or architecture; pure."""

import re

import msgspec

from provision.errors import UsageError
from provision.model.host import Gpu, Host
from provision.model.vendor import GPU_VENDORS, GpuVendor, Maker

Chosen = tuple[tuple[int, Gpu], ...]  # (place among the maker's GPUs as `probe` lists them, GPU)

ALL = "all"
_PCI = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{2}:[0-9a-f]{2})(\.[0-7])?", re.ASCII | re.IGNORECASE)


def is_all(words: str) -> bool:
    """Tell whether `words` name no GPU but all of them.

    >>> is_all(" All "), is_all("all,0")
    (True, False)
    """
    return words.strip().lower() == ALL


def select(host: Host, maker: Maker, words: str = ALL) -> Chosen:
    """Return the GPUs that `words` name, each once, in the order named.

    Args:
        host: as probed; numbers are places among the maker's GPUs.
        maker: "nvidia" or "amd".
        words: "all" for the usable ones (an integrated GPU only where there is no card); or, separated by commas,
            numbers, UUIDs, PCI addresses ("0000:17:00.0", "17:00.0") and architectures ("sm_90", "gfx942"). An
            architecture names every usable GPU that has it, an AMD UUID every partition of the card.

    Raises:
        UsageError: KGE-306, a word names no GPU of the maker, or one that nothing drives.
    """
    listed: Chosen = tuple(enumerate(host.gpus_of(maker)))
    if is_all(words):
        usual = host.chosen_of(maker)
        return tuple((index, gpu) for index, gpu in listed if any(gpu is one for one in usual))
    chosen = {index: gpu for word in words.split(",") for index, gpu in _named(word.strip(), listed, maker)}
    return tuple(chosen.items())


def only(host: Host, maker: Maker, words: str = ALL) -> Host:
    """Return `host` with those GPUs of `maker` that `words` name, and none of another maker.

    Raises:
        UsageError: KGE-306, as `select`.
    """
    return msgspec.structs.replace(host, gpus=tuple(gpu for _, gpu in select(host, maker, words)))


def number(host: Host, gpu: Gpu) -> int:
    """Return the number by which a maker's own tools know `gpu`, one of the usable ones of `host`.

    NVIDIA's tools count whole GPUs in PCI order, ROCr counts KFD's nodes, of which each partition has one.
    """
    usable = sorted(host.usable_of(gpu.vendor), key=lambda one: -1 if one.kfd_node is None else one.kfd_node)
    place = next(index for index, one in enumerate(usable) if one is gpu)
    if _row(gpu.vendor).cdi_numbers_partitions or not gpu.pci:
        return place
    return len({one.pci for one in usable[:place]} - {gpu.pci})


def own_uuid(host: Host, gpu: Gpu) -> str | None:
    """Return the UUID of `gpu`, or None where another GPU of `host` has it, too, as partitions of an AMD card do."""
    return gpu.uuid if sum(one.uuid == gpu.uuid for one in host.gpus) == 1 else None


def visible(host: Host, maker: Maker, words: str = ALL) -> str:
    """Return the value of the maker's variable that shows a process only the GPUs named; empty for all usable ones.

    Raises:
        UsageError: KGE-306, as `select`.
    """
    chosen = select(host, maker, words)
    if is_all(words) and len(chosen) == len(host.usable_of(maker)):
        return ""
    return ",".join(_visible(host, gpu) for _, gpu in chosen)


def _visible(host: Host, gpu: Gpu) -> str:
    return own_uuid(host, gpu) or str(number(host, gpu))


def _row(maker: str) -> GpuVendor:
    return next(row for row in GPU_VENDORS.values() if row.maker == maker)


def _named(word: str, listed: Chosen, maker: Maker) -> Chosen:
    found = tuple((index, gpu) for index, gpu in listed if _is(word, index, gpu))
    usable = tuple((index, gpu) for index, gpu in found if gpu.usable)
    if not usable:
        raise _unknown(_row(maker), word, found, listed)
    return usable


def _is(word: str, index: int, gpu: Gpu) -> bool:
    if word.isascii() and word.isdecimal():
        return int(word) == index
    small = word.lower()
    if small == gpu.architecture:
        return True
    address = _address(small)
    if address:
        return address == _address(gpu.pci or "")
    return bool(gpu.uuid) and small == (gpu.uuid or "").lower()


def _address(text: str) -> str | None:
    """Return a PCI address in one spelling: nvidia-smi writes the domain with eight digits, people leave it out."""
    found = _PCI.fullmatch(text)
    if not found:
        return None
    domain, device, function = found.groups()
    return f"{int(domain or '0', 16):04x}:{device}{function or '.0'}".lower()


def _unknown(row: GpuVendor, word: str, found: Chosen, listed: Chosen) -> UsageError:
    if found:
        why = f"{'; '.join(_line(index, gpu) for index, gpu in found)}"
        what = f"the {row.title} GPU {word!r} of this host cannot be used"
    else:
        everything = "; ".join(_line(index, gpu) for index, gpu in listed)
        why = f"it has {everything}" if everything else f"it has no {row.title} GPU at all"
        what = f"this host has no {row.title} GPU {word!r}"
    return UsageError(
        "KGE-306",
        what,
        cause=why,
        fix="give --gpus all, or numbers, UUIDs, PCI addresses or architectures from that list, separated by commas",
    )


def _line(index: int, gpu: Gpu) -> str:
    words = [gpu.name or "GPU", gpu.uuid or gpu.pci or ""]
    reason = f" (not usable: {gpu.unusable})" if not gpu.usable else ""
    return f"{index} = {' '.join(filter(None, words))}{reason}"

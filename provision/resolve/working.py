"""Which GPUs of a host a stack is for, and what the probe found about them."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from provision.errors import UsageError
from provision.model import Finding, Gpu, Host, Severity, StackWarning, Vendor, selection
from provision.model.ladder import LADDER, named_gpus, primary, without_explained
from provision.model.vendor import GPU_VENDORS

_OF_GPU: Final = {"bus", "driver", "nodes"}  # rungs below a container
_OF_FRAMEWORK: Final = "framework"  # a rung that says nothing of the way from a container to its GPU
_OF_HOST: Final = "KGE-1"  # how the codes of a probe's findings begin


def narrowed(host: Host, vendors: Iterable[Vendor], words: str) -> tuple[Host, tuple[Vendor, ...]]:
    """Return `host` with the GPUs that `words` name, and the vendors that have one of them.

    Args:
        host: as probed.
        vendors: in question.
        words: as `selection.select` takes them. Who is named is worked on, also an integrated GPU beside a card.

    Raises:
        UsageError: KGE-306, no vendor has such a GPU.
    """
    asked = [vendor for vendor in vendors if vendor.gpu]
    if selection.is_all(words) or not asked:
        return host, tuple(vendors)
    found: dict[Vendor, tuple[Gpu, ...]] = {}
    refused: list[UsageError] = []
    for vendor in asked:
        try:
            found[vendor] = selection.only(host, vendor.row.maker, words).gpus
        except UsageError as error:
            refused.append(error)
    if not found:
        raise _together(refused)
    gpus = tuple(replace(gpu, integrated=False) for named in found.values() for gpu in named)
    return replace(host, gpus=gpus), tuple(found)


def _together(refused: list[UsageError]) -> UsageError:
    """Return what each maker's GPUs lack, as one error."""
    first, *others = refused
    text, cause = ("; ".join(parts) for parts in zip(*((one.text, one.cause) for one in refused), strict=True))
    return UsageError(first.code, text, cause=cause, fix=first.fix) if others else first


def warnings_of(host: Host, vendor: Vendor, words: str = selection.ALL) -> tuple[StackWarning, ...]:
    """Return what has to be known of a host beside a vendor's stack: GPUs left out, and findings about the others.

    A finding keeps its code. Nothing is said of the other maker's GPUs.

    Args:
        host: as probed, with all of its GPUs.
        vendor: of the stack.
        words: which GPUs are worked on, as `selection.select` takes them.
    """
    if vendor.gpu is None:
        return ()
    worked_on = tuple(gpu for _, gpu in selection.select(host, vendor.row.maker, words))
    left_out = [gpu for gpu in host.gpus_of(vendor.gpu) if not gpu.usable]
    return (
        *(StackWarning(code="gpu-unusable", text=f"{_title(gpu)} is left out: {gpu.unusable}") for gpu in left_out),
        *(
            StackWarning(code=one.code, text=f"{one.text} {one.fix}".rstrip())
            for one in findings_of(host, vendor)
            if not named_gpus(one) or any(gpu.pci in named_gpus(one) for gpu in worked_on)
        ),
    )


def findings_of(host: Host, vendor: Vendor) -> list[Finding]:
    """Return the errors and warnings between a container and a vendor's GPUs, without those that others explain."""
    own = {gpu.pci for gpu in host.gpus_of(vendor.gpu or "")}
    return [
        one
        for one in without_explained(host.findings)
        if one.severity is not Severity.INFO
        and one.code.startswith(_OF_HOST)
        and one.code in LADDER
        and LADDER[one.code].rung != _OF_FRAMEWORK
        and (bool(named_gpus(one) & own) if named_gpus(one) else not _of_another_maker(one, vendor))
    ]


def cause_of(host: Host, vendor: Vendor | None = None, gpu: Gpu | None = None) -> Finding | None:
    """Return the finding to fix first about a vendor's GPUs, about one of them, or about the host; or None.

    An error comes before a warning; what concerns toolkit and engine alone is no reason that a GPU is not known.
    """
    found = findings_of(host, vendor) if vendor else [one for one in host.findings if one.severity is not Severity.INFO]
    found = [one for one in found if one.code in LADDER and LADDER[one.code].rung in _OF_GPU]
    if gpu:
        found = [one for one in found if not named_gpus(one) or gpu.pci in named_gpus(one)]
    return primary(found)


def _of_another_maker(finding: Finding, vendor: Vendor) -> bool:
    """Tell whether a finding that names no GPU speaks of another maker alone."""
    named = [row.title for row in GPU_VENDORS.values() if row.title in finding.text]
    return bool(named) and vendor.row.title not in named


def _title(gpu: Gpu) -> str:
    return " ".join(filter(None, (gpu.name or "the GPU", f"at {gpu.pci}" if gpu.pci else "")))

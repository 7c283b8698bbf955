"""GPUs that a container cannot compute on: why, what fixes it, and how much it matters on this host."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from provision.model import MAKERS, Finding, Gpu, Host, Maker, Severity
from provision.model.ladder import cause_of, without_explained


class Unusable(NamedTuple):
    """Why a GPU is not usable.

    Attributes:
        code: of the finding.
        reason: follows "The AMD GPU at ...": "has no driver".
        fix: stands alone.
        minor: nothing is wrong where another GPU is usable (a card reserved for virtual machines).
    """

    code: str
    reason: str
    fix: str
    minor: bool = False


def marked(gpu: Gpu, why: Unusable | None) -> Gpu:
    """Return `gpu` as not usable for the reason `why`, or as it is."""
    if why is None:
        return gpu
    return msgspec.structs.replace(gpu, usable=False, unusable=f"it {why.reason} ({why.code})")


def findings_of(host: Host, reasons: Mapping[str, Unusable]) -> list[Finding]:
    """Return one finding for each reason, with all GPUs that it holds for: an error where no GPU of `host` is usable.

    Args:
        host: with its GPUs marked.
        reasons: by PCI address.
    """
    groups: dict[tuple[Maker, Unusable], dict[str, str]] = {}
    for gpu in host.gpus:
        if gpu.pci and gpu.pci in reasons:
            device = f" [{gpu.device_id}]" if gpu.device_id else ""
            groups.setdefault((gpu.vendor, reasons[gpu.pci]), {})[gpu.pci] = f"{gpu.pci}{device}"
    others = any(gpu.usable for gpu in host.gpus)
    return [
        Finding(
            code=why.code,
            severity=_severity(why, others=others),
            text=f"The {MAKERS[maker]} GPU at {', '.join(places.values())} {why.reason}.",
            fix=why.fix,
        )
        for (maker, why), places in groups.items()
    ]


def _severity(why: Unusable, *, others: bool) -> Severity:
    if not others:
        return Severity.ERROR
    return Severity.INFO if why.minor else Severity.WARNING


def not_handed_in(host: Host, where: str) -> Host:
    """Return `host` without the GPUs that a container of the kind `where` was not given, where it was given others.

    The kernel's files show a container every GPU; it can use those whose own device nodes are in it.
    """
    given = {gpu.vendor for gpu in host.gpus if gpu.nodes}
    away = [gpu for gpu in host.gpus if gpu.usable and gpu.pci and gpu.vendor in given and not gpu.nodes]
    if not where or host.wsl or not away:
        return host
    reason = f"was not handed into this container ({where}), which has others: its device node is not here"
    fix = "Only to use it in here, too: hand its node in on the outer host. Check: ls -l /dev/nvidia* /dev/dri"
    why = Unusable("KGE-129", reason, fix, minor=True)
    host = msgspec.structs.replace(host, gpus=tuple(marked(gpu, why) if gpu in away else gpu for gpu in host.gpus))
    found = findings_of(host, {gpu.pci: why for gpu in away if gpu.pci})
    return msgspec.structs.replace(host, findings=(*host.findings, *found))


def with_causes(host: Host, causes: tuple[Finding, ...]) -> Host:
    """Return `host` with `causes` among its findings, less the general ones that they explain.

    A GPU that is not usable then names the finding that is left.
    """
    found = without_explained((*causes, *host.findings))
    return msgspec.structs.replace(host, gpus=tuple(_renamed(gpu, found) for gpu in host.gpus), findings=found)


def _renamed(gpu: Gpu, found: tuple[Finding, ...]) -> Gpu:
    code = gpu.unusable.rpartition("(")[2].rstrip(")")
    cause = cause_of(code, gpu.pci or "", found) if code else None
    if cause is None:
        return gpu
    return msgspec.structs.replace(gpu, unusable=gpu.unusable.replace(code, cause.code))


def driven(host: Host, addresses: set[str]) -> Host:
    """Return `host` with the GPUs at `addresses` usable, since their driver's own tool lists them.

    What was said against them goes, unless it holds for another GPU, too.
    """
    gpus = tuple(
        msgspec.structs.replace(gpu, usable=True, unusable="") if gpu.pci in addresses else gpu for gpu in host.gpus
    )
    before, after = ({gpu.unusable.rpartition("(")[2] for gpu in some if not gpu.usable} for some in (host.gpus, gpus))
    gone = {code.rstrip(")") for code in before - after}
    found = tuple(finding for finding in host.findings if finding.code not in gone)
    return msgspec.structs.replace(host, gpus=gpus, findings=found)

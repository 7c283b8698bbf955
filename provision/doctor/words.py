"""The words of a log, judged with what is known of the host: the same words have other causes on other hosts."""

import re
from collections.abc import Iterable
from typing import Final

from provision.model import Finding, Severity
from provision.model.examination import Message

# Words of a log -> the host's findings that are their cause where the host has them, the likeliest first.
_CAUSES: Final = (
    (r"[Kk]ey was rejected by service|[Rr]equired key not available", ("KGE-120",)),
    (r"[Mm]odule nvidia\S* not found|[Mm]odule amdgpu not found", ("KGE-125", "KGE-126")),
    (r"[Dd]river/library version mismatch|API mismatch: the client", ("KGE-127", "KGE-106")),
    (r"system not yet initialized|\b802\b", ("KGE-132", "KGE-131")),
    (r"busy or unavailable|\berror 46\b|[Uu]nlicensed", ("KGE-149", "KGE-139")),
    (r"bpf_prog_query", ("KGE-130",)),
    (r"NVML: Unknown Error", ("KGE-130", "KGE-144")),
    (r"libnvidia-ml\.so\.1: cannot open", ("KGE-143", "KGE-142")),
    (r"CDI devices?|error stat'ing file", ("KGE-140",)),
    (r"could not select device driver|[Uu]nknown runtime specified", ("KGE-143", "KGE-141", "KGE-115")),
    (r"/dev/kfd.*(not permitted|[Pp]ermission denied)", ("KGE-129", "KGE-143", "KGE-145")),
    (r"/dev/kfd.*[Cc]annot allocate memory", ("KGE-147", "KGE-135", "KGE-136", "KGE-112")),
    (r"NVML: Insufficient Permissions", ("KGE-145",)),
    (r"Memory access fault by GPU|GPU Hang", ("KGE-153", "KGE-146", "KGE-134", "KGE-137")),
    (r"uncorrectable ECC|ECC_UNCORRECTABLE", ("KGE-134",)),
    (r"GPU is lost|fallen off the bus", ("KGE-133",)),
    (r"[Ii]llegal instruction|exit(ed with)? (code|status) 132|SIGILL", ("KGE-148",)),
    (r'Missing "?iommu=pt', ("KGE-150",)),
    (r"no CUDA-capable device|no ROCm-capable device|NO_DEVICE", ("KGE-139", "KGE-129", "KGE-153")),
)


def cause_of(text: str, findings: Iterable[Finding]) -> Finding | None:
    """Return the host's finding that is the cause of what a log says, also where it was a mere note before."""
    by_code = {finding.code: finding for finding in reversed([*findings])}
    codes = (code for pattern, codes in _CAUSES if re.search(pattern, text) for code in codes)
    return next((by_code[code] for code in codes if code in by_code), None)


def as_finding(message: Message) -> Finding:
    """Return a recognised message as a finding."""
    text = f"{message.cause} (the log says: {message.line})"
    return Finding(code=message.code, severity=Severity.ERROR, text=text, fix=message.fix)

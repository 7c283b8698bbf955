"""The processor: TensorFlow's wheels need AVX."""

import re
from collections.abc import Iterator
from typing import Final

from provision.model import Finding
from provision.probe.causes.scene import Scene, error

_CPU: Final = "/proc/cpuinfo"
READS: Final = (_CPU,)
_FLAGS = re.compile(r"^flags\s*:(.*)$", re.MULTILINE)


def avx(scene: Scene) -> Iterator[Finding]:
    """KGE-148: x86 without AVX: the wheels end by an illegal instruction (exit code 132) and say nothing."""
    found = _FLAGS.search(scene.reader.text(_CPU) or "")
    flags = found[1].split() if found else []
    if not flags or "avx" in flags or scene.host.architecture != "x86_64":
        return
    fix = "Use another machine, or torch, whose wheels run without AVX."
    if "hypervisor" in flags:
        fix = "In the virtual machine's settings choose the processor type host (QEMU: -cpu host); or use torch."
    yield error(
        "KGE-148",
        "The processor shows no AVX: TensorFlow's wheels end with Illegal instruction (exit code 132) on it.",
        f"{fix} Check: grep -m1 -o avx {_CPU}",
    )

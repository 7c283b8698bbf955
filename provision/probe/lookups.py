"""What a probe must look up, since no file of a host tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AmdKernel:
    """From which kernel on the kernel's own amdgpu computes well on a GPU target.

    Attributes:
        needs: the release, "6.18.4".
        backports: older kernels of a distribution that do, too: "6.14.0-1018-oem".
        reason: what older ones lack, for a sentence.
    """

    needs: str
    backports: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Lookups that the caller takes from the catalogue; empty ones make answers less exact, never wrong.

    Attributes:
        amd_releases: `/sys/module/amdgpu/version` to the driver's release branch, "6.16.13" to "30.30".
        capabilities: NVIDIA PCI device id, four lower-case hex digits, to capability, "2330" to "9.0".
        amd_kernels: GPU target to the kernel that it needs, where the kernel's own amdgpu drives it.
    """

    amd_releases: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, str] = field(default_factory=dict)
    amd_kernels: Mapping[str, AmdKernel] = field(default_factory=dict)

"""What a probe must look up, since no file of a host tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Lookups that the caller takes from the catalogue; empty ones make answers less exact, never wrong.

    Attributes:
        amd_releases: `/sys/module/amdgpu/version` to the driver's release branch, "6.16.13" to "30.30".
        capabilities: NVIDIA PCI device id, four lower-case hex digits, to capability, "2330" to "9.0".
    """

    amd_releases: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, str] = field(default_factory=dict)

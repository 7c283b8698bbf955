"""The probe of each vendor."""

from collections.abc import Mapping
from typing import Final

from provision.model import MAKERS, Maker
from provision.model.complete import complete
from provision.probe import amd, nvidia, nvidia_tools
from provision.probe.vendor_probe import VendorProbe

# In the order of `GPU_VENDORS`, in which a host's GPUs are listed.
PROBES: Final[Mapping[Maker, VendorProbe]] = complete(
    "probe.vendors",
    {
        "nvidia": VendorProbe(nvidia.probe_nvidia, nvidia.serves_wsl, nvidia_tools.ask_tools),
        "amd": VendorProbe(amd.probe_amd, amd.serves_wsl, tools=None),
    },
    MAKERS,
)

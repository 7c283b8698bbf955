"""The probe of each vendor: the `PROBE` of the module here that has the maker's name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from provision.model import MAKERS, Maker
from provision.probe.vendor_probe import VendorProbe


def probe_of(maker: str) -> VendorProbe:
    """Return a maker's probe.

    Raises:
        TypeError: its module has none; ModuleNotFoundError: there is no such module.
    """
    found = getattr(import_module(f"provision.probe.{maker}"), "PROBE", None)
    if not isinstance(found, VendorProbe):
        raise TypeError(f"provision.probe.{maker} has no PROBE: it needs a VendorProbe of this name")
    return found


# In the order of `GPU_VENDORS`, in which a host's GPUs are listed.
PROBES: Final[Mapping[Maker, VendorProbe]] = {maker: probe_of(maker) for maker in MAKERS}

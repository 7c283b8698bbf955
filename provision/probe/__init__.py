"""Finds out what a host has: GPUs, drivers, container toolkits, and the engine that it is handed.

Files are read first and believed; tools of the vendors only add to them. "No GPU", "driver not loaded" and "the
tool failed" are different findings, KGE-101 to KGE-119; why a GPU does not work, as far as files tell, those of
`provision.probe.causes`.
"""

from provision.probe.cdi import CDI_DIRS, cdi_devices
from provision.probe.host import probe_captured, probe_files, probe_host
from provision.probe.lookups import Lookups, lookups_of
from provision.probe.node_labels import host_of
from provision.probe.vendor_probe import NodeTold, UntoldError

__all__ = [
    "CDI_DIRS",
    "Lookups",
    "NodeTold",
    "UntoldError",
    "cdi_devices",
    "host_of",
    "lookups_of",
    "probe_captured",
    "probe_files",
    "probe_host",
]

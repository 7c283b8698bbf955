"""The values that flow from a host to a proof: frozen, serialisable, without effects."""

from provision.model.access import Access
from provision.model.base import Value, decode, encode, parse_json
from provision.model.build import BuildResult
from provision.model.cluster import Cluster
from provision.model.compose import Compose
from provision.model.devcontainer import DevContainer
from provision.model.host import (
    MACHINES,
    PLATFORMS,
    UNSEEN_GPU,
    DeviceNode,
    Driver,
    Engine,
    Finding,
    Gpu,
    Host,
    Severity,
    Toolkit,
)
from provision.model.option import Option, Setting
from provision.model.pins import Pin
from provision.model.proof import (
    LEVELS,
    Check,
    ExpectedDevice,
    Level,
    Origin,
    Proof,
    ProvedDevice,
    Speed,
    Status,
    Training,
    Verdict,
)
from provision.model.request import KEYS, SETTINGS, TITLES, Backend, BuildOptions, Network, Request, User
from provision.model.shape import Mount, Port, Shape
from provision.model.stack import Base, Change, Framework, Rejection, Route, Settings, Stack, StackWarning
from provision.model.vendor import (
    GPU_VENDORS,
    MAKERS,
    RUNTIMES,
    VENDORS,
    GpuVendor,
    Maker,
    RuntimeName,
    Vendor,
)
from provision.model.version import DriverVersion, is_before_release, is_version, version_key

__all__ = [
    "GPU_VENDORS",
    "KEYS",
    "LEVELS",
    "MACHINES",
    "MAKERS",
    "PLATFORMS",
    "RUNTIMES",
    "SETTINGS",
    "TITLES",
    "UNSEEN_GPU",
    "VENDORS",
    "Access",
    "Backend",
    "Base",
    "BuildOptions",
    "BuildResult",
    "Change",
    "Check",
    "Cluster",
    "Compose",
    "DevContainer",
    "DeviceNode",
    "Driver",
    "DriverVersion",
    "Engine",
    "ExpectedDevice",
    "Finding",
    "Framework",
    "Gpu",
    "GpuVendor",
    "Host",
    "Level",
    "Maker",
    "Mount",
    "Network",
    "Option",
    "Origin",
    "Pin",
    "Port",
    "Proof",
    "ProvedDevice",
    "Rejection",
    "Request",
    "Route",
    "RuntimeName",
    "Setting",
    "Settings",
    "Severity",
    "Shape",
    "Speed",
    "Stack",
    "StackWarning",
    "Status",
    "Toolkit",
    "Training",
    "User",
    "Value",
    "Vendor",
    "Verdict",
    "decode",
    "encode",
    "is_before_release",
    "is_version",
    "parse_json",
    "version_key",
]

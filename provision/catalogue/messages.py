"""The rows of `images/errors/`: what others print, its cause, and how the cause depends on the host."""

from typing import Annotated, Literal

import msgspec

from provision.catalogue.rows import Machine, Row, Target, Text
from provision.model.host import Version
from provision.model.vendor import RuntimeName

Code = Annotated[str, msgspec.Meta(pattern=r"^KGE-\d{3}$")]


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What must hold of a host and of what ran there; all that is named must.

    A field without a value asks for nothing. Each field has its function in `provision.doctor.conditions`.
    """

    # The host
    vendor: RuntimeName | None = None  # the GPUs looked at are of this maker
    wsl: bool | None = None
    architecture: Machine | None = None
    kernel_below: Version | None = None
    guest: Literal["lxc"] | None = None
    finding: tuple[Code, ...] = ()  # the probe found one of these
    # Its GPUs
    gpu_on_bus: bool | None = None
    gpu_held_by: Literal["vfio-pci", "nouveau"] | None = None  # the kernel driver of one of them
    geforce: bool | None = None
    laptop: bool | None = None
    sxm: bool | None = None
    pcie: bool | None = None  # a card, as its name says
    nvswitch: bool | None = None
    nvlink5: bool | None = None
    vgpu: bool | None = None
    mig: bool | None = None
    partitioned: bool | None = None
    integrated_and_discrete: bool | None = None
    cc_below: Version | None = None
    cc_at_least: Version | None = None
    gfx_in: tuple[Target, ...] = ()
    # Its driver
    module_loaded: bool | None = None
    module_flavour: Literal["open", "proprietary", "dkms", "inbox"] | None = None
    release_at_least: Version | None = None  # AMD's driver release
    # Its engine
    engine: Literal["docker", "podman"] | None = None
    engine_below: Version | None = None
    engine_kind: Literal["snap", "desktop"] | None = None
    rootless: bool | None = None
    toolkit: bool | None = None
    cdi_spec: Literal["none"] | None = None
    node_missing: Text | None = None
    # Where the framework ran
    device_inside: bool | None = None
    hidden: bool | None = None  # a variable hides every GPU
    variable: Text | None = None  # set, and not empty
    variable_empty: Text | None = None  # set, and empty
    capabilities: Literal["without compute"] | None = None  # NVIDIA_DRIVER_CAPABILITIES
    tensorflow_below: Version | None = None
    tensorflow_at_least: Version | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The cause and the fix of a message where `when` holds; without it, a cause that only a person can look for."""

    cause: Text
    fix: Text
    when: When | None = None


class KnownError(Row, frozen=True, kw_only=True):
    """A message that an engine, driver or framework prints, its cause and its fix."""

    match: Text  # a regular expression, searched in one line
    cause: Text
    fix: Text
    speaker: str = ""  # whose words these are: cuda, docker, torch
    vendor: Literal[RuntimeName, "any"] = "any"
    examples: tuple[Text, ...] = ()  # lines as they are printed: each leads to this row
    conditions: tuple[Condition, ...] = ()  # the first that holds replaces cause and fix
    check: str = ""  # a command that shows the cause
    severity: Literal["error", "warning", "harmless"] = "error"
    general: bool = False  # what follows from other faults: taken only where no other row says more

"""How a container is given its GPUs."""

import msgspec

from provision.model.base import Value


class Access(Value):
    """How a container is given its GPUs. All empty: no GPU."""

    method: str = "none"  # "cdi", "nvidia-runtime", "device-nodes", "wsl", "none"
    cdi: tuple[str, ...] = ()
    runtime_ids: tuple[str, ...] = ()  # ids of a request to the maker's container runtime; ("all",) for every GPU
    nodes: tuple[str, ...] = ()  # paths of device nodes
    groups: tuple[int, ...] = ()  # numeric supplementary groups that own the nodes
    keep_groups: bool = False  # those of whoever starts it instead: rootless Podman cannot add the host's by number
    no_label: bool = False  # no SELinux label, which keeps Podman's containers from device nodes and from home folders
    env: dict[str, str] = msgspec.field(default_factory=dict)
    mounts: dict[str, str] = msgspec.field(default_factory=dict)  # host path -> where it is in the container, read-only

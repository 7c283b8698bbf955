"""`export quadlet`: a container that systemd runs with Podman.

Source: https://docs.podman.io/en/latest/markdown/podman-systemd.unit.5.html (checked 2026-11-23).
"""

import shlex

from provision.emit.docker_arguments import group_words
from provision.emit.order import Order, quick_check
from provision.emit.serialize import CHECK_FILE, as_unit, check_script
from provision.model.inside import CACHE, PIDS, PROJECT
from provision.model.reference import parse_reference

FILE = "keras.container"
SCRIPT = f"/opt/kgpu-env/{CHECK_FILE}"


def quadlet(order: Order) -> dict[str, str]:
    """Return keras.container and the quick check that its health check runs."""
    comments = [
        order.title,
        "Put both files into ~/.config/containers/systemd (of root: /etc/containers/systemd, without --user), then:",
        f"systemctl --user daemon-reload && systemctl --user start {FILE.removesuffix('.container')}",
        f"Work in it: podman exec -it systemd-{FILE.removesuffix('.container')} bash",
        _method(order),
        *order.notes,
    ]
    sections = {
        "Unit": [("Description", order.description)],
        "Container": [
            ("Image", _qualified(order.reference)),
            ("Exec", "sleep infinity"),
            *_gpu(order),
            *[("Environment", _word(f"{key}={value}")) for key, value in order.environment.items()],
            ("Volume", f"kgpu-env-caches:{CACHE}:U"),  # U: owned by the container's user
            ("Volume", f"./{CHECK_FILE}:{SCRIPT}:ro"),  # relative to the unit's own folder
            ("Volume", f"kgpu-env-work:{PROJECT}:U"),
            *_asked(order),
            ("WorkingDir", PROJECT),
            ("User", str(order.request.user.uid)),
            ("Group", str(order.request.user.gid)),
            ("RunInit", "true"),
            ("DropCapability", "all"),
            ("NoNewPrivileges", "true"),
            ("PodmanArgs", _limits(order)),
            ("HealthCmd", shlex.join(quick_check(order, SCRIPT, once=True))),
            ("HealthInterval", "15s"),
            ("HealthTimeout", "120s"),
            ("HealthStartPeriod", "60s"),
        ],
        "Service": [("Restart", "on-failure")],
        "Install": [("WantedBy", "default.target")],
    }
    return {FILE: as_unit(comments, sections), CHECK_FILE: check_script()}


def _word(text: str) -> str:
    """Return a word of a unit: systemd splits at spaces what has no quotes (systemd.syntax(7), "Quoting")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or " " in text else text


def _qualified(reference: str) -> str:
    """Return the reference with a registry: Podman asks about a short name, which no service can answer."""
    return reference if parse_reference(reference).written_registry else f"localhost/{reference}"


def _asked(order: Order) -> list[tuple[str, str]]:
    """Return folders, ports and variables that were asked for; those from outside are the service manager's."""
    shape = order.shape
    found = [("EnvironmentFile", name) for name in shape.env_files]
    found += [("PodmanArgs", f"--env={name}") for name, value in shape.variables.items() if value is None]
    found += [("Volume", one.words) for one in shape.folders]
    return found + [("PublishPort", one.words) for one in shape.published]


def _gpu(order: Order) -> list[tuple[str, str]]:
    """Return the devices. Podman takes no request to a maker's runtime, but CDI names."""
    access, row = order.access, order.gpu_vendor
    cdi = access.cdi or tuple(f"{row.cdi_kind}={one}" for one in access.runtime_ids if row)
    found = [("AddDevice", name) for name in (*cdi, *access.nodes)]
    if access.no_label or (row and row.cdi_mounts_libraries and cdi):
        found.append(("SecurityLabelDisable", "true"))  # SELinux's label keeps the driver's libraries out
    found += [("PodmanArgs", f"--group-add={group}") for group in group_words(order)]
    return found + [("Volume", f"{path}:{inside}:ro") for path, inside in access.mounts.items()]


def _method(order: Order) -> str:
    if order.access.runtime_ids and order.gpu_vendor:
        return f"Needs a CDI specification: {order.gpu_vendor.cdi_command}"
    if order.access.keep_groups:
        return "Rootless: it keeps your groups, of which one must own the GPU's nodes (ls -l /dev/kfd /dev/dri; id)."
    if order.access.groups:
        numbers = " and ".join(str(group) for group in order.access.groups)
        return f"Run it as a system service: rootless Podman cannot add the host's groups {numbers} by number."
    if order.is_wsl:
        return "The GPU comes through WSL2's /dev/dxg. Units need systemd=true in the distribution's /etc/wsl.conf."
    return "No GPU is asked for." if not order.has_gpu else "The GPUs come by their CDI names."


def _limits(order: Order) -> str:
    words = [f"--shm-size={order.shm_size}", f"--pids-limit={PIDS}"]
    return shlex.join([*words, f"--memory={order.memory_bytes}"] if order.memory_bytes else words)

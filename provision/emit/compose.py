"""`export compose`: a service with the GPUs and a health check, Jupyter where the image has it, what runs beside.

Source: https://github.com/compose-spec/compose-spec/blob/main/deploy.md#devices (checked 2026-11-23).
"""

from collections.abc import Mapping
from typing import Any

from provision.emit.docker_arguments import group_words
from provision.emit.order import Order, quick_check
from provision.emit.serialize import CHECK_FILE, as_yaml, check_script
from provision.emit.services import SERVICES
from provision.model.compose import ServiceName
from provision.model.inside import CACHE, PIDS, PROJECT, SCRATCH, personal_environment

FILE = "compose.yaml"
SCRIPT = f"/opt/kgpu-env/{CHECK_FILE}"
PORT = 8888
TOKEN = "${JUPYTER_TOKEN:-}"  # noqa: S105 - empty: Jupyter makes one and prints it


def compose(order: Order) -> dict[str, str]:
    """Return compose.yaml and the quick check that its health check runs."""
    file, own = order.place or FILE, _prefix(order)
    services = {f"{own}keras": _keras(order), f"{own}caches": _caches(order)}
    if order.jupyter:
        services[f"{own}jupyter"] = _jupyter(order)
    services |= {f"{own}{name}": _beside(order, name, image) for name, image in order.compose.beside.items()}
    comments = [order.title, f"{_command(order)} up -d --wait starts it and waits for its health check."]
    comments += order.notes
    comments.append(f"Its files belong to {'{}:{}'.format(*order.owner)} outside. For another developer, in .env:")
    comments.append("PROJECT_UID and PROJECT_GID, as id -u and id -g tell them.")
    if order.jupyter:
        comments.append(f"{_command(order)} --profile jupyter up -d starts Jupyter too, at port {PORT} of this host.")
        comments.append(f"Its token: JUPYTER_TOKEN, or in docker compose logs {own}jupyter.")
    else:
        comments.append("No Jupyter service: the image has no jupyterlab (add it with --package jupyterlab).")
    for name in order.compose.beside:
        comments.append(
            f"{own}{name} is reached at http://127.0.0.1:{SERVICES[name].port}; what it keeps is in this folder."
        )
    volumes: dict[str, Any] = {one.source: {} for one in order.shape.folders if one.is_volume}
    document = {"services": services, "volumes": {f"{own}caches": {}, **volumes}}
    return {file: as_yaml(comments, document), CHECK_FILE: check_script()}


def _prefix(order: Order) -> str:
    """Return what keeps the names apart from a project's own, with whose file Compose merges this one."""
    return "kgpu-" if order.place and order.place != FILE else ""


def _command(order: Order) -> str:
    """Return the command that reads the file: beside a project's own one, and not as its override, by its name."""
    if not order.place or order.place == FILE or ".override." in order.place:
        return "docker compose"
    return f"docker compose -f YOUR-COMPOSE-FILE -f {order.place}"


def _owner(order: Order) -> str:
    """Return the ids that every service works as: the exporter's, or whose the environment or .env names."""
    uid, gid = order.owner
    return f"${{PROJECT_UID:-{uid}}}:${{PROJECT_GID:-{gid}}}"


def _caches(order: Order) -> dict[str, Any]:
    """Return the service that hands the volume to the containers' user: a new volume belongs to root."""
    return {
        "image": _plain(order.reference),
        "user": "0:0",
        "command": ["chown", _owner(order), CACHE],
        "volumes": [f"{_prefix(order)}caches:{CACHE}"],
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN"],
        "security_opt": ["no-new-privileges:true"],
    }


def _keras(order: Order) -> dict[str, Any]:
    return {
        **_service(order),
        "command": ["sleep", "infinity"],
        **({"ports": [one.words for one in order.shape.published]} if order.shape.published else {}),
        "healthcheck": {
            "test": ["CMD", *quick_check(order, SCRIPT, once=True)],
            "interval": "15s",
            "timeout": "120s",
            "start_period": "60s",
            "retries": 2,
        },
    }


def _named(order: Order, name: str, variables: Mapping[str, str]) -> dict[str, str]:
    return {key: value.format(name=f"{_prefix(order)}{name}") for key, value in variables.items()}


def _beside(order: Order, name: ServiceName, image: str | None) -> dict[str, Any]:
    """Return a service that needs no GPU, in the environment's image or in one of its own."""
    row = SERVICES[name]
    return {
        "image": _plain(image or order.reference),
        "init": True,
        "user": _owner(order),
        "working_dir": PROJECT,
        "environment": {**personal_environment(SCRATCH), **_named(order, name, row.env)},
        "entrypoint": ["python3" if image else order.python, "-m", row.module],
        "command": list(row.arguments),
        "ports": [f"127.0.0.1:{row.port}:{row.port}"],
        "volumes": [f".:{PROJECT}"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", *(["label=disable"] if order.access.no_label else [])],
        "pids_limit": PIDS,
    }


def _jupyter(order: Order) -> dict[str, Any]:
    service = _service(order)
    service["environment"] = {**service["environment"], "JUPYTER_TOKEN": TOKEN}
    # Root is the developer of root's project and under a rootless engine; it has no capability in here.
    words = ["--ip=0.0.0.0", f"--port={PORT}", "--no-browser", "--allow-root"]
    return {
        "profiles": ["jupyter"],
        **service,
        "command": [order.python, "-m", "jupyterlab", *words],
        "ports": [f"127.0.0.1:{PORT}:{PORT}"],
    }


def _service(order: Order) -> dict[str, Any]:
    outside = {name: f"${{{name}:-}}" for name, value in order.shape.variables.items() if value is None}
    for name in order.compose.beside:
        outside |= _named(order, name, SERVICES[name].clients)
    return {
        "image": _plain(order.reference),
        "init": True,
        "depends_on": {f"{_prefix(order)}caches": {"condition": "service_completed_successfully"}},
        "user": _owner(order),
        "working_dir": PROJECT,
        "environment": {key: _plain(value) for key, value in order.environment.items()} | outside,
        **({"env_file": [_plain(name) for name in order.shape.env_files]} if order.shape.env_files else {}),
        "volumes": [
            f".:{PROJECT}",
            f"{_prefix(order)}caches:{CACHE}",
            f"./{CHECK_FILE}:{SCRIPT}:ro",
            *_libraries(order),
            *(_plain(one.words) for one in order.shape.folders),
        ],
        **_gpu(order),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", *(["label=disable"] if order.access.no_label else [])],
        "shm_size": order.shm_size,
        "pids_limit": PIDS,
        **({"mem_limit": order.memory_bytes, "memswap_limit": order.memory_bytes} if order.memory_bytes else {}),
    }


def _libraries(order: Order) -> list[dict[str, Any]]:
    """Return the driver's libraries as mounts that fail where one is missing; the short form would make a folder."""
    return [
        {"type": "bind", "source": path, "target": inside, "read_only": True, "bind": {"create_host_path": False}}
        for path, inside in order.access.mounts.items()
    ]


def _plain(value: str) -> str:
    """Return `value` so that nothing in it is substituted."""
    return value.replace("$", "$$")


def _gpu(order: Order) -> dict[str, Any]:
    access = order.access
    found: dict[str, Any] = {}
    if access.cdi:
        found["deploy"] = _reservation("cdi", {"device_ids": list(access.cdi)})
    elif access.runtime_ids and order.gpu_vendor:
        which = {"count": "all"} if access.runtime_ids == ("all",) else {"device_ids": list(access.runtime_ids)}
        found["deploy"] = _reservation(order.gpu_vendor.container_runtime, which)
    if access.nodes:
        found["devices"] = [f"{path}:{path}" for path in access.nodes]
    if group_words(order):
        found["group_add"] = group_words(order)
    return found


def _reservation(driver: str, which: dict[str, Any]) -> dict[str, Any]:
    # The CDI driver needs no capability, but the specification does not allow a request without one.
    device = {"driver": driver, **which, "capabilities": ["gpu"]}
    return {"resources": {"reservations": {"devices": [device]}}}

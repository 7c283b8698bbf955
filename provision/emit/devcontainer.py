"""`export devcontainer`: for VS Code and every other client of the development container specification.

Source: https://containers.dev/implementors/json_reference/ (checked 2026-11-23).
"""

import shlex
from pathlib import PurePosixPath as Path
from typing import Any

from provision.emit.docker_arguments import gpu_arguments, limit_arguments, registers_runtime, shape_arguments
from provision.emit.order import Order, quick_check
from provision.emit.serialize import CHECK_FILE, as_json, check_script, from_template
from provision.model import GpuVendor
from provision.model.inside import CACHE, HOST_CACHE, NETWORK, VENV, network_environment

FILE = "devcontainer.json"
FOLDER = ".devcontainer"
CACHE_FOLDER = f"${{localEnv:HOME}}/{HOST_CACHE}"
EXTENSIONS = ("ms-python.python", "ms-toolsai.jupyter")
DOCKERFILE = "Dockerfile"
TOOLS = ("git", "openssh-client", "less")  # what an editor and its terminal call; git alone has no ssh and no pager
_NARROW = ("--cap-drop=ALL", "--security-opt=no-new-privileges")


# It speaks and does not bar the way: the check after the start is what decides, and not every developer has the tool.
_GATE = "! command -v kgpu-env >/dev/null || kgpu-env gate {image} || echo 'kgpu-env: not proved on this host (yet)'"


def devcontainer(order: Order) -> dict[str, str]:
    """Return the configuration, what it builds from, and a second configuration for hosts without a GPU.

    The second one is another entry in the editor's list of configurations: the request for a GPU makes an engine
    without one refuse the container.
    """
    folder = _folder(order)
    files = {f"{folder}/{FILE}": as_json(_configuration(order, gpu=order.has_gpu, up=""))}
    if order.has_gpu:
        # Clients look for configurations in .devcontainer and one folder below it.
        beside, up = ("/without-gpu", "../") if folder == FOLDER else ("-without-gpu", f"../{Path(folder).name}/")
        files[f"{folder}{beside}/{FILE}"] = as_json(_configuration(order, gpu=False, up=up))
    files[f"{folder}/{CHECK_FILE}"] = check_script()
    if not order.foreign:
        files |= {f"{folder}/{name}": text for name, text in _context(order).items()}
    return files


def _context(order: Order) -> dict[str, str]:
    """Return what the client builds from: the plan, or the image that is named, and the developer's layer above."""
    files = {name: content.decode() for name, content in order.plan.files.items()}
    below = files.pop(DOCKERFILE)
    if order.image:  # what that was made from is in it
        below = f"FROM {order.image}\n"
        files = {name: text for name, text in files.items() if name.startswith("network/")}
    in_base, sudo = order.stack.framework_in_base, bool(order.devcontainer.sudo)
    packages = [
        *TOOLS,
        *(["sudo"] if sudo else []),
        *([] if in_base or order.stack.python_in_base else ["python3-venv"]),
    ]
    layer = from_template(
        f"devcontainer/{DOCKERFILE}.j2",
        files=files,
        network=NETWORK,
        packages=packages,
        sudo=sudo,
        user=order.request.user.name if order.request.user.uid else "root",
        venv="" if in_base else VENV,
    )
    return {DOCKERFILE: below + layer, **files}


def _folder(order: Order) -> str:
    """Return the folder of the configuration: one of its own where the project has a configuration already."""
    return Path(order.place).parent.as_posix() if order.place else FOLDER


def _configuration(order: Order, *, gpu: bool, up: str) -> dict[str, Any]:
    check = quick_check(
        order, f"{_folder(order)}/{CHECK_FILE}", expected=None if gpu or order.expected == "cpu" else "any"
    )
    return {
        "name": f"Keras on {order.stack.vendor}" + ("" if gpu or order.expected == "cpu" else ", without a GPU"),
        **_image(order, up),
        **_features(order, up),
        **_gpu(order, gpu=gpu),
        **_user(order),
        "init": True,
        "containerEnv": {
            **_runtime_environment(order, gpu=gpu),
            **order.cache_environment,
            **_network(order),
            **_asked(order),
        },
        "mounts": [f"type=bind,source={CACHE_FOLDER},target={CACHE}", *_network_mount(order)],
        "initializeCommand": _before(order, gpu=gpu),
        "postCreateCommand": {"check": check},
        "customizations": {
            "vscode": {
                "extensions": list(EXTENSIONS),
                "settings": {
                    "python.defaultInterpreterPath": order.python,
                    "python.terminal.activateEnvironment": False,  # the image's PATH leads to it already
                },
            }
        },
    }


def _asked(order: Order) -> dict[str, str]:
    return {name: value for name, value in order.shape.variables.items() if value is not None}


def _image(order: Order, up: str) -> dict[str, Any]:
    if order.foreign:
        return {"image": order.reference}
    arguments = {"args": dict(order.proxies)} if order.proxies else {}
    return {"build": {"dockerfile": f"{up}{DOCKERFILE}", "context": up or ".", **arguments}}


def _features(order: Order, up: str) -> dict[str, Any]:
    """Return the Features; one in a folder lies beside the first configuration."""
    chosen = order.devcontainer.chosen.items()
    below = {f"{up}{name[2:]}" if up and name.startswith("./") else name: options for name, options in chosen}
    return {"features": below} if below else {}


def _network(order: Order) -> dict[str, str]:
    """Return the variables of proxies, and those that lead to certificates and package indexes, as in the build."""
    install = {"PIP_BREAK_SYSTEM_PACKAGES": "1"} if order.stack.framework_in_base and not order.foreign else {}
    return {**install, **network_environment(_files(order)), **order.proxies}


def _network_mount(order: Order) -> list[str]:
    place = f"${{localWorkspaceFolder}}/{_folder(order)}/network"
    return [f"type=bind,source={place},target={NETWORK},readonly"] if network_environment(_files(order)) else []


def _files(order: Order) -> tuple[str, ...]:
    return () if order.foreign else tuple(order.plan.files)


def _gpu(order: Order, *, gpu: bool) -> dict[str, Any]:
    """Return the request for the GPUs.

    "optional" tells every client what is wanted, and makes the reference client add `--gpus all` exactly where a
    runtime called "nvidia" is registered. Beside a CDI name that does nothing (NVIDIA's CDI specifications switch the
    runtime's own injection off), beside `--runtime=nvidia` it says the same twice, and of some GPUs it would make all.
    """
    arguments = [
        *(_gpu_arguments(order) if gpu else ()),
        *limit_arguments(order),
        *shape_arguments(order),
        *(() if order.devcontainer.sudo else _NARROW),
    ]
    if not gpu or _some_by_runtime(order):
        return {"runArgs": arguments}
    return {"hostRequirements": {"gpu": "optional"}, "runArgs": arguments}


def _some_by_runtime(order: Order) -> bool:
    return registers_runtime(order) and order.access.runtime_ids not in {(), ("all",)}


def _runtime(order: Order) -> GpuVendor | None:
    """Return the maker whose registered runtime hands over all GPUs, or None where they come in another way."""
    return order.gpu_vendor if order.access.runtime_ids == ("all",) and registers_runtime(order) else None


def _gpu_arguments(order: Order) -> list[str]:
    row = _runtime(order)
    return [f"--runtime={row.container_runtime}"] if row else gpu_arguments(order)


def _runtime_environment(order: Order, *, gpu: bool) -> dict[str, str]:
    row = _runtime(order)
    return {row.container_runtime_devices: "all"} if row and gpu else {}


def _user(order: Order) -> dict[str, Any]:
    """Return who works in the container.

    The client gives the image's user the ids of the developer who opens it, whatever they are. Root, and a rootless
    Docker's developer, stay root: as another user they could not write to the project, and the client never gives a
    user root's ids. For a rootless Podman it maps the ids itself (--userns=keep-id).
    """
    rootless_podman = order.host.rootless and order.host.uses_podman
    if order.owner[0] == 0 and not rootless_podman:
        return {"containerUser": "root", "remoteUser": "root", "updateRemoteUserUID": False}
    if order.foreign:  # whoever its maker chose
        return {"updateRemoteUserUID": True}
    name = order.request.user.name
    return {"containerUser": name, "remoteUser": name, "updateRemoteUserUID": True}


def _before(order: Order, *, gpu: bool) -> dict[str, Any]:
    """Return what runs on the host first: the cache's folder, which has to be the developer's, and the gate."""
    found: dict[str, Any] = {"caches": ["mkdir", "-p", CACHE_FOLDER]}
    if gpu:
        found["gate"] = _GATE.format(image=shlex.quote(order.reference))
    if not gpu and order.expected == "gpu":
        found["notice"] = ["echo", "kgpu-env: this container is started without a GPU; models train on the CPU."]
    return found

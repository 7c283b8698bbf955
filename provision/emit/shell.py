"""`export shell`: the plain `docker run` line, to read and to copy."""

import shlex

from provision.emit.docker_arguments import gpu_arguments, limit_arguments, shape_arguments
from provision.emit.order import Order
from provision.model.inside import CACHE, HOST_CACHE, PROJECT

FILE = "run.sh"
CACHE_FOLDER = f'"$HOME/{HOST_CACHE}"'


def shell(order: Order) -> dict[str, str]:
    """Return run.sh: the command given to it, or Python, in the image with the GPUs and the working directory.

    It works as whoever starts it, so that what it writes to the working directory is theirs.
    """
    owner = "0:0" if order.host.rootless else '"$(id -u):$(id -g)"'  # a rootless engine's root is who started it
    words = [
        f"{'podman' if order.host.uses_podman else 'docker'} run --rm --init --interactive $terminal",
        *map(shlex.quote, gpu_arguments(order)),
        *map(shlex.quote, limit_arguments(order)),
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--user={owner}",
        *(shlex.quote(f"--env={key}={value}") for key, value in order.own_environment.items()),
        *map(shlex.quote, shape_arguments(order)),
        f"--volume={CACHE_FOLDER}:{CACHE}",
        f'--volume="$PWD":{PROJECT}',
        f"--workdir={PROJECT}",
        f'{shlex.quote(order.reference)} "$@"',
    ]
    lines = [
        "#!/bin/sh",
        f"# {' '.join(order.title.split())}",
        f"# {_gpu_words(order)}",
        *(f"# {note}" for note in order.notes),
        "# sh run.sh python3 train.py",
        f"mkdir -p {CACHE_FOLDER} || exit",
        "terminal=$([ -t 0 ] && [ -t 1 ] && echo --tty)",
        " \\\n  ".join(words),
    ]
    return {FILE: "\n".join(lines) + "\n"}


def _gpu_words(order: Order) -> str:
    if order.access.runtime_ids and order.gpu_vendor:
        return f"The GPUs come by the {order.gpu_vendor.title} container runtime."
    if order.access.keep_groups:
        return "The GPUs come as device nodes; Podman keeps your groups, of which one must own the nodes."
    methods = {
        "none": "No GPU: there is none for this stack on the host that this was written for.",
        "cdi": "The GPUs come by their CDI names, which the engine knows.",
        "device-nodes": "The GPUs come as device nodes, with the groups that own them by number.",
        "wsl": "The GPU comes through WSL2's /dev/dxg.",
    }
    return methods[order.access.method]

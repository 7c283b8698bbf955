"""`export shell`: the plain `docker run` line, to read and to copy."""

import shlex

from provision.emit.arguments import gpu_arguments, limit_arguments
from provision.emit.order import Order

FILE = "run.sh"


def shell(order: Order) -> dict[str, str]:
    """Return run.sh: the command given to it, or Python, in the image with the GPUs and the working directory."""
    user = order.request.user
    words = [
        "docker run --rm --init",
        *map(shlex.quote, gpu_arguments(order)),
        *map(shlex.quote, limit_arguments(order)),
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--user={user.uid}:{user.gid}",
        '--volume="$PWD":/work',
        "--workdir=/work",
        f'{shlex.quote(order.reference)} "$@"',
    ]
    lines = [
        "#!/bin/sh",
        f"# {' '.join(order.title.split())}",
        f"# {_gpu_words(order)}",
        "# sh run.sh python3 train.py",
        " \\\n  ".join(words),
    ]
    return {FILE: "\n".join(lines) + "\n"}


def _gpu_words(order: Order) -> str:
    ways = {
        "none": "No GPU: there is none for this stack on the host that this was written for.",
        "cdi": "The GPUs come by their CDI names, which the engine knows.",
        "nvidia-runtime": "The GPUs come by the NVIDIA container runtime.",
        "device-nodes": "The GPUs come as device nodes, with the groups that own them by number.",
        "wsl": "The GPU comes through WSL2's /dev/dxg.",
    }
    return ways[order.access.method]

"""`export apptainer`: a definition file and the run line.

Source: https://apptainer.org/docs/user/latest/definition_files.html and .../gpu.html (checked 2026-11-23).
"""

import shlex

from provision.emit.order import Order, quick_check
from provision.emit.serialize import CHECK_FILE, check_script, from_template
from provision.model import GpuVendor
from provision.model.inside import PROJECT
from provision.model.reference import parse_reference
from provision.model.selection import number

DEFINITION = "keras.def"
IMAGE = "keras.sif"
RUN = "run.sh"
SCRIPT = f"/opt/kgpu-env/{CHECK_FILE}"


def apptainer(order: Order) -> dict[str, str]:
    """Return keras.def, run.sh (builds the image once, then runs a command in it) and the quick check.

    The image's labels, the plan among them, become those of keras.sif by themselves.
    """
    return {DEFINITION: _definition(order), RUN: _run(order), CHECK_FILE: check_script()}


def _definition(order: Order) -> str:
    settings = {**order.stack.settings.env, **order.access.env}
    return from_template(
        "apptainer/environment.def.j2",
        title=order.title,
        # Without a registry in its name the image is the local engine's.
        agent="docker" if order.image else "docker-daemon",
        reference=_untagged(order.reference),
        environment=sorted(settings.items()),
        python=order.python,
        check=shlex.join(quick_check(order, SCRIPT, expected="any")),
    )


def _untagged(reference: str) -> str:
    """Return a reference with a digest without its tag: its image library refuses both.

    Source: containers/image, docker_transport.go: "Docker references with both a tag and digest are currently not
    supported" (read 2026-11-23).
    """
    found = parse_reference(reference)
    return f"{found.name}@{found.digest}" if found.digest else reference


def _run(order: Order) -> str:
    place = (f'--bind="$PWD":{PROJECT}', f"--pwd={PROJECT}")
    words = ["apptainer", "exec", *_gpu(order), "--cleanenv", *place, *_asked(order), IMAGE, '"$@"']
    lines = [
        "#!/bin/sh",
        f"# {' '.join(order.title.split())}",
        f"# sh {RUN} python3 train.py     sh {RUN} {shlex.join(quick_check(order, SCRIPT))}",
        *_shown(order),
        f"[ -e {IMAGE} ] || apptainer build {IMAGE} {DEFINITION} || exit",
        " ".join(words),
    ]
    return "\n".join(lines) + "\n"


def _asked(order: Order) -> list[str]:
    shape = order.shape
    found = [f"--env-file={name}" for name in shape.env_files]
    found += [f"--env={name}={value}" for name, value in shape.variables.items() if value is not None]
    found += [f"--bind={one.words}" for one in shape.folders]
    outside = [f'--env={name}="${name}"' for name, value in shape.variables.items() if value is None]
    return [*map(shlex.quote, found), *outside]


def _gpu(order: Order) -> list[str]:
    """Return the options for the GPUs. The user keeps the host's groups, so no group has to be named."""
    row = order.gpu_vendor
    if row is None or not order.has_gpu:
        return []
    mounts = (f"{path}:{inside}" for path, inside in order.access.mounts.items())
    paths = (*mounts, *order.access.nodes)
    options = [row.apptainer, *(f"--bind={path}" for path in paths if not path.startswith(row.apptainer_binds))]
    if order.access.method == "wsl":  # the option binds the host's own runtime, which is for KFD
        options.remove(row.apptainer)
    ids = _chosen_ids(order, row)
    if not ids:
        return options
    # An index counts as the probe and CDI do, in the order of the bus; a framework's own order is another.
    order_of_bus = [f"--env={name}={value}" for name, value in row.bus_order.items()]
    return [*options, *order_of_bus, shlex.quote(f"--env={row.choosing}={','.join(ids)}")]


def _chosen_ids(order: Order, row: GpuVendor) -> tuple[str, ...]:
    """Return the UUIDs or numbers of the GPUs when some were chosen; empty for all of them."""
    access = order.access
    ids = access.runtime_ids or tuple(name.rpartition("=")[2] for name in access.cdi)
    if "all" in ids:
        return ()
    return ids or _numbers(order, row)


def _numbers(order: Order, row: GpuVendor) -> tuple[str, ...]:
    """Return the runtime's numbers of the GPUs that are handed in by their nodes; empty when it is every usable one."""
    usable, handed = order.host.usable_of(row.maker), set(order.access.nodes)
    chosen = [gpu for gpu in usable if any(node.path in handed for node in gpu.nodes)]
    return tuple(str(number(order.host, gpu)) for gpu in chosen) if len(chosen) < len(usable) else ()


def _shown(order: Order) -> list[str]:
    """Return a comment when some GPUs were chosen by their nodes, which the option cannot say: it binds them all."""
    row = order.gpu_vendor
    if row is None or row.access != "nodes" or not _chosen_ids(order, row):
        return []
    return [f"# It binds every {row.title} GPU of the host: choose with {row.choosing}, as here."]

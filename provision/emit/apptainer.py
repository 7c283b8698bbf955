"""`export apptainer`: a definition file and the run line.

Source: https://apptainer.org/docs/user/latest/definition_files.html and .../gpu.html (checked 2026-11-23).
"""

import shlex

from provision.emit.order import Order, quick_check
from provision.emit.text import CHECK_FILE, check_script
from provision.model import Vendor
from provision.model.inside import PROJECT
from provision.model.reference import parse_reference
from provision.resources import folder

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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 22 ms, for this output alone

    environment = Environment(
        loader=FileSystemLoader(folder("templates") / "apptainer"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - a definition file is no HTML; the filters quote
    )
    environment.filters.update(shell=shlex.quote, comment=lambda text: " ".join(text.split()))
    settings = {**order.stack.settings.env, **order.access.env}
    return environment.get_template("environment.def.j2").render(
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
    words = ["apptainer", "exec", *_gpu(order), "--cleanenv", *place, IMAGE, '"$@"']
    lines = [
        "#!/bin/sh",
        f"# {' '.join(order.title.split())}",
        f"# sh {RUN} python3 train.py     sh {RUN} {shlex.join(quick_check(order, SCRIPT))}",
        *(["# It shows every AMD GPU of the host: choose with ROCR_VISIBLE_DEVICES."] if _some_amd(order) else []),
        f"[ -e {IMAGE} ] || apptainer build {IMAGE} {DEFINITION} || exit",
        " ".join(words),
    ]
    return "\n".join(lines) + "\n"


def _gpu(order: Order) -> list[str]:
    """Return the options for the GPUs. The user keeps the host's groups, so no group has to be named."""
    if not order.has_gpu:
        return []
    by_vendor = {Vendor.CUDA: "--nv", Vendor.ROCM: "--rocm"}
    options = [by_vendor[order.stack.vendor]]
    options += [f"--bind={path}" for path in (*order.access.mounts, *order.access.nodes) if _outside(path)]
    ids = _some_nvidia(order)
    if ids:
        # An index counts as the probe and CDI do, in the order of the bus; CUDA's own order is another.
        options += ["--env=CUDA_DEVICE_ORDER=PCI_BUS_ID", shlex.quote(f"--env=CUDA_VISIBLE_DEVICES={','.join(ids)}")]
    return options


def _some_nvidia(order: Order) -> tuple[str, ...]:
    """Return the UUIDs or indexes of NVIDIA GPUs when some were chosen; empty for all of them."""
    if order.stack.vendor is not Vendor.CUDA:
        return ()
    ids = order.access.nvidia_ids or tuple(name.rpartition("=")[2] for name in order.access.cdi)
    return () if "all" in ids else ids


def _some_amd(order: Order) -> bool:
    """Tell whether some of the host's AMD GPUs were chosen, which --rocm cannot say: it binds /dev/dri whole."""
    access, gpus = order.access, order.host.gpus_of("amd")
    if order.stack.vendor is not Vendor.ROCM or "amd.com/gpu=all" in access.cdi:
        return False
    nodes = {node.path for gpu in gpus for node in gpu.nodes if "/renderD" in node.path}
    return len(access.cdi) < len(gpus) if access.cdi else not nodes <= set(access.nodes)


def _outside(path: str) -> bool:
    """Tell whether --rocm leaves this path out: it binds /dev/kfd and /dev/dri."""
    return not path.startswith(("/dev/kfd", "/dev/dri"))

"""The GPU request as arguments of `docker run`."""

from provision.emit.order import Order
from provision.model.inside import PIDS


def gpu_arguments(order: Order) -> list[str]:
    """Return what hands the GPUs over, with the numeric groups that own device nodes."""
    access = order.access
    found = [f"--device={name}" for name in (*access.cdi, *access.nodes)]
    found += [f"--group-add={group}" for group in group_words(order)]
    found += ["--security-opt=label=disable"] if access.no_label else []
    if access.runtime_ids:
        found.append(f"--gpus={gpus_value(access.runtime_ids)}")
    found += [f"--mount=type=bind,source={path},target={inside},readonly" for path, inside in access.mounts.items()]
    return found + [f"--env={key}={value}" for key, value in access.env.items()]


def group_words(order: Order) -> list[str]:
    """Return the supplementary groups: numbers, or Podman's word for those of whoever starts the container."""
    return ["keep-groups"] if order.access.keep_groups else [str(group) for group in order.access.groups]


def gpus_value(ids: tuple[str, ...]) -> str:
    """Return the value of --gpus, in which several ids are one quoted field of a CSV line.

    >>> gpus_value(("all",)), gpus_value(("GPU-a", "GPU-b"))
    ('all', '"device=GPU-a,GPU-b"')
    """
    return "all" if ids == ("all",) else f'"device={",".join(ids)}"'


def limit_arguments(order: Order) -> list[str]:
    """Return the limits that every container gets, and that of its memory where one was asked for."""
    found = [f"--shm-size={order.shm_size}", f"--pids-limit={PIDS}"]
    if order.memory_bytes:
        found += [f"--memory={order.memory_bytes}", f"--memory-swap={order.memory_bytes}"]  # equal: no swap on top
    return found


def shape_arguments(order: Order) -> list[str]:
    """Return what else was asked for: files of variables, those taken from outside, folders and ports."""
    shape = order.shape
    found = [f"--env-file={name}" for name in shape.env_files]
    found += [f"--env={name}" for name, value in shape.variables.items() if value is None]
    found += [f"--volume={one.words}" for one in shape.folders]
    return found + [f"--publish={one.words}" for one in shape.published]


def registers_runtime(order: Order) -> bool:
    """Tell whether the engine has the maker's runtime; without a look at the engine, whether it is installed."""
    host, row = order.host, order.gpu_vendor
    if row is None:
        return False
    if host.engine is not None:
        return row.container_runtime in host.engine.runtimes
    return any(toolkit.name == f"{row.container_runtime}-container-runtime" for toolkit in host.toolkits)

"""How a container is given the GPUs of a host, per vendor; pure.

Never `--privileged`, no change of the seccomp profile. What is asked for here is a request only: Podman 4
was seen to ignore it silently, so the proof looks inside the container whether the device is there.
"""

from provision import model
from provision.compat import assert_never
from provision.engine.protocol import Access
from provision.errors import UsageError

NVIDIA_CDI = "nvidia.com/gpu"
AMD_CDI = "amd.com/gpu"
WSL_DEVICE = "/dev/dxg"
OTHERS_MAY_OPEN = 0o006

Chosen = tuple[tuple[int, model.Gpu], ...]  # (index among the vendor's GPUs, GPU)


def device_access(host: model.Host, vendor: model.Vendor, gpus: str = "all") -> Access:
    """Return how the GPUs of `vendor` reach a container on `host`.

    Args:
        host: as probed; its engine decides between CDI and the older ways.
        vendor: cuda or rocm; auto and cpu get no GPU.
        gpus: "all", or indexes and UUIDs separated by commas: "0,1", "GPU-3f1c...".

    Raises:
        UsageError: KGE-306, an index or UUID that the host does not have.
    """
    match vendor:
        case model.Vendor.CUDA:
            return _nvidia(host, gpus)
        case model.Vendor.ROCM:
            return _amd(host, gpus)
        case model.Vendor.CPU | model.Vendor.AUTO:
            return Access()
        case _:
            assert_never(vendor)


def _nvidia(host: model.Host, gpus: str) -> Access:
    chosen = _choose(host, "nvidia", gpus)
    if not chosen and not _on_wsl(host, "nvidia"):
        return Access()
    every = _is_all(gpus)
    names = _cdi_names(host, NVIDIA_CDI, chosen, every=every)
    if names:
        return Access(method="cdi", cdi=names)
    ids = ("all",) if every else tuple(gpu.uuid or str(index) for index, gpu in chosen)
    if host.engine is not None and host.engine.name == "podman":
        # Podman knows no NVIDIA runtime request; a name without a spec makes it refuse, which is clear.
        return Access(method="cdi", cdi=tuple(f"{NVIDIA_CDI}={one}" for one in ids))
    # Also when no toolkit is known: the engine's refusal is the evidence that it is missing.
    return Access(method="nvidia-runtime", nvidia_ids=ids)


def _amd(host: model.Host, gpus: str) -> Access:
    if _on_wsl(host, "amd"):
        return _amd_wsl()
    chosen = _choose(host, "amd", gpus)
    if not chosen:
        return Access()
    nodes = _amd_nodes(host, chosen)
    # AMD's CDI specs carry the nodes but add no groups, which an image's own user needs.
    groups = tuple(sorted({node.gid for node in nodes if node.gid is not None and _needs_group(node)}))
    names = _cdi_names(host, AMD_CDI, chosen, every=_is_all(gpus))
    if names:
        return Access(method="cdi", cdi=names, groups=groups)
    return Access(method="device-nodes", nodes=tuple(node.path for node in nodes), groups=groups)


def _amd_wsl() -> Access:
    """ROCm on WSL2 reaches the GPU through /dev/dxg and two libraries (facts: AMD, WSL2 container)."""
    return Access(
        method="wsl",
        nodes=(WSL_DEVICE,),
        mounts=("/usr/lib/wsl/lib/libdxcore.so", "/opt/rocm/lib/librocdxg.so"),
        env={"HSA_ENABLE_DXG_DETECTION": "1", "LD_LIBRARY_PATH": "/opt/rocm/lib:/usr/lib/wsl/lib"},
    )


def _on_wsl(host: model.Host, maker: str) -> bool:
    return host.wsl and bool(host.gpus_of(maker) or host.driver(maker))


def _amd_nodes(host: model.Host, chosen: Chosen) -> tuple[model.DeviceNode, ...]:
    shared = [node for node in host.nodes if node.path == "/dev/kfd"] or [model.DeviceNode(path="/dev/kfd")]
    own = [node for _, gpu in chosen for node in gpu.nodes if node.path.startswith("/dev/dri/renderD")]
    return (*shared, *own)


def _needs_group(node: model.DeviceNode) -> bool:
    return node.mode is None or node.mode & OTHERS_MAY_OPEN != OTHERS_MAY_OPEN


def _is_all(gpus: str) -> bool:
    return gpus.strip().lower() == "all"


def _choose(host: model.Host, maker: str, gpus: str) -> Chosen:
    there: Chosen = tuple(enumerate(host.gpus_of(maker)))
    if _is_all(gpus):
        return there
    words = [word.strip() for word in gpus.split(",")]
    chosen = {index: gpu for word in words for index, gpu in there if _is(word, index, gpu)}
    missing = [word for word in words if not any(_is(word, index, gpu) for index, gpu in there)]
    if missing:
        raise _unknown(maker, missing[0], there)
    return tuple(chosen.items())


def _is(word: str, index: int, gpu: model.Gpu) -> bool:
    if word.isascii() and word.isdecimal():
        return int(word) == index
    return bool(gpu.uuid) and word.lower() == (gpu.uuid or "").lower()


def _unknown(maker: str, word: str, there: Chosen) -> UsageError:
    listed = "; ".join(f"{index} = {gpu.name or 'GPU'} {gpu.uuid or gpu.pci or ''}".rstrip() for index, gpu in there)
    brand = model.MAKERS[maker]
    return UsageError(
        "KGE-306",
        f"this host has no {brand} GPU {word!r}",
        why=f"it has {listed}" if listed else f"it has no {brand} GPU at all",
        fix="give --gpus all, or indexes and UUIDs from that list, separated by commas",
    )


def _cdi_names(host: model.Host, kind: str, chosen: Chosen, *, every: bool) -> tuple[str, ...]:
    """The engine's CDI names for the chosen GPUs; empty when it does not have a name for each of them."""
    offered = host.engine.cdi if host.engine is not None else ()
    if every and f"{kind}=all" in offered:
        return (f"{kind}=all",)
    names = [_cdi_name(offered, kind, index, gpu) for index, gpu in chosen]
    return tuple(name for name in names if name) if all(names) else ()


def _cdi_name(offered: tuple[str, ...], kind: str, index: int, gpu: model.Gpu) -> str:
    # A CDI index counts whole NVIDIA GPUs, so a MIG slice's own index says nothing; a UUID is exact.
    by_uuid = next((name for name in offered if gpu.uuid and name.lower() == f"{kind}={gpu.uuid}".lower()), "")
    sliced = gpu.vendor == "nvidia" and gpu.partition is not None
    by_index = f"{kind}={index}"
    return by_uuid or (by_index if by_index in offered and not sliced else "")

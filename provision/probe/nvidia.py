"""NVIDIA from files alone: the module, the GPUs it drives, their nodes and MIG slices."""

from typing import Final

from provision.model import DeviceNode, Driver, Finding, Gpu, Vendor
from provision.probe import findings, nvidia_findings
from provision.probe.lookups import Lookups
from provision.probe.nvidia_parsers import (
    GpuInformation,
    KernelModule,
    parse_gpu_information,
    parse_library_version,
    parse_minor,
    parse_module_version,
    parse_version,
)
from provision.probe.parsers import parse_pci
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader
from provision.probe.vendor_probe import VendorPart

_PROC: Final = "/proc/driver/nvidia"
_ROW: Final = Vendor.CUDA.row
LIBRARY_DIRS: Final = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib64/nvidia",
    "/usr/lib/nvidia",
    "/run/opengl-driver/lib",  # NixOS
)
_TURING: Final = 75  # the oldest architecture of the open kernel module (facts: nvidia.md, section 4)


def probe_nvidia(reader: Reader, pci: tuple[PciGpu, ...], lookups: Lookups) -> VendorPart:
    """Return the NVIDIA part of a host; `pci` are its NVIDIA functions on the bus."""
    module = _module(reader)
    known = _information(reader)
    gpus = tuple(gpu for address in _addresses(pci, known) for gpu in _gpus(reader, address, pci, known, lookups))
    libraries = _libraries(reader) if gpus or module else ()
    found = [*_not_driven(pci, known, module, libraries=bool(libraries))]
    if module:
        found += [*_module_findings(module, libraries, gpus), *_node_findings(reader, gpus)]
    tegra = _is_tegra(reader)
    if tegra:
        found.append(nvidia_findings.tegra())
    return VendorPart(
        gpus=gpus,
        driver=Driver(vendor="nvidia", version=module.version, flavour=module.flavour) if module else None,
        nodes=reader.nodes(*_ROW.shared_nodes),
        findings=tuple(found),
        machine=module.machine if module else None,
        off_bus=tegra,
    )


def serves_wsl(reader: Reader) -> bool:
    """Tell whether Windows has NVIDIA's driver: it puts libcuda.so beside the libraries of WSL2 only then."""
    folder, _, library = _ROW.wsl_library.rpartition("/")
    return any(name.startswith(library) for name in reader.names(folder))


def _is_tegra(reader: Reader) -> bool:
    """Tell a Jetson as NVIDIA's container toolkit does."""
    family = reader.text("/sys/devices/soc0/family") or ""
    return reader.exists("/etc/nv_tegra_release") or family.strip().lower().startswith("tegra")


def _module(reader: Reader) -> KernelModule | None:
    module = parse_module_version(reader.text(f"{_PROC}/version") or "")
    if module:
        return module
    version = parse_version(reader.text("/sys/module/nvidia/version"))
    return KernelModule(version=version) if version else None


def _information(reader: Reader) -> dict[str, GpuInformation]:
    folder = f"{_PROC}/gpus"
    reader.looked_at.append(folder)
    known: dict[str, GpuInformation] = {}
    for name in reader.names(folder):
        address = parse_pci(name)
        if address:
            known[address] = parse_gpu_information(reader.text(f"{folder}/{name}/information") or "")
    return known


def _addresses(pci: tuple[PciGpu, ...], known: dict[str, GpuInformation]) -> list[str]:
    return sorted({gpu.address for gpu in pci} | set(known))


def _gpus(
    reader: Reader, address: str, pci: tuple[PciGpu, ...], known: dict[str, GpuInformation], lookups: Lookups
) -> tuple[Gpu, ...]:
    """Return the GPU at `address`, or its MIG slices in its place."""
    on_bus = next((gpu for gpu in pci if gpu.address == address), None)
    info = known.get(address, GpuInformation())
    capability = lookups.capabilities.get(on_bus.device) if on_bus else None
    whole = Gpu(
        vendor="nvidia",
        name=info.model,
        architecture=architecture(capability),
        uuid=info.uuid,
        pci=address,
        kernel_driver=on_bus.driver if on_bus else "nvidia",
        nodes=reader.nodes(f"/dev/nvidia{info.minor}") if info.minor is not None else (),
    )
    return _slices(reader, whole, info.minor) or (whole,)


def architecture(capability: str | None) -> str | None:
    """Return a compute capability in the model's form: "9.0" is sm_90."""
    return f"sm_{capability.replace('.', '')}" if capability else None


def _slices(reader: Reader, whole: Gpu, minor: int | None) -> tuple[Gpu, ...]:
    """Return one Gpu per compute instance. Files name the instances, not their profiles or UUIDs."""
    folder = f"{_PROC}/capabilities/gpu{minor}/mig"
    slices = []
    for gi in _instances(reader, folder, "gi"):
        for ci in _instances(reader, f"{folder}/{gi}", "ci"):
            paths = (f"{folder}/{gi}/access", f"{folder}/{gi}/{ci}/access")
            minors = (parse_minor(reader.text(path) or "") for path in paths)
            caps = reader.nodes(*(f"/dev/nvidia-caps/nvidia-cap{n}" for n in minors if n is not None))
            slices.append(_slice(whole, f"{gi}/{ci}", caps))
    return tuple(slices)


def _instances(reader: Reader, folder: str, kind: str) -> list[str]:
    numbers = (name.removeprefix(kind) for name in reader.names(folder) if name.startswith(kind))
    return [f"{kind}{number}" for number in sorted((n for n in numbers if n.isdecimal()), key=int)]


def _slice(whole: Gpu, name: str, caps: tuple[DeviceNode, ...]) -> Gpu:
    return Gpu(
        vendor="nvidia",
        name=whole.name,
        architecture=whole.architecture,
        pci=whole.pci,
        partition=name,
        kernel_driver=whole.kernel_driver,
        nodes=whole.nodes + caps,
    )


def _libraries(reader: Reader) -> tuple[str, ...]:
    names = (name for folder in LIBRARY_DIRS for name in reader.names(folder))
    return tuple(sorted({version for name in names if (version := parse_library_version(name))}))


def _not_driven(
    pci: tuple[PciGpu, ...], known: dict[str, GpuInformation], module: KernelModule | None, *, libraries: bool
) -> list[Finding]:
    left: dict[str | None, list[str]] = {}
    for gpu in pci:
        if gpu.address not in known and not (module and gpu.driver == "nvidia"):
            left.setdefault(gpu.driver, []).append(gpu.address)
    return [
        nvidia_findings.nvidia_not_loaded(driver, ", ".join(addresses), libraries=libraries)
        for driver, addresses in left.items()
    ]


def _module_findings(module: KernelModule, libraries: tuple[str, ...], gpus: tuple[Gpu, ...]) -> list[Finding]:
    found = []
    if libraries and module.version not in libraries:
        found.append(nvidia_findings.library_mismatch(module.version, libraries))
    old = sorted({gpu.name or gpu.pci or "" for gpu in gpus if is_before_turing(gpu)})
    if old and module.flavour == "open":
        found.append(nvidia_findings.open_module_unsupported(", ".join(old)))
    return found


def is_before_turing(gpu: Gpu) -> bool:
    """Tell whether the GPU is known to be older than Turing (sm_75)."""
    digits = (gpu.architecture or "").removeprefix("sm_")
    return digits.isdigit() and int(digits) < _TURING


def _node_findings(reader: Reader, gpus: tuple[Gpu, ...]) -> list[Finding]:
    wanted = {"/dev/nvidiactl": "sudo nvidia-modprobe -c 0", "/dev/nvidia-uvm": "sudo nvidia-modprobe -u -c 0"}
    if not any(gpu.kernel_driver == "nvidia" for gpu in gpus):
        return []
    return [findings.node_missing(path, fix) for path, fix in wanted.items() if not reader.node(path)]

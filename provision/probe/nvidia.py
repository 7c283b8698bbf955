"""NVIDIA from files alone: the module, the GPUs it drives, their nodes and MIG slices."""

from collections.abc import Mapping
from typing import Final

from provision.catalogue import rows
from provision.model import DeviceNode, Driver, Finding, Gpu, Vendor
from provision.probe import findings, nvidia_findings, nvidia_tools
from provision.probe.lookups import Lookups
from provision.probe.nvidia_labels import nvidia_labels
from provision.probe.nvidia_monitor import MONITOR
from provision.probe.nvidia_parsers import (
    GpuInformation,
    KernelModule,
    architecture,
    parse_gpu_information,
    parse_library_version,
    parse_minor,
    parse_module_version,
    parse_version,
)
from provision.probe.nvidia_unusable import Installed, beside, why_unusable
from provision.probe.parsers import parse_pci
from provision.probe.pci import PciGpu
from provision.probe.reader import Reader
from provision.probe.unusable import Unusable, marked
from provision.probe.vendor_probe import VendorPart, VendorProbe

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


def probe_nvidia(reader: Reader, pci: tuple[PciGpu, ...], lookups: Lookups) -> VendorPart:
    """Return the NVIDIA part of a host; `pci` are its NVIDIA functions on the bus."""
    installed = _installed(reader, has_gpu=bool(pci))
    reasons = _reasons(pci, installed, lookups)
    gpus = tuple(
        marked(gpu, reasons.get(address))
        for address in _addresses(pci, installed.listed or {})
        for gpu in _gpus(reader, address, pci, installed.listed or {}, lookups)
    )
    module = installed.module
    found = [*_module_findings(module, installed.libraries), *_node_findings(reader, gpus)] if module else []
    tegra = _is_tegra(reader)
    if tegra:
        found.append(nvidia_findings.tegra())
    return VendorPart(
        gpus=gpus,
        driver=Driver(vendor="nvidia", version=module.version, flavour=module.flavour) if module else None,
        nodes=reader.nodes(*_ROW.shared_nodes),
        unusable=reasons,
        findings=tuple(found),
        machine=module.machine if module else None,
        off_bus=tegra,
    )


def _installed(reader: Reader, *, has_gpu: bool) -> Installed:
    module = _module(reader)
    known = _information(reader)
    seen = bool(known) or reader.exists(f"{_PROC}/version")
    libraries = _libraries(reader) if has_gpu or known or module else ()
    return Installed(module=module, listed=known if seen else None, libraries=libraries)


def _reasons(pci: tuple[PciGpu, ...], installed: Installed, lookups: Lookups) -> dict[str, Unusable]:
    """Return why GPUs are not usable, by address."""
    rows_of = {gpu.address: _generation(gpu, lookups) for gpu in pci}
    found = {gpu.address: why for gpu in pci if (why := why_unusable(gpu, rows_of[gpu.address], installed))}
    others = [row for address, row in rows_of.items() if row and address not in found]
    return {address: beside(why, rows_of[address], others) for address, why in found.items()}


def _generation(gpu: PciGpu, lookups: Lookups) -> rows.Capability | None:
    return lookups.generations.get(lookups.capabilities.get(gpu.device, ""))


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


def _addresses(pci: tuple[PciGpu, ...], known: Mapping[str, GpuInformation]) -> list[str]:
    return sorted({gpu.address for gpu in pci} | set(known))


def _gpus(
    reader: Reader, address: str, pci: tuple[PciGpu, ...], known: Mapping[str, GpuInformation], lookups: Lookups
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
        device_id=(on_bus.device or None) if on_bus else None,
        kernel_driver=on_bus.driver if on_bus else "nvidia",
        nodes=reader.nodes(f"/dev/nvidia{info.minor}") if info.minor is not None else (),
    )
    return _slices(reader, whole, info.minor) or (whole,)


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
        device_id=whole.device_id,
        partition=name,
        kernel_driver=whole.kernel_driver,
        nodes=whole.nodes + caps,
    )


def _libraries(reader: Reader) -> tuple[str, ...]:
    names = (name for folder in LIBRARY_DIRS for name in reader.names(folder))
    return tuple(sorted({version for name in names if (version := parse_library_version(name))}))


def _module_findings(module: KernelModule, libraries: tuple[str, ...]) -> list[Finding]:
    if libraries and module.version not in libraries:
        return [nvidia_findings.library_mismatch(module.version, libraries)]
    return []


def _node_findings(reader: Reader, gpus: tuple[Gpu, ...]) -> list[Finding]:
    wanted = {"/dev/nvidiactl": "`sudo nvidia-modprobe -c 0`", "/dev/nvidia-uvm": "`sudo nvidia-modprobe -u -c 0`"}
    if not any(gpu.usable for gpu in gpus):
        return []
    return [findings.node_missing(path, fix) for path, fix in wanted.items() if not reader.node(path)]


PROBE: Final = VendorProbe(probe_nvidia, serves_wsl, nvidia_tools.ask_tools, MONITOR, nvidia_labels)

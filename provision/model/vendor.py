"""What a vendor is: one row each. What differs between makers by a word or a value stands here and nowhere else."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple

Maker = Literal["nvidia", "amd"]  # the `vendor` of a GPU and of a driver


class GpuVendor(NamedTuple):
    """The words and values of one maker. No field has a default: a row that lacks one fails at import time."""

    maker: Maker
    title: str  # as the maker writes itself
    runtime_title: str  # the runtime as its maker writes it; its `Vendor` is the name in code
    settings: tuple[str, ...]  # how the names of the variables begin that choose its devices and libraries
    withheld: Mapping[str, str]  # variables that take every GPU from a process and from a container
    peak_is_bound: bool  # nothing on its GPUs computes float32 faster than their lanes times their clock
    slices_together: bool  # one process may use several partitions of a GPU
    pci_vendor: str  # the PCI vendor id, as sysfs writes it without "0x"
    kernel_driver: str  # the kernel module that drives the GPUs
    library: str  # the driver library that a process with a GPU has loaded
    node: str  # pattern of the device nodes without which a container has no GPU
    node_globs: tuple[str, ...]  # the device nodes that a process opens, below /dev
    choosing: str  # the variable that shows only the chosen GPUs to a process
    bus_order: Mapping[str, str]  # variables that make its numbers those of the bus
    hiding: tuple[str, ...]  # all variables that can hide GPUs from a framework
    build_key: str  # TensorFlow's name for "built for this maker", in its build information
    image_variables: str  # pattern of the variables that a base image of this runtime sets
    cdi_kind: str  # the kind of the maker's CDI devices
    toolkit: str  # the container toolkit
    container_runtime_devices: str  # the variable by which that runtime knows which GPUs to hand over
    kubernetes_resource: str  # what the maker's device plugin offers
    kubernetes_labels: tuple[str, ...]  # labels of nodes that have such a GPU, of any discovery
    apptainer: str  # the option of Apptainer and Singularity
    caches: Mapping[str, str]  # variable of a kernel cache -> folder below the cache


class Vendor(StrEnum):
    """The kind of environment to provision."""

    AUTO = "auto"
    CUDA = "cuda"
    ROCM = "rocm"
    CPU = "cpu"

    @property
    def row(self) -> GpuVendor:
        """The vendor's row in `GPU_VENDORS`.

        Raises:
            KeyError: auto and cpu, which are no maker of GPUs.
        """
        return GPU_VENDORS[self]

    @property
    def gpu(self) -> Maker | None:
        """The maker's name as used for GPUs and drivers, or None for auto and cpu."""
        return GPU_VENDORS[self].maker if self in GPU_VENDORS else None

    @property
    def maker(self) -> str:
        """The GPU maker's name for people; empty for auto and cpu."""
        return GPU_VENDORS[self].title if self in GPU_VENDORS else ""


# In the order of preference on a host with both.
GPU_VENDORS: Final[Mapping[Vendor, GpuVendor]] = {
    Vendor.CUDA: GpuVendor(
        maker="nvidia",
        title="NVIDIA",
        runtime_title="CUDA",
        settings=(
            *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),
            *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
        ),
        # NVIDIA's runtime, as an engine's default, would hand in all GPUs because an image asks for it.
        withheld={"CUDA_VISIBLE_DEVICES": "-1", "NVIDIA_VISIBLE_DEVICES": "void"},
        peak_is_bound=True,
        slices_together=False,  # MIG user guide, "CUDA device enumeration": one compute instance to a process
        pci_vendor="10de",
        kernel_driver="nvidia",
        library="libcuda.so",
        node=r"/dev/(nvidia\d+|dxg)",
        node_globs=("nvidia[0-9]*",),
        choosing="CUDA_VISIBLE_DEVICES",
        bus_order={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        hiding=("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        build_key="is_cuda_build",
        image_variables="NVIDIA_VISIBLE_DEVICES|NVIDIA_REQUIRE_CUDA|CUDA_VERSION",
        cdi_kind="nvidia.com/gpu",
        toolkit="nvidia-container-toolkit",
        container_runtime_devices="NVIDIA_VISIBLE_DEVICES",
        kubernetes_resource="nvidia.com/gpu",
        kubernetes_labels=("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present"),
        apptainer="--nv",
        caches={"CUDA_CACHE_PATH": "cuda"},  # kernels that the driver compiled from PTX
    ),
    Vendor.ROCM: GpuVendor(
        maker="amd",
        title="AMD",
        runtime_title="ROCm",
        settings=(
            *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES"),
            *("GPU_DEVICE_ORDINAL", "HSA_OVERRIDE"),
        ),
        withheld={"HIP_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1", "AMD_VISIBLE_DEVICES": "void"},
        peak_is_bound=False,  # its matrix units are faster, and its vector units issue two at a time
        slices_together=True,
        pci_vendor="1002",
        kernel_driver="amdgpu",
        library="libamdhip64",
        node=r"/dev/(kfd|dxg)",
        node_globs=("kfd", "dri/renderD*"),
        choosing="ROCR_VISIBLE_DEVICES",
        bus_order={},
        hiding=("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"),
        build_key="is_rocm_build",
        image_variables="(ROCM|HIP|MIOPEN|HSA)_.*",
        cdi_kind="amd.com/gpu",
        toolkit="amd-container-toolkit",
        container_runtime_devices="AMD_VISIBLE_DEVICES",
        kubernetes_resource="amd.com/gpu",
        kubernetes_labels=("feature.node.kubernetes.io/amd-gpu", "feature.node.kubernetes.io/pci-1002.present"),
        apptainer="--rocm",
        caches={"MIOPEN_USER_DB_PATH": "miopen", "MIOPEN_CUSTOM_CACHE_DIR": "miopen"},
    ),
}
MAKERS: Final[dict[str, str]] = {row.maker: row.title for row in GPU_VENDORS.values()}
# As people write them: the names proper, and the makers'.
VENDORS: Final[dict[str, Vendor]] = {
    **{vendor.value: vendor for vendor in Vendor},
    **{row.maker: vendor for vendor, row in GPU_VENDORS.items()},
}


def vendor_of(maker: str) -> Vendor:
    """Return the kind of environment for a maker's GPUs: cuda for "nvidia".

    Raises:
        KeyError: no such maker.
    """
    return VENDORS[maker]

"""What a vendor is: one row each. What differs between makers by a word or a value stands here and nowhere else."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

from provision.compat import StrEnum
from provision.model.access import Access
from provision.model.complete import complete
from provision.model.maker_builds import MakerBuilds

Maker = Literal["nvidia", "amd"]  # the `vendor` of a GPU and of a driver
RuntimeName = Literal["cuda", "rocm"]  # the `Vendor`s with a row below, where a type must name them
# How an engine without CDI names hands a maker's GPUs over. runtime: by ids to the maker's container runtime; nodes: as
# device nodes, with the groups that own them.
AccessKind = Literal["runtime", "nodes"]
RUNTIMES: Final[tuple[RuntimeName, ...]] = get_args(RuntimeName)
ACCESS_KINDS: Final[tuple[AccessKind, ...]] = get_args(AccessKind)


class GpuVendor(NamedTuple):
    """The words and values of one maker. No field has a default: a row that lacks one fails at import time."""

    maker: Maker
    title: str  # as the maker writes itself
    runtime_title: str  # the runtime as its maker writes it; its `Vendor` is the name in code
    runtime_example: str  # a version that one may ask for
    architecture: str  # pattern of its GPUs' architectures
    published: MakerBuilds | None  # how its builds list their GPUs; None: by code for compute capabilities
    imported_in_build: bool  # its frameworks can be imported where there is no GPU
    settings: tuple[str, ...]  # how the names of the variables begin that choose its devices and libraries
    withheld: Mapping[str, str]  # variables that take every GPU from a process and from a container
    peak_is_bound: bool  # nothing on its GPUs computes float32 faster than their lanes times their clock
    slices_together: bool  # one process may use several partitions of a GPU
    pci_vendor: str  # the PCI vendor id, as sysfs writes it without "0x"
    kernel_driver: str  # the kernel module that drives the GPUs
    needs_modesetting: bool  # nomodeset on the kernel's command line keeps that module out
    library: str  # the driver library that a process with a GPU has loaded
    library_files: tuple[str, ...]  # as the loader finds it, the newest first
    library_calls: str  # how the names of its functions begin that list the devices; empty: it has no such functions
    node: str  # pattern of the device nodes without which a container has no GPU
    node_globs: tuple[str, ...]  # the device nodes that a process opens, below /dev
    own_node: str  # how the path of a GPU's own node begins
    shared_nodes: tuple[str, ...]  # nodes that all GPUs of the maker share
    node_is_told: bool  # a process is told which node its GPU is
    memory_is_told: bool  # its driver tells a process all the memory that it tells the host
    choosing: str  # the variable that shows only the chosen GPUs to a process
    bus_order: Mapping[str, str]  # variables that make its numbers those of the bus
    hiding: tuple[str, ...]  # all variables that can hide GPUs from a framework
    build_key: str  # TensorFlow's name for "built for this maker", in its build information
    torch_version: str  # of torch.version, what is set in a build for this maker
    operations: Mapping[str, str]  # operation of a framework -> the maker's library behind it
    image_variables: str  # pattern of the variables that a base image of this runtime sets
    access: AccessKind
    access_on_wsl: Access | None  # how WSL2's GPU reaches a container; None: as on other hosts
    wsl_library: str  # the library on WSL2 without which the maker's GPU is of no use
    wsl_fix: str  # how that library gets there
    wsl_store: str  # pattern of its display drivers' folders in Windows' driver store
    cdi_kind: str  # the kind of the maker's CDI devices
    cdi_command: str  # writes the maker's CDI specification
    cdi_numbers_partitions: bool  # a number in a CDI name counts partitions too, not whole GPUs alone
    cdi_mounts_libraries: bool  # a CDI device brings the host's driver libraries along
    toolkit: str  # the container toolkit
    toolkit_programs: Mapping[str, str]  # program -> the toolkit that it belongs to
    toolkit_folder: str | None  # where the maker's Kubernetes operator installs the toolkit on a node
    plugin_folder: str | None  # of a node whose device plugin mounts the driver from there and needs no toolkit
    container_runtime: str  # the runtime's name in an engine's configuration
    container_runtime_devices: str  # the variable by which that runtime knows which GPUs to hand over
    kubernetes_resource: str  # what the maker's device plugin offers
    kubernetes_partition: str  # how its resource for a partition of a GPU begins; empty: it has none of its own
    partition_title: str  # what the maker calls its partitions
    kubernetes_labels: tuple[str, ...]  # labels of nodes that have such a GPU, of any discovery
    apptainer: str  # the option of Apptainer and Singularity
    apptainer_binds: tuple[str, ...]  # how the paths begin that this option binds
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
        runtime_example="12.5",
        architecture="sm_[0-9]{2,3}[af]?",
        published=None,
        imported_in_build=True,
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
        needs_modesetting=False,
        library="libcuda.so",
        library_files=("libcuda.so.1",),
        library_calls="cu",
        node=r"/dev/(nvidia\d+|dxg)",
        node_globs=("nvidia[0-9]*",),
        own_node="/dev/nvidia",
        shared_nodes=("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"),
        node_is_told=False,
        memory_is_told=True,
        choosing="CUDA_VISIBLE_DEVICES",
        bus_order={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        hiding=("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        build_key="is_cuda_build",
        torch_version="cuda",
        operations={
            "matmul": "cuBLAS",
            "conv2d": "cuDNN",
            "conv2d network": "cuDNN",
            "lstm": "cuDNN",
            "fft": "cuFFT",
            "solver": "cuSOLVER",
            "sparse": "cuSPARSE",
            "xla": "XLA",
            "mixed precision": "cuBLAS float16",
            "collective": "NCCL",
        },
        image_variables="NVIDIA_VISIBLE_DEVICES|NVIDIA_REQUIRE_CUDA|CUDA_VERSION",
        access="runtime",
        access_on_wsl=None,
        wsl_library="/usr/lib/wsl/lib/libcuda.so",
        wsl_fix="NVIDIA: the current driver in Windows, then wsl --shutdown there",
        wsl_store=r"nv\w*\.inf_amd64_\w+",
        cdi_kind="nvidia.com/gpu",
        cdi_command="sudo nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml",
        cdi_numbers_partitions=False,
        cdi_mounts_libraries=True,
        toolkit="nvidia-container-toolkit",
        toolkit_programs={
            "nvidia-ctk": "nvidia-container-toolkit",
            "nvidia-container-runtime": "nvidia-container-runtime",
        },
        toolkit_folder="/usr/local/nvidia/toolkit",
        plugin_folder="/home/kubernetes/bin/nvidia",  # GKE: GoogleCloudPlatform/community#2227
        container_runtime="nvidia",
        container_runtime_devices="NVIDIA_VISIBLE_DEVICES",
        kubernetes_resource="nvidia.com/gpu",
        kubernetes_partition="nvidia.com/mig-",
        partition_title="MIG",
        kubernetes_labels=("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present"),
        apptainer="--nv",
        apptainer_binds=("/dev/nvidia",),
        caches={"CUDA_CACHE_PATH": "cuda"},  # kernels that the driver compiled from PTX
    ),
    Vendor.ROCM: GpuVendor(
        maker="amd",
        title="AMD",
        runtime_title="ROCm",
        runtime_example="7.2",
        architecture="gfx[0-9a-f]{3,4}",
        published=MakerBuilds(
            machines=("x86_64",),
            wsl_unknown=(
                "no file of WSL2 tells it, only rocminfo or Windows do; librocdxg is there, so torch may run",
                "run kgpu-env probe in the WSL distribution itself, which asks both",
            ),
            partitions=("6.4.1", "ROCm/container-toolkit, requirements.rst"),
            # The Core SDK's, in its wheels.
            wheel_folders=("_rocm_sdk_core/lib", "_rocm_sdk_core/lib/rocm_sysdeps/lib", "_rocm_sdk_libraries/lib"),
        ),
        imported_in_build=False,
        settings=(
            *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES"),
            *("GPU_DEVICE_ORDINAL", "HSA_OVERRIDE"),
        ),
        withheld={"HIP_VISIBLE_DEVICES": "-1", "ROCR_VISIBLE_DEVICES": "-1", "AMD_VISIBLE_DEVICES": "void"},
        peak_is_bound=False,  # its matrix units are faster, and its vector units issue two at a time
        slices_together=True,
        pci_vendor="1002",
        kernel_driver="amdgpu",
        needs_modesetting=True,
        library="libamdhip64",
        library_files=("libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"),
        library_calls="hip",
        node=r"/dev/(kfd|dxg)",
        node_globs=("kfd", "dri/renderD*"),
        own_node="/dev/dri/renderD",
        shared_nodes=("/dev/kfd",),
        node_is_told=True,
        memory_is_told=False,
        choosing="ROCR_VISIBLE_DEVICES",
        bus_order={},
        hiding=("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"),
        build_key="is_rocm_build",
        torch_version="hip",
        operations={
            "matmul": "rocBLAS",
            "conv2d": "MIOpen",
            "conv2d network": "MIOpen",
            "lstm": "MIOpen",
            "fft": "hipFFT",
            "solver": "rocSOLVER",
            "sparse": "rocSPARSE",
            "xla": "XLA",
            "mixed precision": "rocBLAS float16",
            "collective": "RCCL",
        },
        image_variables="(ROCM|HIP|MIOPEN|HSA)_.*",
        access="nodes",
        # As librocdxg's README has it: where the loader looks by itself, since LD_LIBRARY_PATH is the image's own, and
        # the libraries of a wheel are found by it.
        access_on_wsl=Access(
            method="wsl",
            nodes=("/dev/dxg",),
            mounts={
                "/usr/lib/wsl/lib/libdxcore.so": "/usr/lib/libdxcore.so",
                "/opt/rocm/lib/librocdxg.so": "/usr/lib/librocdxg.so",
            },
            env={"HSA_ENABLE_DXG_DETECTION": "1"},  # from ROCm 7.13 on the default
        ),
        wsl_library="/opt/rocm/lib/librocdxg.so",
        wsl_fix=(
            "AMD: a current Adrenalin driver in Windows; in this distribution (Ubuntu, Debian) librocdxg: the package "
            "rocdxg-roct of your ROCm from github.com/ROCm/librocdxg/releases, its SHA-256 compared with that page, "
            "then apt-get install ./FILE.deb and ldconfig as root"
        ),
        wsl_store=r"u\d+\.inf_amd64_\w+",
        cdi_kind="amd.com/gpu",
        cdi_command="sudo amd-ctk cdi generate",
        cdi_numbers_partitions=True,
        cdi_mounts_libraries=False,
        toolkit="amd-container-toolkit",
        toolkit_programs={"amd-ctk": "amd-container-toolkit"},
        toolkit_folder=None,
        plugin_folder=None,
        container_runtime="amd",
        container_runtime_devices="AMD_VISIBLE_DEVICES",
        kubernetes_resource="amd.com/gpu",
        kubernetes_partition="",
        partition_title="partitioning",
        kubernetes_labels=("feature.node.kubernetes.io/amd-gpu", "feature.node.kubernetes.io/pci-1002.present"),
        apptainer="--rocm",
        apptainer_binds=("/dev/kfd", "/dev/dri"),
        caches={"MIOPEN_USER_DB_PATH": "miopen", "MIOPEN_CUSTOM_CACHE_DIR": "miopen"},
    ),
}
complete("GPU_VENDORS", GPU_VENDORS, (vendor for vendor in Vendor if vendor not in {Vendor.AUTO, Vendor.CPU}))
MAKERS: Final[dict[Maker, str]] = {row.maker: row.title for row in GPU_VENDORS.values()}
complete("the makers of GPU_VENDORS", MAKERS, get_args(Maker))
complete("the runtimes of GPU_VENDORS", GPU_VENDORS, map(Vendor, RUNTIMES))
# As people write them: the names proper, and the makers'.
VENDORS: Final[dict[str, Vendor]] = {
    **{vendor.value: vendor for vendor in Vendor},
    **{row.maker: vendor for vendor, row in GPU_VENDORS.items()},
}


def architectures(rows: Iterable[GpuVendor]) -> str:
    """Return the pattern of the architectures of some makers' GPUs."""
    # In Python "$" also matches before a newline at the end, hence the look-ahead.
    return rf"^({'|'.join(row.architecture for row in rows)})$(?!\n)"

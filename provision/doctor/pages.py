"""How each cause that lies on disk looks, what mends it, and where it was seen; its meaning is in `codes`."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Page(NamedTuple):
    """What `doctor CODE` tells beside the meaning."""

    seen: str
    fix: str
    source: str


_CHANGE: Final = "take the word off in the boot loader's settings, then reboot"
PAGES: Final[Mapping[str, Page]] = {
    "KGE-120": Page(
        "Key was rejected by service; mokutil --sb-state says enabled; the module is below updates/dkms",
        "enrol DKMS's key with mokutil --import, or install the distribution's signed modules",
        "github.com/secureblue/secureblue/issues/1043; MicrosoftDocs/azure-docs/issues/111536",
    ),
    "KGE-121": Page(
        "cat /proc/cmdline shows nomodeset, modprobe.blacklist= or module_blacklist=",
        _CHANGE,
        "github.com/ROCm/legacy-rocm-build/pull/4434",
    ),
    "KGE-122": Page(
        "grep -r nvidia /etc/modprobe.d shows blacklist, install ... false or alias ... off",
        "delete the line, make the initial RAM disk anew; on Ubuntu laptops prime-select on-demand",
        "github.com/Azure/azhpc-images/pull/134; matthieugras/Prime-Ubuntu-18.04/issues/4",
    ),
    "KGE-123": Page(
        "lspci -k shows nouveau or NovaCore; already bound to NovaCore",
        "blacklist the module, make the initial RAM disk anew, reboot",
        "github.com/beclab/Olares/pull/3963; jakeday/linux-surface/issues/264",
    ),
    "KGE-124": Page(
        "cat /proc/acpi/bbswitch says OFF",
        "echo ON | sudo tee /proc/acpi/bbswitch; remove bbswitch",
        "github.com/NVIDIA/nvidia-docker/issues/202",
    ),
    "KGE-125": Page(
        "dkms status names another kernel than uname -r; modprobe: FATAL: Module nvidia not found",
        "install the running kernel's headers, then: sudo dkms autoinstall; or boot the other kernel",
        "github.com/CachyOS/linux-cachyos/issues/118; ROCm/legacy-rocm-build/issues/5074, 5111, 3701",
    ),
    "KGE-126": Page(
        "modinfo finds no module; ROCk module is NOT loaded",
        "headers and sudo dkms autoinstall; Ubuntu's server images need linux-modules-extra for amdgpu",
        "github.com/ROCm/legacy-rocm-build/issues/1850, 4098",
    ),
    "KGE-127": Page(
        "Driver/library version mismatch, also after a reboot",
        "bring the package of the kernel module to the libraries' version, then reboot",
        "github.com/illinois-scicomp/machine-shop-maintenance/issues/70",
    ),
    "KGE-128": Page(
        "/run/systemd/container, container= of process 1, /.dockerenv", "nothing", "systemd, container interface"
    ),
    "KGE-129": Page(
        "/dev/nvidia-uvm or /dev/kfd is missing in an LXC guest or a container",
        "hand the node in from the outer host; nvidia-modprobe inside cannot help",
        "github.com/NVIDIA/nvidia-container-toolkit/issues/678; lxc/incus/issues/1322",
    ),
    "KGE-130": Page(
        "bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted; or NVML: Unknown Error",
        "no-cgroups = true in guests and rootless engines, false for an engine of root; or CDI",
        "github.com/blakeblackshear/frigate/issues/8652; NVIDIA/nvidia-container-toolkit/issues/85, 106, 290",
    ),
    "KGE-131": Page(
        "error 802: system not yet initialized; nvidia-smi -q: Fabric State is not Completed",
        "install nvidia-fabricmanager of exactly the driver's version, enable and start it",
        "github.com/aws-samples/aws-deep-learning-ami-ubuntu-dcv-desktop/issues/33",
    ),
    "KGE-132": Page(
        "error 802: system not yet initialized; systemctl status nvidia-fabricmanager tells two versions",
        "install the fabric manager of the driver's version, restart it, hold both together",
        "github.com/hiyouga/LlamaFactory/issues/8968; nanoporetech/dorado/issues/1214",
    ),
    "KGE-133": Page(
        "GPU has fallen off the bus; Xid 79; lspci shows rev ff",
        "switch the machine off and on; power, riser, seat; then replace it",
        "github.com/NVIDIA/NVSentinel/issues/155",
    ),
    "KGE-134": Page(
        "Xid 48, 63, 64, 94, 95; uncorrectable ECC error; ras/umc_err_count: ue above 0",
        "reset the GPU or reboot; if it comes back, replace the card",
        "github.com/leptonai/gpud/pull/80; ROCm/legacy-rocm-build/issues/3766",
    ),
    "KGE-135": Page(
        "RmInitAdapter failed; BAR0 is 0M; Fatal error during GPU init; PSP create ring failed",
        "BIOS: Above 4G Decoding and Resizable BAR; pci=realloc=on; switch off and on",
        "github.com/NVIDIA/open-gpu-kernel-modules/issues/862; h8d13/archinstoo/issues/244",
    ),
    "KGE-136": Page(
        "Direct firmware load for amdgpu/... failed with error -2",
        "install linux-firmware (Debian: firmware-amd-graphics), make the initial RAM disk anew, reboot",
        "github.com/NixOS/nixpkgs/issues/122776, 284403",
    ),
    "KGE-137": Page(
        "Xid 74, 109, 119, 120; GPU reset; GCVM_L2_PROTECTION_FAULT",
        "look at the line in dmesg: a program may be the cause; else newer kernel, firmware, driver",
        "docs.nvidia.com/deploy/xid-errors; github.com/ollama/ollama/issues/13589",
    ),
    "KGE-138": Page(
        "current_link_width below max_link_width in /sys/bus/pci/devices",
        "reseat the card; look at the slot and the riser",
        "Linux, Documentation/ABI/testing/sysfs-bus-pci",
    ),
    "KGE-139": Page(
        "nvidia-smi -L lists no MIG device although MIG is enabled; 0 CUDA devices",
        "make instances (nvidia-smi mig -cgi ... -C), or nvidia-smi -mig 0",
        "github.com/wilicc/gpu-burn/issues/36",
    ),
    "KGE-140": Page(
        "failed to stat CDI host device; error stat'ing file ...: No such file or directory",
        "sudo nvidia-ctk cdi generate --output=FILE; nvidia-cdi-refresh does it after each update",
        "github.com/NVIDIA/nvidia-container-toolkit/issues/50, 885; Igalia/webkit-container-sdk/issues/23",
    ),
    "KGE-141": Page(
        "Unknown runtime specified nvidia; could not select device driver",
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        "github.com/NVIDIA/nvidia-docker/issues/1236",
    ),
    "KGE-142": Page(
        "load library failed: libnvidia-ml.so.1, with root = /run/nvidia/driver in config.toml",
        'root = "/" in config.toml, or the operator\'s own driver',
        "github.com/NVIDIA/nvidia-container-toolkit/issues/154",
    ),
    "KGE-143": Page(
        "load library failed: libnvidia-ml.so.1 although nvidia-smi works; docker info: snap, Docker Desktop",
        "an engine of the distribution or of Docker; docker context use default",
        "github.com/NVIDIA/nvidia-container-toolkit/issues/1092; NVIDIA/nvidia-docker/issues/1711",
    ),
    "KGE-144": Page(
        "Failed to initialize NVML: Unknown Error some time after the start",
        "CDI, or sudo nvidia-ctk system create-dev-char-symlinks --create-all",
        "github.com/NVIDIA/nvidia-container-toolkit, troubleshooting",
    ),
    "KGE-145": Page(
        "/dev/kfd: Permission denied; NVML: Insufficient Permissions; avc: denied",
        "setsebool -P container_use_devices 1, or --security-opt label=disable; rootless: --group-add keep-groups",
        "github.com/ROCm/legacy-rocm-build/issues/1549; fedora-selinux/selinux-policy/issues/1695",
    ),
    "KGE-146": Page(
        "Memory access fault by GPU node-1; page fault in dmesg; uname -r below the catalogue's kernel",
        "a newer kernel and current linux-firmware",
        "github.com/ROCm/TheRock docs/faq.md; ROCm/legacy-rocm-build/issues/5724, 5747",
    ),
    "KGE-147": Page(
        "kfd: skipped device 1002:67df, PCI rejects atomics",
        "a PCIe 3.0 slot of the processor; in a guest a root port with atomics; newer firmware",
        "github.com/ROCm/legacy-rocm-build/issues/1214, 910; ROCm/amdgpu/issues/26",
    ),
    "KGE-148": Page(
        "Illegal instruction; exit code 132 and no output",
        "processor type host in the virtual machine; else another machine, or torch",
        "github.com/tensorflow/tensorflow/issues/62342",
    ),
    "KGE-149": Page(
        "all CUDA-capable devices are busy or unavailable; nvidia-smi -q: License Status: Unlicensed",
        "nvidia-gridd with a licence token",
        "github.com/Azure/aks-gpu/pull/90; NVIDIA/gpu-operator/issues/220",
    ),
    "KGE-150": Page(
        'RCCL: Missing "iommu=pt" from kernel command line',
        "iommu=pt on the kernel's command line",
        "github.com/ROCm/rccl",
    ),
    "KGE-151": Page("a warning of files that could not be read", "probe with sudo", "this program"),
    "KGE-152": Page(
        "network bridge not found; ip link shows no docker0",
        "sudo systemctl restart docker; a second dockerd only in a network namespace: --bridge=none deletes it",
        "seen with two dockerd of Docker 20.10 and 28.5",
    ),
    "KGE-153": Page(
        "Memory access fault by GPU node-1; no ROCm-capable device is detected",
        "delete the line from /etc/environment or /etc/profile.d",
        "github.com/ROCm/legacy-rocm-build/issues/5824",
    ),
}

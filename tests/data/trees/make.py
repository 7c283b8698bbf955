"""Writes host trees for `kgpu-env probe --root DIR`: python tests/data/trees/make.py FOLDER [NAME ...].

Synthetic: no tree was captured from a machine. The texts' forms, ids, memory sizes and versions are those of public
reports (the kernel's own formats; MI300X, MI210 and MI308X values from ROCm/k8s-device-plugin's testdata); UUIDs,
PCI addresses, dates and group ids are made up.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

RENDER, VIDEO = 109, 44  # group ids of the made-up hosts
GIB = 2**30
OPEN, CLOSED = "NVIDIA UNIX Open Kernel Module for x86_64", "NVIDIA UNIX x86_64 Kernel Module"


class Tree:
    """A host's files under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nodes: list[str] = []
        self.system("6.8.0-87-generic", 'ID=ubuntu\nVERSION_ID="24.04"\n')
        self.path("/sys/bus/pci/devices").mkdir(parents=True)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def file(self, name: str, text: str) -> None:
        place = self.path(name)
        try:
            place.write_text(text)
        except FileNotFoundError:  # most have a neighbour already
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def node(self, name: str, mode: str, gid: int) -> None:
        self._nodes.append(f"{name} {mode} {gid}")
        self.file("/dev/.nodes", "\n".join(self._nodes) + "\n")

    def system(self, kernel: str, release: str) -> None:
        self.file("/proc/sys/kernel/osrelease", kernel + "\n")
        self.file("/proc/version", f"Linux version {kernel} (gcc 13.3.0) #1 SMP\n")
        self.file("/etc/os-release", release)

    def pci(self, address: str, ids: str, kind: str, driver: str | None) -> str:
        """Add a function; `ids` are vendor and device in hex, `kind` the class, as `lspci -n` prints them."""
        folder = f"/sys/bus/pci/devices/{address}"
        vendor, device = ids.split(":")
        self.file(f"{folder}/vendor", f"0x{vendor}\n")
        self.file(f"{folder}/device", f"0x{device}\n")
        self.file(f"{folder}/class", f"0x{kind}00\n")
        if driver:
            self.path(f"/sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
            self.path(f"{folder}/driver").symlink_to(f"../../drivers/{driver}")
        return folder


def nvidia_driver(tree: Tree, version: str, module: str) -> None:
    tail = "Release Build  (dvs-builder@U22-I3-B17-02-5)  " if module == OPEN else ""
    line = f"NVRM version: {module}  {version}  {tail}Tue Sep 23 09:55:41 UTC 2025\n"
    tree.file("/proc/driver/nvidia/version", line + "GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0)\n")
    tree.file("/sys/module/nvidia/version", version + "\n")
    for library in ("libcuda.so", "libnvidia-ml.so"):
        tree.file(f"/usr/lib/x86_64-linux-gnu/{library}.{version}", "")
    for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"):
        tree.node(f"/dev/{name}", "666", 0)


def nvidia_gpu(tree: Tree, minor: int, address: str, device: str, model: str) -> None:
    kind = "0300" if "GeForce" in model else "0302"
    tree.pci(address, f"10de:{device}", kind, "nvidia")
    uuid = f"GPU-0000{minor:04d}-1111-2222-3333-444455556666"
    tree.file(
        f"/proc/driver/nvidia/gpus/{address}/information",
        f"Model: \t\t {model}\nIRQ:   \t\t 189\nGPU UUID: \t {uuid}\nVideo BIOS: \t 96.00.74.00.01\n"
        f"Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n"
        f"Bus Location: \t {address}\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n",
    )
    tree.node(f"/dev/nvidia{minor}", "666", 0)


def toolkit(tree: Tree) -> None:
    for name in ("nvidia-ctk", "nvidia-container-runtime"):
        tree.file(f"/usr/bin/{name}", "")


def amd_driver(tree: Tree, version: str | None) -> None:
    tree.file("/sys/module/amdgpu/initstate", "live\n")
    if version:
        tree.file("/sys/module/amdgpu/version", version + "\n")
    tree.file("/sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 96\nsimd_count 0\nvendor_id 0\n")
    tree.node("/dev/kfd", "660", RENDER)
    lines = "# List of AMDGPU IDs\n1.0.0\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n1586,\tC1,\tAMD Radeon 8060S Graphics\n"
    tree.file("/usr/share/libdrm/amdgpu.ids", lines)


def kfd_node(tree: Tree, number: int, values: dict[str, int], vram: int, heap: int = 1) -> None:
    folder = f"/sys/class/kfd/kfd/topology/nodes/{number}"
    standard = {"cpu_cores_count": 0, "simd_per_cu": 4, "vendor_id": 4098, "domain": 0, "local_mem_size": 0}
    lines = "".join(f"{key} {value}\n" for key, value in (standard | values).items())
    tree.file(f"{folder}/properties", lines)
    tree.file(f"{folder}/mem_banks/0/properties", f"heap_type {heap}\nsize_in_bytes {vram}\nflags 0\nwidth 8192\n")
    tree.node(f"/dev/dri/renderD{values['drm_render_minor']}", "660", RENDER)


def amd_card(tree: Tree, bus: int, device: int, values: dict[str, int], vram: int, **sysfs: str) -> None:
    """Add a whole GPU; `sysfs` are further files of its PCI function."""
    kind = {0x74A1: "1200", 0x740F: "0380", 0x738C: "0380"}.get(device, "0300")
    folder = tree.pci(f"0000:{bus:02x}:00.0", f"1002:{device:04x}", kind, "amdgpu")
    for name, text in sysfs.items():
        tree.file(f"{folder}/{name}", text + "\n")
    number = len(list(tree.path("/sys/class/kfd/kfd/topology/nodes").iterdir()))
    place = {"device_id": device, "location_id": bus << 8, "drm_render_minor": 127 + number}
    kfd_node(tree, number, {"simd_count": 304, "num_xcc": 1, **values, **place}, vram)


def geforce(tree: Tree) -> None:
    nvidia_driver(tree, "550.144.03", CLOSED)
    nvidia_gpu(tree, 0, "0000:01:00.0", "2684", "NVIDIA GeForce RTX 4090")
    tree.pci("0000:01:00.1", "10de:22ba", "0403", "snd_hda_intel")
    toolkit(tree)


def h100(tree: Tree) -> None:
    nvidia_driver(tree, "580.95.05", OPEN)
    nvidia_gpu(tree, 0, "0000:17:00.0", "2330", "NVIDIA H100 80GB HBM3")
    tree.path("/proc/driver/nvidia/capabilities/gpu0/mig").mkdir(parents=True)
    toolkit(tree)
    tree.file(
        "/var/run/cdi/nvidia.yaml", "cdiVersion: 0.7.0\nkind: nvidia.com/gpu\ndevices:\n- name: '0'\n- name: all\n"
    )


def h100_mig(tree: Tree) -> None:
    h100(tree)
    folder = "/proc/driver/nvidia/capabilities/gpu0/mig"
    for gi, minor in ((9, 84), (10, 93)):
        for name, number in ((f"gi{gi}", minor), (f"gi{gi}/ci0", minor + 1)):
            tree.file(
                f"{folder}/{name}/access", f"DeviceFileMinor: {number}\nDeviceFileMode: 292\nDeviceFileModify: 1\n"
            )
            tree.node(f"/dev/nvidia-caps/nvidia-cap{number}", "444", 0)


def v100_old(tree: Tree) -> None:
    tree.system("5.4.0-216-generic", 'ID=ubuntu\nVERSION_ID="20.04"\n')
    nvidia_driver(tree, "470.82.01", CLOSED)
    nvidia_gpu(tree, 0, "0000:3b:00.0", "1db6", "Tesla V100-PCIE-32GB")
    toolkit(tree)


def not_loaded(tree: Tree) -> None:
    tree.pci("0000:65:00.0", "10de:2204", "0300", "nouveau")


def wsl2(tree: Tree) -> None:
    tree.system("6.6.87.2-microsoft-standard-WSL2", 'ID=ubuntu\nVERSION_ID="24.04"\n')
    tree.pci("6f2c:00:00.0", "1414:008e", "0302", "dxgkrnl")
    tree.node("/dev/dxg", "666", 0)
    for name in ("libcuda.so.1.1", "libdxcore.so", "nvidia-smi"):
        tree.file(f"/usr/lib/wsl/lib/{name}", "")


def wsl2_amd(tree: Tree) -> None:
    tree.system("6.6.87.2-microsoft-standard-WSL2", 'ID=ubuntu\nVERSION_ID="24.04"\n')
    tree.pci("6f2c:00:00.0", "1414:008e", "0302", "dxgkrnl")
    tree.node("/dev/dxg", "666", 0)
    tree.file("/usr/lib/wsl/lib/libdxcore.so", "")
    tree.file("/opt/rocm/lib/librocdxg.so", "")
    for name in ("u0420081.inf_amd64_3f1c", "nvmdi.inf_amd64_f55c", "wvmgid.inf_amd64_9a5b"):
        tree.file(f"/usr/lib/wsl/drivers/{name}/x.inf", "")


def mi300x(tree: Tree) -> None:
    amd_driver(tree, "6.16.13")
    for index, bus in enumerate((0x11, 0x2F, 0x46, 0x5D, 0x8B, 0xAA, 0xC2, 0xDA)):
        values = {
            "simd_count": 1216,
            "num_xcc": 8,
            "gfx_target_version": 90402,
            "unique_id": 0xDD1B00000000A000 + index,
        }
        mode = {"current_compute_partition": "SPX", "product_name": "AMD Instinct MI300X OAM"}
        amd_card(tree, bus, 0x74A1, values, 192 * GIB, **mode)


def mi300x_cpx(tree: Tree) -> None:
    """Add two MI300X of eight partitions each, which share their card's unique id, as real ones do.

    The partitions' function numbers exist in KFD alone.
    """
    amd_driver(tree, "6.16.13")
    for card, bus in enumerate((0xE5, 0xF5)):
        folder = tree.pci(f"0000:{bus:02x}:00.0", "1002:74a1", "1200", "amdgpu")
        tree.file(f"{folder}/current_compute_partition", "CPX\n" if card == 0 else "")
        tree.file(f"{folder}/current_memory_partition", "NPS4\n" if card == 0 else "")
        for part in range(8):
            number = 1 + 8 * card + part
            place = {"device_id": 0x74A1, "location_id": bus << 8 | part, "drm_render_minor": 127 + number}
            values = {
                "simd_count": 152,
                "num_xcc": 1,
                "gfx_target_version": 90402,
                "unique_id": 15931900197903628200 + card,
            }
            kfd_node(tree, number, values | place, 24 * GIB)


def mi210(tree: Tree) -> None:
    amd_driver(tree, "6.12.12")
    amd_card(tree, 0x63, 0x740F, {"simd_count": 416, "gfx_target_version": 90010}, 64 * GIB)


def mi100(tree: Tree) -> None:
    amd_driver(tree, "6.16.13")
    amd_card(tree, 0x43, 0x738C, {"simd_count": 480, "gfx_target_version": 90008}, 32 * GIB)


def radeon(tree: Tree) -> None:
    amd_driver(tree, "6.16.13")
    amd_card(tree, 0x03, 0x744C, {"simd_count": 192, "gfx_target_version": 110000}, 24 * GIB, revision="0xc8")


def strix_halo(tree: Tree) -> None:
    tree.system("6.18.6-1-default", 'ID="opensuse-tumbleweed"\nVERSION_ID="20260110"\n')
    amd_driver(tree, None)
    amd_card(tree, 0xC4, 0x1586, {"simd_count": 80, "gfx_target_version": 110501}, 0, revision="0xc1")


def mixed(tree: Tree) -> None:
    """Add the integrated GPU of a Ryzen and a GeForce."""
    nvidia_driver(tree, "570.195.03", OPEN)
    nvidia_gpu(tree, 0, "0000:01:00.0", "2684", "NVIDIA GeForce RTX 4090")
    toolkit(tree)
    amd_driver(tree, None)
    amd_card(tree, 0x0D, 0x164E, {"simd_count": 4, "gfx_target_version": 100306}, 512 * 2**20, revision="0xc2")


def amd_not_loaded(tree: Tree) -> None:
    tree.pci("0000:11:00.0", "1002:74a1", "1200", None)


def none(tree: Tree) -> None:
    tree.pci("0000:00:02.0", "8086:a780", "0300", "i915")


TREES: dict[str, Callable[[Tree], None]] = {
    "geforce-rtx4090": geforce,
    "h100": h100,
    "h100-mig": h100_mig,
    "v100-old-driver": v100_old,
    "driver-not-loaded": not_loaded,
    "wsl2": wsl2,
    "wsl2-amd": wsl2_amd,
    "mi300x-spx": mi300x,
    "mi300x-cpx": mi300x_cpx,
    "mi210": mi210,
    "mi100": mi100,
    "radeon-7900xtx": radeon,
    "strix-halo-inbox": strix_halo,
    "mixed-amd-igpu-nvidia-dgpu": mixed,
    "amd-not-loaded": amd_not_loaded,
    "none": none,
}


def make(folder: Path, names: Iterable[str] = TREES) -> None:
    """Write the named trees below `folder`, which must not hold them yet."""
    for name in names:
        (folder / name).mkdir(parents=True)
        TREES[name](Tree(folder / name))


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(TREES):
        sys.exit(f"usage: make.py FOLDER [{' | '.join(TREES)}]")
    make(Path(sys.argv[1]), sys.argv[2:] or TREES)

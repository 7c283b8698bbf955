"""What lines of the kernel's log mean: one row each, with where it was seen."""

from typing import Final, NamedTuple

from provision.model import Severity


class Sign(NamedTuple):
    """What a line means. In `text` and `fix`, {gpu} is the address and {1} what the pattern caught first.

    A general one gives way to one of the same code that is not.
    """

    pattern: str
    code: str
    severity: Severity
    text: str
    fix: str
    source: str
    general: bool = False


_RESET: Final = "`sudo nvidia-smi -r -i {gpu}` (nobody may use it then), or reboot; if it comes back, replace the card"
# NVIDIA's numbers (docs.nvidia.com/deploy/xid-errors), without those that a program causes (13, 31, 43, 45).
XIDS: Final = {
    48: ("KGE-134", "an uncorrectable memory error (double bit ECC)", _RESET),
    63: ("KGE-134", "a row remapping is pending", _RESET),
    64: ("KGE-134", "a row could not be remapped", _RESET),
    74: ("KGE-137", "an NVLink error", "Look at nvidia-smi nvlink -s, reseat or replace the bridge; " + _RESET),
    79: ("KGE-133", "it has fallen off the bus", ""),
    140: ("KGE-134", "an uncorrectable memory error that it could not handle", _RESET),
    # NVLink 5; the kernel's line tells Fatal or Nonfatal.
    **dict.fromkeys(
        range(144, 151),
        ("KGE-137", "an NVLink error", f"Look at nvidia-smi nvlink -s and fabric manager's log; {_RESET}"),
    ),
    94: ("KGE-134", "a contained uncorrectable memory error", _RESET),
    95: ("KGE-134", "an uncontained uncorrectable memory error", _RESET),
    109: ("KGE-137", "a context switch timed out", _RESET),
    119: ("KGE-137", "the GPU's system processor (GSP) does not answer", _RESET),
    120: ("KGE-137", "the GPU's system processor (GSP) failed", _RESET),
    143: ("KGE-137", "the GPU could not initialise", _RESET),
    169: (
        "KGE-135",
        "the firmware did not start",
        "Install the open flavour of the driver on Blackwell; else " + _RESET,
    ),
}
BEARABLE: Final = {63, 94}  # the GPU goes on: a reset is due, or one program was ended
RECOVERED: Final = r"\bNon-?fatal\b"  # behind an Xid: the link goes on by itself
LOST: Final = "Switch the machine off and on (a reboot is not enough); look at power, riser and seat; then replace it"
SIGNS: Final = (
    Sign(
        r"fallen off the bus|GPU is lost|amdgpu.*device lost from bus",
        "KGE-133",
        Severity.ERROR,
        "The GPU at {gpu} has fallen off the bus, as the kernel's log says: it does not answer.",
        LOST + ".",
        "NVSentinel#155; nvidia-docker#1553",
    ),
    Sign(
        r"BAR\d+ is 0M(?= @)|can't change power state from D3cold|BAR \d+.*failed to assign",
        "KGE-135",
        Severity.ERROR,
        "The firmware gave the GPU at {gpu} no memory window, as the kernel's log says ({0}).",
        "Switch Above 4G Decoding and Resizable BAR on in the BIOS, or add pci=realloc=on to the kernel's "
        "command line; a virtual machine needs a larger 64-bit window from its host (OVMF: X-PciMmio64Mb; ESXi: "
        "pciPassthru.64bitMMIOSizeGB).",
        "archinstoo#244; canonical/lxd#14381; kubevirt#11093; ROCm#4017",
    ),
    Sign(
        r"RmInitAdapter failed! \(0x22:",
        "KGE-135",
        Severity.ERROR,
        "The NVIDIA driver could not start the GPU at {gpu} ({0}): its memory window is too small.",
        "Switch Above 4G Decoding and Resizable BAR on in the BIOS, then switch the machine off and on.",
        "open-gpu-kernel-modules#862",
    ),
    Sign(
        r"RmInitAdapter failed! \((0x62:[^)]*)\)",
        "KGE-135",
        Severity.ERROR,
        "The NVIDIA driver could not start the processor (GSP) of the GPU at {gpu}: RmInitAdapter failed ({1}).",
        "Switch the machine off and on; the first NVRM line since then tells the step. Then another branch of the "
        "driver (some of its firmware fails on some laptops), and the newest BIOS.",
        "open-gpu-kernel-modules#1332, #876, #789",
    ),
    Sign(
        r"RmInitAdapter failed! \(([^)]*)\)",
        "KGE-135",
        Severity.ERROR,
        "The NVIDIA driver could not start the GPU at {gpu}: RmInitAdapter failed ({1}).",
        "Switch the machine off and on; another driver version; if it comes back, try the card elsewhere.",
        "raspberry-pi-pcie-devices#549",
    ),
    Sign(
        r'Direct firmware load for (amdgpu/\S+) failed|Failed to get gpu_info firmware "([^"]+)"',
        "KGE-136",
        Severity.ERROR,
        "amdgpu could not start the GPU at {gpu}: its firmware file {1} is missing.",
        "Install the current firmware ({firmware}), make the initial RAM disk anew ({initramfs}), reboot.",
        "nixpkgs#122776, #284403; AMD-BC-250/documentation#4",
    ),
    Sign(
        r"amdgpu: probe of \S+ failed with error -12|Fatal error -12 during GPU init",
        "KGE-135",
        Severity.ERROR,
        "amdgpu could not map the GPU at {gpu}: the machine's firmware gave it no memory window, or too small a one "
        "(error -12).",
        "Switch Above 4G Decoding and Resizable BAR on and CSM off in the BIOS, and raise its MMIO limit; in a virtual "
        "machine give it a larger 64-bit window.",
        "rocm-install-on-linux#615; ROCm#3712, #2927, #6281",
    ),
    Sign(
        r"get invalid ip discovery binary signature|failed to read ip discovery binary",
        "KGE-135",
        Severity.ERROR,
        "The GPU at {gpu} does not hand over the table of its parts ({0}): its firmware is not up.",
        "Switch the machine off and on (a reboot is not enough), update its firmware; on servers try with "
        "modprobe.blacklist=amdgpu and load the module by hand after the start.",
        "ROCm#3856, #4454, #4426",
    ),
    Sign(
        r"PSP create ring failed|hw_init of IP block .* failed",
        "KGE-135",
        Severity.ERROR,
        "amdgpu could not start the GPU at {gpu}: {0}",
        "Switch the machine off and on; update BIOS and firmware; take an Infinity Fabric bridge out to try.",
        "ROCm#2747",
    ),
    Sign(
        r"amdgpu: probe of \S+ failed with error -22",
        "KGE-135",
        Severity.ERROR,
        "amdgpu gave the GPU at {gpu} up (error -22): it does not know a part of this GPU, or a line before it "
        "names another fault.",
        "Where the GPU is newer than the kernel: a newer one (Ubuntu: the HWE or OEM kernel) and current firmware "
        "({firmware}), or amdgpu-dkms. Else update the BIOS and switch the machine off and on.",
        "ROCm#4992",
    ),
    Sign(
        r"Fatal error during GPU init",
        "KGE-135",
        Severity.ERROR,
        "amdgpu could not start the GPU at {gpu}: {0}; the lines before it in the log name the part.",
        "Switch the machine off and on; update BIOS and firmware; a newer kernel where the GPU is new.",
        "ROCm#2747",
        general=True,
    ),
    Sign(
        r"skipped device \S+, PCI rejects atomics (\d+<\d+)",
        "KGE-147",
        Severity.ERROR,
        "The GPU at {gpu} has no compute: nothing on the way to it routes PCIe atomics, and its firmware is older than "
        "the one that does without ({1}).",
        "Install current firmware ({firmware}; or amdgpu-dkms-firmware), make the initial RAM disk anew ({initramfs}), "
        "reboot. A slot of the processor itself works as well.",
        "amdgpu#151; kfd_device.c",
    ),
    Sign(
        r"skipped device \S+, PCI rejects atomics",
        "KGE-147",
        Severity.ERROR,
        "The GPU at {gpu} has no compute: its PCIe slot or a bridge on the way routes no atomics ({0}).",
        "Use a PCIe 3.0 slot of the processor itself; in a virtual machine a q35 root port with atomics.",
        "ROCm#1214, #910; amdgpu#26; kfd_device.c",
    ),
    Sign(
        r"\b([1-9]\d*) uncorrectable hardware errors detected in total",
        "KGE-134",
        Severity.ERROR,
        "The memory of the GPU at {gpu} has uncorrectable errors: the kernel's log counts {1}.",
        "Reboot; if they come back, replace the card. Check: cat /sys/bus/pci/devices/{gpu}/ras/umc_err_count",
        "ROCm#3766",
    ),
    Sign(
        r"GPU reset begin|GPU reset\(\d+\) (?:succeeded|failed)|GCVM_L2_PROTECTION_FAULT_STATUS|\[gfxhub\] page fault",
        "KGE-137",
        Severity.WARNING,
        "The GPU at {gpu} had a fault since the last start: {0}",
        "Look at dmesg around that line: a program may be the cause; if not, newer kernel, firmware and driver.",
        "ollama#13589",
    ),
)
CODES: Final = tuple(sorted({sign.code for sign in SIGNS} | {code for code, _, _ in XIDS.values()}))

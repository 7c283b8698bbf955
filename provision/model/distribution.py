"""How families of Linux distributions install things: one row each, so that advice names commands that exist there."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Family(NamedTuple):
    """The commands of one family, marked as in a fix; `{}` in `install` stands for packages."""

    install: str
    headers: str  # package of the running kernel's headers
    initramfs: str  # makes the initial RAM disk anew
    add_word: str  # puts a parameter, WORD, on the kernel's command line
    remove_word: str  # takes it off


_ADD: Final = """`sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&WORD /' /etc/default/grub && sudo"""
_REMOVE: Final = "`sudo sed -i 's/ *WORD//' /etc/default/grub && sudo"
_DEBIAN: Final = Family(
    install="`sudo apt-get install {}`",
    headers="linux-headers-$(uname -r)",
    initramfs="`sudo update-initramfs -u`",
    add_word=f"{_ADD} update-grub`",
    remove_word=f"{_REMOVE} update-grub`",
)
_REDHAT: Final = Family(
    install="`sudo dnf install {}`",
    headers="kernel-devel-$(uname -r)",
    initramfs="`sudo dracut -f`",
    add_word="`sudo grubby --update-kernel=ALL --args=WORD`",
    remove_word="`sudo grubby --update-kernel=ALL --remove-args=WORD`",
)
_ARCH: Final = Family(
    install="`sudo pacman -S {}`",
    headers="linux-headers",
    initramfs="`sudo mkinitcpio -P`",
    add_word=f"{_ADD} grub-mkconfig -o /boot/grub/grub.cfg`",
    remove_word=f"{_REMOVE} grub-mkconfig -o /boot/grub/grub.cfg`",
)
_SUSE: Final = Family(
    install="`sudo zypper install {}`",
    headers="kernel-default-devel",
    initramfs="`sudo dracut -f`",
    add_word=f"{_ADD} grub2-mkconfig -o /boot/grub2/grub.cfg`",
    remove_word=f"{_REMOVE} grub2-mkconfig -o /boot/grub2/grub.cfg`",
)
# Fedora's images that are updated as a whole; Fedora's own Silverblue and Kinoite call themselves fedora.
_OSTREE: Final = Family(
    install="`sudo rpm-ostree install {}`",
    headers="kernel-devel-matched",
    initramfs="`sudo rpm-ostree initramfs --enable`",
    add_word="`sudo rpm-ostree kargs --append=WORD`",
    remove_word="`sudo rpm-ostree kargs --delete=WORD`",
)
_NIXOS: Final = Family(
    install="add {} to the system's configuration (NixOS has names of its own) and rebuild it",
    headers="the kernel's headers",
    initramfs="`sudo nixos-rebuild boot`",
    add_word='add "WORD" to boot.kernelParams and `sudo nixos-rebuild boot`',
    remove_word='take "WORD" out of boot.kernelParams and `sudo nixos-rebuild boot`',
)
_OTHER: Final = Family(
    install="install {}",
    headers="the headers of the running kernel",
    initramfs="make the initial RAM disk anew",
    add_word="add WORD to the kernel's command line in the boot loader's settings",
    remove_word="take WORD off the kernel's command line in the boot loader's settings",
)
# By the first word of Host.distribution, os-release's ID.
FAMILIES: Final[Mapping[str, Family]] = {
    **dict.fromkeys(("debian", "ubuntu", "linuxmint", "pop", "raspbian", "neon", "ubuntu-hpc", "proxmox"), _DEBIAN),
    **dict.fromkeys(("kali", "zorin", "elementary", "tuxedo", "devuan"), _DEBIAN),
    **dict.fromkeys(("fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn", "nobara"), _REDHAT),
    **dict.fromkeys(("openeuler", "anolis", "alinux", "tencentos", "cloudlinux", "scientific"), _REDHAT),
    **dict.fromkeys(("bazzite", "bluefin", "aurora"), _OSTREE),
    **dict.fromkeys(("arch", "cachyos", "manjaro", "endeavouros", "steamos", "garuda", "artix"), _ARCH),
    **dict.fromkeys(("opensuse-tumbleweed", "opensuse-leap", "sles", "sled", "sle_hpc"), _SUSE),
    "nixos": _NIXOS,
}


def family(distribution: str | None) -> Family:
    """Return the commands for `Host.distribution` ("ubuntu 24.04"); words instead where the family is not known."""
    return FAMILIES.get((distribution or "").partition(" ")[0], _OTHER)


def is_red_hat(distribution: str | None) -> bool:
    """Tell whether a distribution comes with Podman as its engine and with SELinux enforcing."""
    return family(distribution) in {_REDHAT, _OSTREE}

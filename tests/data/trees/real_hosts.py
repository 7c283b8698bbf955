"""Writes the trees of `real_hosts.yaml`: hosts of people, with the facts that their threads tell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import yaml

NODES = "/sys/class/kfd/kfd/topology/nodes"


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One GPU of a host; the fields are told at the top of the YAML file."""

    pci: str
    id: str
    driver: str | None = None
    listed: str | None = None
    uuid: str = "GPU-????????-????-????-????-????????????"
    target: int | None = None
    override: str | None = None


class RealHost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host, and what is right."""

    name: str
    source: str
    gpus: tuple[Card, ...]
    module: tuple[str, str] | None = None
    libraries: str = ""
    amdgpu: str | None = None
    kernel: str = "6.8.0-87-generic"
    usable: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    code: str = ""
    severity: str = ""
    said: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()


class Tree(Protocol):
    """What is needed of `make.Tree`."""

    def file(self, name: str, text: str) -> None:
        """Write a file."""

    def node(self, name: str, mode: str, gid: int) -> None:
        """Add a device node."""

    def system(self, kernel: str, release: str) -> None:
        """Say which kernel and distribution it is."""

    def pci(self, address: str, ids: str, kind: str, driver: str | None) -> object:
        """Add a function of the PCI bus."""


def read() -> Mapping[str, RealHost]:
    """Return the hosts by name."""
    rows = yaml.load(Path(__file__).with_suffix(".yaml").read_text(), yaml.CSafeLoader)
    return {host.name: host for host in msgspec.convert(rows, tuple[RealHost, ...])}


def build(tree: Tree, host: RealHost) -> None:
    """Write the files of `host`."""
    tree.system(host.kernel, 'ID=ubuntu\nVERSION_ID="24.04"\n')
    _nvidia(tree, host)
    if host.amdgpu:
        tree.file("/sys/module/amdgpu/initstate", "live\n")
        tree.file(f"{NODES}/0/properties", "cpu_cores_count 16\nsimd_count 0\nvendor_id 0\n")
        tree.node("/dev/kfd", "660", 109)
    if host.amdgpu and host.amdgpu != "inbox":
        tree.file("/sys/module/amdgpu/version", f"{host.amdgpu}\n")
    for place, card in enumerate(host.gpus):
        _card(tree, place, card)


def _nvidia(tree: Tree, host: RealHost) -> None:
    libraries = host.libraries
    if host.module:
        libraries, flavour = host.module
        words = "Open Kernel Module for x86_64" if flavour == "open" else "x86_64 Kernel Module"
        tree.file("/proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX {words}  {libraries}  Release Build\n")
        tree.file("/sys/module/nvidia/version", f"{libraries}\n")
        for name in ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"):
            tree.node(f"/dev/{name}", "666", 0)
    if libraries:
        tree.file(f"/usr/lib/x86_64-linux-gnu/libcuda.so.{libraries}", "")
        tree.file("/usr/bin/nvidia-ctk", "")


def _card(tree: Tree, place: int, card: Card) -> None:
    tree.pci(card.pci, card.id, "0300", card.driver)
    if card.override:
        tree.file(f"/sys/bus/pci/devices/{card.pci}/driver_override", f"{card.override}\n")
    if card.listed:
        text = f"Model: \t\t {card.listed}\nGPU UUID: \t {card.uuid}\nDevice Minor: \t {place}\n"
        tree.file(f"/proc/driver/nvidia/gpus/{card.pci}/information", text)
        tree.node(f"/dev/nvidia{place}", "666", 0)
    if card.target is not None:
        _kfd_node(tree, place, card)


def _kfd_node(tree: Tree, place: int, card: Card) -> None:
    location = int(card.pci[5:7], 16) << 8 | int(card.pci[8:10], 16) << 3
    target = f"gfx_target_version {card.target}\n" if card.target else ""
    kind = (
        f"cpu_cores_count 0\nsimd_count 128\nsimd_per_cu 4\n{target}vendor_id 4098\ndevice_id {int(card.id[5:], 16)}\n"
    )
    folder, minor = f"{NODES}/{1 + place}", 128 + place
    tree.file(f"{folder}/properties", f"{kind}location_id {location}\ndrm_render_minor {minor}\n")
    tree.file(f"{folder}/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 17163091968\n")
    tree.node(f"/dev/dri/renderD{minor}", "660", 109)

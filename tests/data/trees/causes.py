"""Builds the trees of causes.yaml: hosts whose cause lies on disk."""

from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import yaml

ROWS: Final[list[dict[str, Any]]] = yaml.load(Path(__file__).with_suffix(".yaml").read_text(), yaml.CSafeLoader)[
    "causes"
]


class Tree(Protocol):
    """What make.py's Tree offers."""

    def path(self, name: str) -> Path: ...
    def file(self, name: str, text: str) -> None: ...
    def node(self, name: str, mode: str, gid: int) -> None: ...
    def pci(self, address: str, ids: str, kind: str, driver: str | None) -> str: ...


def build(make: ModuleType, root: Path, row: dict[str, Any]) -> None:
    """Write a row's tree below `root` with the maker of make.py."""
    tree = make.Tree(root)
    name, _, version = row.get("os", "ubuntu 24.04").partition(" ")
    tree.system(row.get("kernel", "6.8.0-87-generic"), f'ID={name}\nVERSION_ID="{version}"\n')
    nvidia(make, tree, row)
    amd(make, tree, row)
    if row.get("toolkit"):
        make.toolkit(tree)
    for address, ids, kind in row.get("bridges", ()):
        tree.pci(address, ids, kind, None)
    for path in row.get("nodes", ()):
        tree.node(path, "660", make.RENDER)
    for path, text in row.get("files", {}).items():
        tree.file(path, text)
    for path, digits in row.get("hex", {}).items():
        tree.file(path, "")
        tree.path(path).write_bytes(bytes.fromhex(digits))
    for path, target in row.get("links", {}).items():
        tree.path(path).unlink(missing_ok=True)
        tree.path(path).symlink_to(target)
    gone(tree, row.get("gone", ()))


def nvidia(make: ModuleType, tree: Tree, row: dict[str, Any]) -> None:
    gpus = [gpu for gpu in row.get("gpus", ()) if gpu[1].startswith("10de:")]
    if "nvidia" in row:
        version, flavour = row["nvidia"]
        make.nvidia_driver(tree, version, make.OPEN if flavour == "open" else make.CLOSED)
    for minor, (address, ids, driver, model) in enumerate(gpus):
        if driver == "nvidia":
            make.nvidia_gpu(tree, minor, address, ids.partition(":")[2], model)
        else:
            tree.pci(address, ids, "0300", driver or None)
    if "libraries" in row:
        folder = "/usr/lib/x86_64-linux-gnu"
        for path in list(tree.path(folder).glob("lib*")) if tree.path(folder).exists() else []:
            path.unlink()
        for version in row["libraries"]:
            tree.file(f"{folder}/libcuda.so.{version}", "")


def amd(make: ModuleType, tree: Tree, row: dict[str, Any]) -> None:
    gpus = [gpu for gpu in row.get("gpus", ()) if gpu[1].startswith("1002:")]
    if "amd" in row:
        make.amd_driver(tree, None if row["amd"] == "inbox" else row["amd"])
    targets = row.get("kfd", [])
    for number, (address, ids, driver, _) in enumerate(gpus):
        tree.pci(address, ids, "0300", driver or None)
        if number < len(targets):
            place = {"location_id": int(address[5:7], 16) << 8, "drm_render_minor": 128 + number}
            values = {"simd_count": 64, "gfx_target_version": targets[number], "device_id": int(ids[5:], 16)}
            make.kfd_node(tree, number + 1, values | place, 16 * make.GIB)


def gone(tree: Tree, paths: list[str]) -> None:
    for path in paths:
        tree.path(path).unlink(missing_ok=True)
    listed = tree.path("/dev/.nodes")
    if paths and listed.exists():
        lines = [line for line in listed.read_text().splitlines() if line.split()[0] not in paths]
        listed.write_text("\n".join(lines) + "\n")

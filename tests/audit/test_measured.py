"""The catalogue against what `nox -s measure` found in the wheels, and the measuring itself on made-up bytes."""

import importlib.util
import re
import struct
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from provision.catalogue import load, rows
from provision.model import version_key
from provision.resolve.nvidia import ptx_needed, runs_as_machine_code

HERE = Path(__file__).parent
MEASURED: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "measured.yaml").read_text())
CUDA = {name.partition("==")[2]: found for name, found in MEASURED.items() if name.startswith("tensorflow==")}
ROCM = {name: found for name, found in MEASURED.items() if name.startswith("tensorflow-rocm==")}
ROWS = {row.version: row for row in load().tensorflow}
# What every base of the catalogue has: the C library, libgcc and libstdc++ (apt itself needs those two).
RUNTIME = ("ld-linux-x86-64", "libc", "libdl", "libm", "libpthread", "librt", "libgcc_s", "libstdc++")

GPU_LIBRARIES = {"cublas", "cuda_runtime", "cudnn", "cufft", "cusolver", "cusparse"}


def _measure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure", HERE / "measure.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure"] = module
    spec.loader.exec_module(module)
    return module


measure = _measure()


def code(version: str) -> dict[str, Any]:
    """The GPU code of the library that has most of it."""
    libraries: list[dict[str, Any]] = list(CUDA[version]["libraries"].values())
    return max(libraries, key=lambda one: sum(one.get("fat_binaries", {}).values()))


def capabilities(version: str, kind: str) -> dict[str, int]:
    """How many fat binaries have code, or PTX, for each capability: {"9.0": 249}."""
    found = code(version)["fat_binaries"]
    return {f"{name.split()[1][:-1]}.{name[-1]}": count for name, count in found.items() if name.startswith(kind)}


def ptx_read(version: str, capability: str) -> dict[str, int]:
    """The PTX that a driver reads for a GPU, that of kernels without machine code for it: {"sm_90 8.5": 1149}."""
    found: Counter[str] = Counter()
    libraries: list[dict[str, Any]] = list(CUDA[version]["libraries"].values())
    for name, count in (pair for one in libraries for pair in one.get("together", {}).items()):
        texts = name.split("; ")
        have = [f"{one[:-1]}.{one[-1]}" for one in texts[0].split()[1:]] if texts[0].startswith("code") else []
        if not runs_as_machine_code(capability, tuple(have)):
            found.update({text.removeprefix("ptx "): count for text in texts if text.startswith("ptx")})
    return dict(found)


def test_every_release_was_measured() -> None:
    missing = [f"tensorflow=={version}" for version in set(ROWS) - set(CUDA)]
    assert not missing, f"run: nox -s measure -- {' '.join(missing)}"
    assert set(ROWS) == set(CUDA)
    assert all(row.measured for row in ROWS.values())


@pytest.mark.parametrize("version", CUDA)
def test_the_machine_code_is_what_was_measured(version: str) -> None:
    # A capability counts when nearly every kernel has code for it: 9.0 has a fifth, and those kernels alone run there.
    counts = capabilities(version, "code")
    assert set(ROWS[version].sass) == {name for name, count in counts.items() if count > 0.9 * max(counts.values())}


@pytest.mark.parametrize("version", CUDA)
def test_the_ptx_is_what_was_measured(version: str) -> None:
    assert {one.capability for one in ROWS[version].ptx} == set(capabilities(version, "ptx"))
    many = [name.split(" .version ") for name, count in code(version)["ptx"].items() if count > 100]
    newest = max((isa for _, isa in many), key=version_key)
    specific = any(target.endswith("a") for target, _ in many)
    assert [(one.isa, one.specific) for one in ROWS[version].ptx] == [(newest, specific)]


@pytest.mark.parametrize("version", CUDA)
def test_the_ptx_of_each_gpu_is_what_was_measured(version: str) -> None:
    row = ROWS[version]
    for capability in (one.capability for one in load().nvidia.capabilities if not one.tegra):
        usable = [ptx for ptx in row.ptx if version_key(ptx.capability) <= version_key(capability)]
        if not usable or runs_as_machine_code(capability, row.sass):
            continue  # no kernel runs there, or nearly all are machine code
        read = [name.split() for name in ptx_read(version, capability)]
        assert ptx_needed(capability, usable[0]) == max((isa for _, isa in read), key=version_key), capability
        assert usable[0].specific == any(target.endswith("a") for target, _ in read)


def test_an_a100_and_an_h100_need_no_newer_ptx_than_their_own_kernels() -> None:
    needed = {version: max(ptx_read(version, "8.0"), default="") for version in CUDA if version_key(version) < (2, 16)}
    assert {name.split()[1] for name in needed.values()} == {"7.0", "7.1"}
    assert [max(ptx_read(version, "9.0")).split()[1] for version in ("2.16.2", "2.18.1", "2.21.0")] == [
        "8.0",
        "8.3",
        "8.5",
    ]


@pytest.mark.parametrize("version", CUDA)
def test_the_wheel_was_built_with_what_the_row_says(version: str) -> None:
    info, row = CUDA[version]["build_info"], ROWS[version]
    built = version_key(info["cuda_version"])
    assert version_key(row.cuda)[: len(built)] == built
    assert row.cudnn.split(".")[0] == info["cudnn_version"].split(".")[0]
    named = [f"sm_{one.replace('.', '')}" for one in row.sass]
    assert info["cuda_compute_capabilities"] == [*named, f"compute_{row.ptx[0].capability.replace('.', '')}"]


@pytest.mark.parametrize("version", CUDA)
def test_the_c_library_that_is_needed_is_that_of_the_row(version: str) -> None:
    tag = re.search(r"manylinux_2_(\d+)", CUDA[version]["wheel"])
    assert tag
    assert ROWS[version].glibc == f"2.{tag[1]}" == CUDA[version]["glibc"]


@pytest.mark.parametrize("version", CUDA)
def test_nothing_of_cuda_is_needed_at_start(version: str) -> None:
    # It is loaded by name later; when it cannot be, TensorFlow goes on without the GPU.
    assert {name.split(".so")[0] for name in CUDA[version]["needed"]} <= set(RUNTIME)
    assert "libcuda.so.1" in CUDA[version]["loaded_by_name"]


@pytest.mark.parametrize("version", CUDA)
def test_the_versions_it_was_built_with_are_those_of_the_row(version: str) -> None:
    config = CUDA[version]["cuda_config"]
    assert bool(config) is (version_key(version) >= (2, 12))  # its header is in the wheels from 2.12 on
    if config:
        assert config["cudnn"] == ROWS[version].cudnn.split(".")[0]
        assert version_key(config["cuda"]) == version_key(ROWS[version].cuda)[: len(version_key(config["cuda"]))]


@pytest.mark.parametrize("version", CUDA)
def test_the_folders_that_are_searched_are_filled_by_the_stack(version: str) -> None:
    row = ROWS[version]
    searched: set[str] = set().union(*CUDA[version]["searched"].values())
    assert bool(searched) is row.cuda_wheels
    # 2.20 and 2.21 look for NVSHMEM too, which their own extra and-cuda does not install (PyPI's metadata).
    assert searched - installed(row) <= ({"nvshmem"} if version in {"2.20.0", "2.21.0"} else set())


@pytest.mark.parametrize("version", [version for version in CUDA if ROWS[version].cuda_wheels])
def test_what_the_wheel_does_not_find_by_itself_is_put_on_the_loaders_path(version: str) -> None:
    searched: dict[str, list[str]] = CUDA[version]["searched"]
    # One library opens all that a GPU is registered with; in 2.21 the folder of cuSOLVER is in another's list.
    missing = GPU_LIBRARIES - set(searched["libtensorflow_framework.so.2"])
    missing |= {"nccl"} - set().union(*searched.values())
    assert ROWS[version].links_needed or not missing


def installed(row: rows.TensorFlowRelease) -> set[str]:
    """The folders below site-packages/nvidia that a release's own wheel set fills."""
    packages = next((one.packages for one in load().nvidia.wheels if one.cuda == row.cuda), {})
    return {name.replace("-", "_") for name in packages} | {"cudnn"} | ({"nccl"} if row.nccl else set())


@pytest.mark.parametrize("name", ROCM)
def test_why_nothing_resolves_to_the_rocm_wheel_of_pypi(name: str) -> None:
    libraries: list[dict[str, Any]] = list(ROCM[name]["libraries"].values())
    built = set().union(*(one["offload_bundles"] for one in libraries))
    joined = {text for one in libraries for text in one.get("run_together", ())}
    # It has code for both, and accepts neither: a comma is missing between their names.
    assert {"gfx1030", "gfx1100"} <= built
    assert joined == {"gfx1030gfx1100"}
    wheels = [build.wheel for build in load().amd.builds if build.wheel]
    assert all(wheel.indexes or wheel.find_links for wheel in wheels)
    assert name not in {package for wheel in wheels for package in wheel.packages}


def padded(code: bytes) -> int:
    return -(-len(code) // 8) * 8


def fat_binary(*entries: tuple[int, int, bytes, int]) -> bytes:
    """A fat binary of (kind, capability, code, size unpacked)."""
    body = b"".join(
        struct.pack("<HHIQIIIIIIQQQ", kind, 257, 64, padded(code), len(code), 0, 0, capability, 64, 0, 0, 0, unpacked)
        + code.ljust(padded(code), b"\0")
        for kind, capability, code, unpacked in entries
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


PTX = b"//\n.version 8.5\n.target sm_90a\n.address_size 64\n"


def test_code_and_ptx_of_a_fat_binary_are_told_apart() -> None:
    library = b"\0" * 7 + fat_binary((2, 80, b"cubin", 0), (1, 90, PTX, 0)) + b"x" + fat_binary((2, 80, b"cubin", 0))
    assert measure.nvidia_code(library) == {
        "fat_binaries": {"code 80": 2, "ptx 90": 1},
        "ptx": {"sm_90a .version 8.5": 1},
        "together": {"code 80": 1, "code 80; ptx sm_90a 8.5": 1},
    }


def test_code_that_was_linked_before_is_not_counted() -> None:
    library = fat_binary((1, 90, PTX, 0)) + fat_binary((2, 90, b"cubin", 0))
    first = range(len(library) // 2)
    assert measure.nvidia_code(library, first)["together"] == {"code 90": 1}


def test_packed_ptx_is_unpacked() -> None:
    # LZ4: 40 literals, then "version" from 38 bytes back; the block ends in the middle, as the beginning of one does.
    packed = bytes([0xF3, len(PTX) - 15]) + PTX + b"\x26\x00"
    assert measure.lz4_head(packed) == PTX + PTX[-38:-31]
    assert measure.nvidia_code(fat_binary((1, 90, packed, 400)))["ptx"] == {"sm_90a .version 8.5": 1}


def test_ptx_that_cannot_be_read_is_not_guessed() -> None:
    assert measure.nvidia_code(fat_binary((1, 90, b"\x0f\xff\x17\x2a", 400)))["ptx"] == {"not readable": 1}


def test_a_magic_number_by_chance_is_no_fat_binary() -> None:
    assert measure.nvidia_code(b"....." + struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 1 << 40) + b"end") == {}


def test_targets_of_an_offload_bundle() -> None:
    names = [b"host-x86_64-unknown-linux--", b"hipv4-amdgcn-amd-amdhsa--gfx90a", b"hipv4-amdgcn-amd-amdhsa--gfx1100"]
    listed = b"".join(struct.pack("<QQQ", 0, 0, len(name)) + name for name in names)
    library = b"\0gfx906\0gfx1030gfx1100\0__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(names)) + listed
    assert measure.amd_code(library) == {
        "offload_bundles": {"gfx1100": 1, "gfx90a": 1},
        "run_together": ["gfx1030gfx1100"],
    }


def test_the_newest_symbol_version_is_compared_as_numbers() -> None:
    assert measure.newest(["GLIBC_2.9", "GLIBC_2.17", "GLIBC_PRIVATE", "GLIBCXX_3.4.30"], "GLIBC") == "2.17"

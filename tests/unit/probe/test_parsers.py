"""The pure readers: the texts of the facts, and that no text makes them raise."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.model import DeviceNode
from provision.probe import amd_parsers, cdi, nvidia_parsers, parsers

CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.07  Fri May 31 09:35:42 UTC 2024\n"
OPEN = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  "
    "(dvs-builder@U22-I3-B17-02-5)  Tue Sep 23 09:55:41 UTC 2025\nGCC version:  Selected multilib: .;@m64\n"
)
READERS: list[Callable[[str], object]] = [
    parsers.parse_pci,
    parsers.parse_hex_id,
    parsers.parse_pairs,
    parsers.parse_nodes,
    parsers.parse_os_release,
    parsers.parse_tool_version,
    nvidia_parsers.parse_module_version,
    nvidia_parsers.parse_version,
    nvidia_parsers.parse_library_version,
    nvidia_parsers.parse_gpu_information,
    nvidia_parsers.parse_minor,
    nvidia_parsers.parse_smi_table,
    nvidia_parsers.parse_smi_list,
    nvidia_parsers.parse_smi_health,
    amd_parsers.parse_properties,
    amd_parsers.parse_marketing_names,
    cdi.parse_spec,
]
# Words that lead a reader deeper than letters at random would.
WORDS = [CLOSED, OPEN, "Kernel Module  ", "GPU UUID: ", "Device Minor: ", "DeviceFileMinor: ", "ID=", "MIG 1g", "0x"]
WORDS += ["/dev/kfd 660 109", "simd_count ", "744C,\tC8,\t", "kind: a/b\n", "devices:\n- name: ", "!!int x", "? ", "{"]
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(WORDS)), max_size=8).map("".join)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: str(reader.__name__))
def test_no_text_makes_a_reader_raise(reader: Callable[[str], object]) -> None:
    @given(TEXTS)
    def reads(given_text: str) -> None:
        reader(given_text)

    reads()


@pytest.mark.parametrize(
    ("given_text", "version", "flavour", "machine"),
    [
        (CLOSED, "550.90.07", "proprietary", None),
        (OPEN, "580.95.05", "open", "x86_64"),
        (OPEN.replace("x86_64", "aarch64"), "580.95.05", "open", "aarch64"),
        (CLOSED.replace("550.90.07", "565.77"), "565.77", "proprietary", None),
    ],
)
def test_module_version(given_text: str, version: str, flavour: str, machine: str | None) -> None:
    module = nvidia_parsers.parse_module_version(given_text)
    assert module
    assert (module.version, module.flavour, module.machine) == (version, flavour, machine)


def test_module_version_of_another_text() -> None:
    assert nvidia_parsers.parse_module_version("NVRM version: unknown") is None


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libcuda.so.580.95.05", "580.95.05"),
        ("libnvidia-ml.so.565.77", "565.77"),
        ("libcuda.so.1", None),
        ("libcudart.so.12.4", None),
    ],
)
def test_library_version(name: str, version: str | None) -> None:
    assert nvidia_parsers.parse_library_version(name) == version


def test_a_uuid_of_question_marks_is_none() -> None:
    told = nvidia_parsers.parse_gpu_information(
        "Model: \t T4\nGPU UUID: \t GPU-????????-????-????-????-????????????\nBus Location: \t 0000:00:1E.0\n"
    )
    assert (told.model, told.uuid, told.pci, told.minor) == ("T4", None, "0000:00:1e.0", None)


def test_smi_table() -> None:
    (gpu,) = nvidia_parsers.parse_smi_table(
        "GPU-0f1e, NVIDIA H100 80GB HBM3, 00000000:17:00.0, 580.95.05, 81559, 9.0\nnot a row\n"
    )
    assert gpu == nvidia_parsers.ReportedGpu(
        uuid="GPU-0f1e",
        name="NVIDIA H100 80GB HBM3",
        pci="0000:17:00.0",
        driver="580.95.05",
        memory_bytes=81559 * 2**20,
        capability="9.0",
    )


def test_smi_fields_that_are_not_available_are_none() -> None:
    (gpu,) = nvidia_parsers.parse_smi_table("[N/A], GB10, 0000000F:01:00.0, 580.95.05, [N/A], [Not Supported]\n")
    assert (gpu.uuid, gpu.memory_bytes, gpu.capability, gpu.pci) == (None, None, None, "000f:01:00.0")


def test_smi_list() -> None:
    listed = nvidia_parsers.parse_smi_list(
        "  MIG 9g.90gb Device 0: (UUID: MIG-00)\n"
        "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0f1e)\n"
        "  MIG 1g.10gb     Device  0: (UUID: MIG-aa11)\n"
        "  MIG 2g.20gb     Device  1: (UUID: MIG-bb22)\n"
        "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2a2b)\n"
    )
    assert {uuid: [piece.profile for piece in pieces] for uuid, pieces in listed.items()} == {
        "GPU-0f1e": ["1g.10gb", "2g.20gb"]
    }


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (0, None),
        (90000, "gfx900"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (90500, "gfx950"),
        (90012, "gfx90c"),
        (100300, "gfx1030"),
        (110000, "gfx1100"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
    ],
)
def test_gfx_name(version: int, name: str | None) -> None:
    assert amd_parsers.gfx_name(version) == name


def test_address_of_the_partition_in_the_facts() -> None:
    assert amd_parsers.pci_address({"location_id": 58630, "domain": 0}) == "0000:e5:00.6"
    assert amd_parsers.pci_address({"location_id": 0x1D8, "domain": 2}) == "0002:01:1b.0"


def test_uuid_is_sixteen_hex_digits() -> None:
    assert amd_parsers.device_uuid({"unique_id": 15931900197903628278}) == "GPU-dd197ad1b50577f6"
    assert amd_parsers.device_uuid({"unique_id": 0xA}) == "GPU-000000000000000a"
    assert amd_parsers.device_uuid({}) is None


def test_vram_leaves_system_memory_out() -> None:
    banks = [{"heap_type": heap, "size_in_bytes": 10**heap} for heap in (0, 1, 2, 3)]
    assert amd_parsers.vram_bytes(banks) == 110
    assert amd_parsers.vram_bytes(banks[:1]) is None


@pytest.mark.parametrize(
    ("mode", "siblings", "architecture", "xcc", "name"),
    [
        ("SPX", 1, "gfx942", 8, None),
        ("CPX", 8, "gfx942", 1, "CPX"),
        ("DPX", 2, "gfx950", 4, "DPX"),
        (None, 8, "gfx942", 1, "CPX"),
        (None, 2, "gfx942", 4, "DPX"),
        (None, 4, "gfx942", 2, "QPX"),
        (None, 1, "gfx942", 1, "CPX"),
        (None, 1, "gfx942", 8, None),
        (None, 1, "gfx90a", 1, None),
        ("nonsense", 1, "gfx1100", 1, None),
    ],
)
def test_partition_name(mode: str | None, siblings: int, architecture: str, xcc: int, name: str | None) -> None:
    assert amd_parsers.partition_name(mode, siblings, architecture, xcc) == name


def test_nodes_of_a_tree() -> None:
    nodes = parsers.parse_nodes("/dev/kfd 660 109\nnot a node\n/dev/x 999 1\n")
    assert nodes == {"/dev/kfd": DeviceNode(path="/dev/kfd", mode=0o660, gid=109)}


@pytest.mark.parametrize(
    ("given_text", "name"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "ubuntu 24.04"),
        ("NAME='Arch Linux'\nID=arch\n", "arch"),
        ('VERSION_ID="9"\n', None),
    ],
)
def test_os_release(given_text: str, name: str | None) -> None:
    assert parsers.parse_os_release(given_text) == name


def test_cdi_in_both_forms() -> None:
    document = {"cdiVersion": "0.6.0", "kind": "amd.com/gpu", "devices": [{"name": "0"}, {"name": "all"}, {}, 3]}
    assert cdi.parse_spec(json.dumps(document)) == ("amd.com/gpu=0", "amd.com/gpu=all")
    yaml = "cdiVersion: 0.7.0\nkind: nvidia.com/gpu\ndevices:\n- name: '0:0'\n- name: MIG-aa11\n- name: 7\n"
    assert cdi.parse_spec(yaml) == ("nvidia.com/gpu=0:0", "nvidia.com/gpu=MIG-aa11")


@pytest.mark.parametrize(
    "bad", ["", "{", "[]", "kind: a/b\ndevices: 3", "kind: nogroup\ndevices: [{name: a}]", "[" * 9999]
)
def test_no_cdi_specification(bad: str) -> None:
    assert cdi.parse_spec(bad) == ()


def test_version_of_a_tool() -> None:
    printed = "NVIDIA Container Toolkit CLI version 1.17.8\ncommit: f202b80a9b9d\n"
    assert parsers.parse_tool_version(printed) == "1.17.8"

"""Hosts of people: which GPUs are usable, what is said of the others, and what mends it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from trees import DATA, REAL, build, make, script

from provision.model import VENDORS, Finding, Host, Severity, encode
from provision.model.selection import number, select
from provision.probe import Lookups, probe_files
from provision.probe.parsers import parse_name

PAGE = 4096


LOOKUPS: Lookups = script(DATA / "hosts" / "print_hosts.py").lookups()


def tree(folder: Path, name: str) -> Path:
    """Write a tree of any table."""
    return build(folder / name, name)


def about(host: Host, code: str) -> Finding:
    (finding,) = (finding for finding in host.findings if finding.code == code)
    return finding


@pytest.mark.parametrize("name", REAL)
def test_the_usable_gpus_and_what_is_said_of_the_others(kept_tree: Callable[[str], Path], name: str) -> None:
    right = REAL[name]
    host = probe_files(kept_tree(name), LOOKUPS)
    usable = [gpu.pci or "" for gpu in host.gpus if gpu.usable]
    assert sorted(usable) == sorted((*right.usable, *right.left_out))
    assert {gpu.pci for gpu in host.gpus if gpu.usable and gpu.integrated} >= set(right.left_out)
    chosen = [gpu.pci or "" for maker in ("nvidia", "amd") for gpu in host.chosen_of(maker)]
    assert sorted(chosen) == sorted(right.usable)
    if right.code:
        finding = about(host, right.code)
        assert [word for word in right.said if word not in finding.text] == []
        assert [word for word in right.fix if word not in finding.fix] == []
        assert right.severity in {"", finding.severity}
    for gpu in host.gpus:
        assert gpu.usable is not (right.code in gpu.unusable and bool(gpu.unusable))


@pytest.mark.parametrize("name", REAL)
def test_an_error_is_told_where_no_gpu_is_usable_and_only_there(kept_tree: Callable[[str], Path], name: str) -> None:
    host = probe_files(kept_tree(name), LOOKUPS)
    errors = [finding for finding in host.findings if finding.severity is Severity.ERROR]
    assert bool(errors) is not any(gpu.usable for gpu in host.gpus)


@pytest.mark.parametrize("name", REAL)
def test_loading_a_module_that_is_loaded_is_never_the_mend(kept_tree: Callable[[str], Path], name: str) -> None:
    host = probe_files(kept_tree(name), LOOKUPS)
    for driver in host.drivers:
        module = f"modprobe {VENDORS[driver.vendor].row.kernel_driver}"
        assert not [finding for finding in host.findings if module in finding.fix]


@pytest.mark.parametrize("name", [*make.TREES, *REAL])
def test_a_capture_padded_with_nuls_reads_the_same(tmp_path: Path, name: str) -> None:
    """GNU tar fills the kernel's files up to the page that they claim."""
    root = tree(tmp_path, name)
    plain = encode(probe_files(root, LOOKUPS))
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < PAGE:
            path.write_bytes(path.read_bytes().ljust(PAGE, b"\0"))
    assert encode(probe_files(root, LOOKUPS)) == plain


@pytest.mark.parametrize("text", ["\n" + "\0" * 4095, "\0" * 4096, "", "\x1b[31mred", "\n", "A\x07B"])
def test_what_no_screen_shows_is_no_name(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, "mi210")
    (root / "sys/bus/pci/devices/0000:63:00.0/product_name").write_text(text)
    assert probe_files(root, LOOKUPS).gpus[0].name is None
    assert parse_name(text) is None


@pytest.mark.parametrize(
    ("text", "version", "release"),
    [
        ("6.19.14.31400000", "6.19.14", "31.40"),
        ("7.1.3.31500000", "7.1.3", "31.50"),
        ("6.19.4.31300000", "6.19.4", "31.30"),
        ("6.19.0.31200000", "6.19.0", "31.20"),
        ("6.16.13.30300400", "6.16.13", "30.30"),
        ("6.12.12.60403", "6.12.12", "6.4"),
        ("6.2.4.50700", "6.2.4", "5.7"),
        ("6.16.13", "6.16.13", "30.30"),
        ("6.16.13.1", "6.16.13", "30.30"),
    ],
)
def test_the_release_of_amdgpu(tmp_path: Path, text: str, version: str, release: str) -> None:
    root = tree(tmp_path, "mi210")
    (root / "sys/module/amdgpu/version").write_text(f"{text}\n")
    host = probe_files(root, LOOKUPS)
    assert (host.drivers[0].version, host.drivers[0].release) == (version, release)
    assert "KGE-108" not in [finding.code for finding in host.findings]


@pytest.mark.parametrize(("text", "version"), [("unknown", None), ("6.x.1", "6")])
def test_a_version_that_is_none(tmp_path: Path, text: str, version: str | None) -> None:
    """The kernel's own module has no such file: this is a driver that was built, of a version that is not known."""
    root = tree(tmp_path, "mi210")
    (root / "sys/module/amdgpu/version").write_text(f"{text}\n")
    host = probe_files(root, LOOKUPS)
    assert (host.drivers[0].flavour, host.drivers[0].version) == ("dkms", version)
    assert "KGE-108" in [finding.code for finding in host.findings]


def test_an_empty_version_is_that_of_the_kernel_s_own_driver(tmp_path: Path) -> None:
    root = tree(tmp_path, "mi210")
    (root / "sys/module/amdgpu/version").write_text("\n")
    assert probe_files(root, LOOKUPS).drivers[0].flavour == "inbox"


def test_rocr_counts_in_the_order_of_kfd_nodes(tmp_path: Path) -> None:
    """As on a node of eight MI210 in ROCm/k8s-device-plugin's test data, of which none has the number of its place."""
    made = make.Tree(tmp_path)
    make.amd_driver(made, "6.16.13")
    for bus in (0xE3, 0xC3, 0x03, 0x26):
        make.amd_card(made, bus, 0x740F, {"simd_count": 416, "gfx_target_version": 90010}, 64 * 2**30)
    host = probe_files(tmp_path, LOOKUPS)
    assert [gpu.pci for gpu in host.gpus] == ["0000:03:00.0", "0000:26:00.0", "0000:c3:00.0", "0000:e3:00.0"]
    assert [gpu.kfd_node for gpu in host.gpus] == [3, 4, 2, 1]
    assert [number(host, gpu) for gpu in host.gpus] == [2, 3, 1, 0]


def test_partitions_share_the_cards_unique_id(tmp_path: Path) -> None:
    host = probe_files(tree(tmp_path, "mi300x-cpx"), LOOKUPS)
    assert len({gpu.uuid for gpu in host.gpus}) == len({gpu.pci for gpu in host.gpus})
    assert len({gpu.kfd_node for gpu in host.gpus}) == len(host.gpus)
    assert len(select(host, "amd", host.gpus[0].uuid or "")) == len(host.gpus) // 2


def test_only_architectures_with_partitions_have_them(tmp_path: Path) -> None:
    """Two Vega 10 at one location, as a test tree of AMD's device plugin tells, are no DPX."""
    made = make.Tree(tmp_path)
    make.amd_driver(made, None)
    made.pci("0000:19:00.0", "1002:6860", "0380", "amdgpu")
    for node in (1, 2):
        values = {"device_id": 0x6860, "location_id": 0x1900, "drm_render_minor": 127 + node, "simd_count": 256}
        make.kfd_node(made, node, values, 2**34)
    gpus = probe_files(tmp_path, LOOKUPS).gpus
    assert [(gpu.partition, gpu.architecture) for gpu in gpus] == [(None, "gfx900")] * 2


def test_mi300a_has_cpu_cores_and_is_no_integrated_gpu(tmp_path: Path) -> None:
    made = make.Tree(tmp_path)
    make.amd_driver(made, "6.12.12")
    values = {"cpu_cores_count": 24, "simd_count": 912, "num_xcc": 6, "gfx_target_version": 90402}
    make.amd_card(made, 1, 0x74A0, values, 2**37)
    assert [gpu.integrated for gpu in probe_files(tmp_path, LOOKUPS).gpus] == [False]


def test_a_gpu_of_no_row_is_not_refused(tmp_path: Path) -> None:
    """What the tables do not know is not thereby impossible."""
    made = make.Tree(tmp_path)
    make.nvidia_driver(made, "999.10", make.OPEN)
    make.nvidia_gpu(made, 0, "0000:01:00.0", "ffff", "NVIDIA Next")
    assert [gpu.usable for gpu in probe_files(tmp_path, Lookups()).gpus] == [True]
    assert [(gpu.usable, gpu.device_id) for gpu in probe_files(tmp_path, LOOKUPS).gpus] == [(True, "ffff")]


def test_a_virtual_function_of_a_vgpu_host(tmp_path: Path) -> None:
    made = make.Tree(tmp_path)
    make.nvidia_driver(made, "580.95.05", make.OPEN)
    make.nvidia_gpu(made, 0, "0000:17:00.0", "2330", "NVIDIA H100 80GB HBM3")
    folder = made.pci("0000:17:00.4", "10de:2330", "0302", "nvidia")
    (tmp_path / folder.lstrip("/") / "physfn").symlink_to("../0000:17:00.0")
    host = probe_files(tmp_path, LOOKUPS)
    assert [gpu.usable for gpu in host.gpus] == [True, False]
    finding = about(host, "KGE-102")
    assert "virtual function of 0000:17:00.0" in finding.text
    assert finding.severity is Severity.INFO

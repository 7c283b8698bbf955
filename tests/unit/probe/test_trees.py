"""Each captured-style tree gives the host file that is committed for it."""

import os
import shutil
from pathlib import Path

import pytest
from trees import make as trees
from trees import script

from provision.cli.formatting.host import describe
from provision.errors import Exit, InputError
from provision.model import Gpu, Host, decode, encode
from provision.probe import Lookups, probe_files, probe_host

HOSTS = Path(__file__).parents[2] / "data" / "hosts"


hosts = script(HOSTS / "print_hosts.py")
LOOKUPS: Lookups = hosts.lookups()


def tree(folder: Path, name: str) -> Path:
    trees.make(folder, [name])
    return folder / name


def probe(folder: Path, name: str) -> Host:
    return probe_files(tree(folder, name), LOOKUPS)


def codes(host: Host) -> list[str]:
    return [finding.code for finding in host.findings]


@pytest.mark.parametrize("name", trees.TREES)
def test_host_file_is_what_the_tree_gives(name: str) -> None:
    path = HOSTS / f"{name}.json"
    assert path.read_text() == hosts.host_json(name), (
        f"{path.name} differs; if that is meant: python tests/data/hosts/print_hosts.py {name}"
    )


@pytest.mark.parametrize("path", sorted(HOSTS.glob("*.json")), ids=lambda path: path.stem)
def test_host_files_read_and_print_the_same(path: Path) -> None:
    assert encode(decode(path.read_text(), Host)) + "\n" == path.read_text()


@pytest.mark.parametrize(
    ("name", "driver", "architectures"),
    [
        ("geforce-rtx4090", ("550.144.03", None, "proprietary"), ["sm_89"]),
        ("h100", ("580.95.05", None, "open"), ["sm_90"]),
        ("v100-old-driver", ("470.82.01", None, "proprietary"), ["sm_70"]),
        ("mi300x-spx", ("6.16.13", "30.30", "dkms"), ["gfx942"] * 8),
        ("mi210", ("6.12.12", "6.4", "dkms"), ["gfx90a"]),
        ("mi100", ("6.16.13", "30.30", "dkms"), ["gfx908"]),
        ("radeon-7900xtx", ("6.16.13", "30.30", "dkms"), ["gfx1100"]),
        ("strix-halo-inbox", (None, None, "inbox"), ["gfx1151"]),
    ],
)
def test_driver_and_architecture(
    tmp_path: Path, name: str, driver: tuple[str | None, ...], architectures: list[str]
) -> None:
    host = probe(tmp_path, name)
    assert [(d.version, d.release, d.flavour) for d in host.drivers] == [driver]
    assert [gpu.architecture for gpu in host.gpus] == architectures


def test_mig_slices_stand_for_the_gpu(tmp_path: Path) -> None:
    gpus = probe(tmp_path, "h100-mig").gpus
    assert [gpu.partition for gpu in gpus] == ["gi9/ci0", "gi10/ci0"]
    assert [node.path for node in gpus[0].nodes] == [
        "/dev/nvidia0",
        "/dev/nvidia-caps/nvidia-cap84",
        "/dev/nvidia-caps/nvidia-cap85",
    ]


def test_cpx_partitions_have_own_nodes_but_one_address_and_unique_id(tmp_path: Path) -> None:
    """The second card's mode file is empty: the name follows from the number of its KFD nodes."""
    gpus = probe(tmp_path, "mi300x-cpx").gpus
    assert [gpu.pci for gpu in gpus] == ["0000:e5:00.0"] * 8 + ["0000:f5:00.0"] * 8
    assert {gpu.partition for gpu in gpus} == {"CPX"}
    assert len({gpu.uuid for gpu in gpus}) == 2
    assert len({gpu.kfd_node for gpu in gpus}) == 16
    assert gpus[7].nodes[0].path == "/dev/dri/renderD135"
    assert gpus[7].memory_bytes == 24 * 2**30


def test_amd_nodes_have_the_hosts_numeric_group(tmp_path: Path) -> None:
    host = probe(tmp_path, "mi300x-spx")
    assert [(node.path, node.gid, node.mode) for node in host.nodes] == [("/dev/kfd", 109, 0o660)]
    assert host.gpus[0].nodes[0].gid == 109


def test_only_the_apu_is_integrated(tmp_path: Path) -> None:
    assert [gpu.integrated for gpu in probe(tmp_path, "mixed-amd-igpu-nvidia-dgpu").gpus] == [False, True]
    assert not probe(tmp_path, "radeon-7900xtx").gpus[0].integrated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", ["KGE-101"]),
        ("driver-not-loaded", ["KGE-102", "KGE-115"]),
        ("amd-not-loaded", ["KGE-103"]),
        ("strix-halo-inbox", ["KGE-107"]),
        ("wsl2", ["KGE-109", "KGE-115"]),
        ("h100", []),
        ("mi300x-spx", []),
    ],
)
def test_findings(tmp_path: Path, name: str, expected: list[str]) -> None:
    assert codes(probe(tmp_path, name)) == expected


@pytest.mark.parametrize("driver", ["nouveau", "vfio-pci", None])
def test_a_driver_that_is_not_loaded_names_what_holds_the_gpu(tmp_path: Path, driver: str | None) -> None:
    made = trees.Tree(tmp_path)
    made.pci("0000:65:00.0", "10de:2204", "0300", driver)
    text = probe_files(tmp_path, LOOKUPS).findings[0].text
    assert (driver or "no driver") in text
    assert "0000:65:00.0" in text


def test_library_of_another_version(tmp_path: Path) -> None:
    root = tree(tmp_path, "h100")
    for path in (root / "usr/lib/x86_64-linux-gnu").iterdir():
        path.rename(path.with_name(path.name.replace("580.95.05", "580.105.08")))
    (finding,) = probe_files(root, LOOKUPS).findings
    assert finding.code == "KGE-106"
    assert "580.95.05" in finding.text
    assert "580.105.08" in finding.text


def test_open_module_on_a_gpu_before_turing(tmp_path: Path) -> None:
    made = trees.Tree(tmp_path)
    trees.nvidia_driver(made, "580.95.05", trees.OPEN)
    trees.nvidia_gpu(made, 0, "0000:3b:00.0", "1db6", "Tesla V100-PCIE-32GB")
    trees.toolkit(made)
    assert codes(probe_files(tmp_path, LOOKUPS)) == ["KGE-111"]


def test_amdgpu_version_that_the_table_lacks(tmp_path: Path) -> None:
    host = probe_files(tree(tmp_path, "mi210"), Lookups())
    assert host.drivers[0].release is None
    assert codes(host) == ["KGE-108"]


def test_amd_gpu_without_a_kfd_node(tmp_path: Path) -> None:
    root = tree(tmp_path, "radeon-7900xtx")
    (root / "sys/class/kfd/kfd/topology/nodes/1/properties").write_text("")
    host = probe_files(root, LOOKUPS)
    assert codes(host) == ["KGE-112"]
    assert host.gpus[0].kernel_driver == "amdgpu"
    assert (host.gpus[0].architecture, host.gpus[0].usable) == ("gfx1100", False)


def test_old_kernel_without_a_target(tmp_path: Path) -> None:
    """The values of a Vega 10 in ROCm/k8s-device-plugin's testdata, which has neither domain nor target."""
    root = tree(tmp_path, "radeon-7900xtx")
    text = "cpu_cores_count 0\nsimd_count 256\nlocation_id 768\ndrm_render_minor 128\nlocal_mem_size 17163091968\n"
    node = root / "sys/class/kfd/kfd/topology/nodes/1"
    (node / "properties").write_text(text)
    (node / "mem_banks/0/properties").unlink()
    host = probe_files(root, LOOKUPS)
    assert codes(host) == ["KGE-116"]
    assert (host.gpus[0].pci, host.gpus[0].memory_bytes) == ("0000:03:00.0", 17163091968)


def test_missing_nodes(tmp_path: Path) -> None:
    root = tree(tmp_path, "mixed-amd-igpu-nvidia-dgpu")
    (root / "dev/.nodes").unlink()
    for path in (root / "dev").rglob("*"):
        if path.is_file():
            path.unlink()
    texts = [finding.text for finding in probe_files(root, LOOKUPS).findings if finding.code == "KGE-113"]
    assert [text.split()[3] for text in texts] == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/kfd"]


def test_tegra(tmp_path: Path) -> None:
    made = trees.Tree(tmp_path)
    made.file("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.3\n")
    assert codes(probe_files(tmp_path, LOOKUPS)) == ["KGE-110"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("proc/driver/nvidia/version", "Is a directory"), ("etc/os-release", "Is a directory")],
)
def test_an_unreadable_file_is_named_and_the_rest_goes_on(tmp_path: Path, path: str, reason: str) -> None:
    """A directory in a file's place cannot be read even by root, who runs tests in containers."""
    root = tree(tmp_path, "h100")
    (root / path).unlink()
    (root / path).mkdir()
    host = probe_files(root, LOOKUPS)
    assert [(f.code, f.text) for f in host.findings] == [("KGE-104", f"/{path} could not be read: {reason}.")]
    assert host.gpus[0].name == "NVIDIA H100 80GB HBM3"
    assert host.drivers[0].version == "580.95.05"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    root = tree(tmp_path, "h100")
    (root / "proc/driver/nvidia/version").chmod(0)
    assert "Permission denied" in probe_files(root, LOOKUPS).findings[0].text


def test_a_bus_that_cannot_be_read_is_not_called_empty(tmp_path: Path) -> None:
    root = tree(tmp_path, "none")
    bus = root / "sys/bus/pci/devices"
    bus.rename(bus.with_name("moved"))
    bus.symlink_to("devices")  # a loop
    assert codes(probe_files(root, LOOKUPS)) == ["KGE-117", "KGE-104"]


def test_a_tree_without_sys_is_not_called_one_without_gpu(tmp_path: Path) -> None:
    root = tree(tmp_path, "none")
    shutil.rmtree(root / "sys")
    host = probe_files(root, LOOKUPS)
    assert codes(host) == ["KGE-117"]
    assert describe(host)[0] == "GPU       not known"


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_a_root_that_is_no_host(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        probe_host(Lookups(), tmp_path / name)
    assert caught.value.code == "KGE-119"
    assert caught.value.exit_code is Exit.INPUT


def test_links_do_not_lead_out_of_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "os-release"
    outside.write_text("ID=outside\n")
    root = tree(tmp_path, "none")
    release = root / "etc/os-release"
    release.unlink()
    release.symlink_to(outside)
    assert probe_files(root, LOOKUPS).distribution is None
    release.unlink()
    release.symlink_to("../../../../os-release")
    (root / "os-release").write_text("ID=inside\n")
    assert probe_files(root, LOOKUPS).distribution == "inside"
    release.unlink()
    release.symlink_to("/os-release")
    assert probe_files(root, LOOKUPS).distribution == "inside"


def test_a_pipe_in_a_tree_does_not_block(tmp_path: Path) -> None:
    root = tree(tmp_path, "none")
    (root / "etc/os-release").unlink()
    os.mkfifo(root / "etc/os-release")
    assert probe_files(root, LOOKUPS).distribution is None


def test_a_host_file_of_an_older_kgpu_env_has_usable_gpus() -> None:
    host = decode('{"schema": "kgpu-env/host/1", "gpus": [{"vendor": "nvidia", "pci": "0000:17:00.0"}]}', Host)
    assert host.usable_of("nvidia") == host.gpus


def test_wsl_says_nothing_of_number_and_name(tmp_path: Path) -> None:
    host = probe(tmp_path, "wsl2")
    assert host.wsl
    assert host.drivers[0].flavour == "wsl"
    assert host.gpus == (Gpu(vendor="nvidia", nodes=host.nodes),)


def test_wsl_without_dxg(tmp_path: Path) -> None:
    root = tree(tmp_path, "wsl2")
    (root / "dev/.nodes").unlink()
    (root / "dev/dxg").unlink(missing_ok=True)
    host = probe_files(root, LOOKUPS)
    assert (codes(host), host.gpus) == (["KGE-109", "KGE-118"], ())


def test_architecture_of_a_tree(tmp_path: Path) -> None:
    made = trees.Tree(tmp_path)
    assert probe_files(tmp_path, LOOKUPS).architecture == "x86_64"
    trees.nvidia_driver(made, "580.95.05", trees.OPEN.replace("x86_64", "aarch64"))
    assert probe_files(tmp_path, LOOKUPS).architecture == "aarch64"
    made.file("/proc/sys/kernel/arch", "riscv64\n")
    assert probe_files(tmp_path, LOOKUPS).architecture == "riscv64"

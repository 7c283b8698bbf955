"""Which AMD GPU is below WSL2: what rocminfo and Windows tell, and what nobody does. Texts as they were seen."""

from pathlib import Path

import pytest
from trees import make as trees
from trees import script

from provision.doctor.commands import check, commands
from provision.model import Gpu, Host
from provision.probe import amd_wsl, probe_files
from provision.probe.lookups import Lookups
from provision.records.record import host_key

LOOKUPS: Lookups = script(Path(__file__).parents[2] / "data" / "hosts" / "print_hosts.py").lookups()
AGENTS = """\
WSL environment detected.
=====================
HSA System Attributes
=====================
Runtime Version:         1.18
==========
HSA Agents
==========
*******
Agent 1
*******
  Name:                    AMD Ryzen 7 9800X3D 8-Core Processor
  Uuid:                    CPU-XX
  Marketing Name:          AMD Ryzen 7 9800X3D 8-Core Processor
  Vendor Name:             CPU
  Chip ID:                 0(0x0)
*******
Agent 2
*******
  Name:                    gfx1201
  Uuid:                    GPU-XX
  Marketing Name:          AMD Radeon RX 9070 XT
  Vendor Name:             AMD
  Device Type:             GPU
  Chip ID:                 30032(0x7550)
  BDFID:                   768
  ISA Info:
    ISA 1
      Name:                    amdgcn-amd-amdhsa--gfx1201
"""
LISTED = (
    "PCI\\VEN_1002&DEV_164E&SUBSYS_88771043&REV_C4\\4&2283F625&0&0041|32.0.21045.1000|AMD Radeon(TM) Graphics\r\n"
    "PCI\\VEN_1002&DEV_744C&SUBSYS_0E3B1002&REV_C8\\6&36F2C9D7&0&00000019|32.0.31035.1003|AMD Radeon RX 7900 XTX\r\n"
    "ROOT\\BASICDISPLAY\\0000|10.0.26100.1|Microsoft Basic Display Adapter\r\n"
)


def wsl2(folder: Path, library: str = "/opt/rocm/lib/librocdxg.so") -> Host:
    trees.make(folder, ["wsl2-amd"])
    root = folder / "wsl2-amd"
    if not library:
        (root / "opt/rocm/lib/librocdxg.so").unlink()
    return probe_files(root, LOOKUPS)


def told(host: Host) -> list[tuple[str | None, str | None, bool]]:
    return [(gpu.name, gpu.architecture, gpu.integrated) for gpu in host.gpus]


def test_rocminfo_tells_the_gpu_that_librocdxg_takes(tmp_path: Path) -> None:
    host = amd_wsl.merge(wsl2(tmp_path), LOOKUPS, AGENTS, LISTED)
    assert told(host) == [("AMD Radeon RX 9070 XT", "gfx1201", False)]
    assert (host.gpus[0].device_id, host.gpus[0].nodes) == ("7550", host.nodes)
    assert host.gpus[0].uuid is None  # "GPU-XX" is none
    assert (host.drivers[0].flavour, host.drivers[0].version) == ("wsl", None)  # Windows lists other GPUs' alone


def test_windows_tells_it_where_rocm_is_not_installed(tmp_path: Path) -> None:
    host = amd_wsl.merge(wsl2(tmp_path), LOOKUPS, "", LISTED)
    assert told(host) == [("AMD Radeon(TM) Graphics", "gfx1036", True), ("AMD Radeon RX 7900 XTX", "gfx1100", False)]
    assert host.drivers[0].version == "32.0.31035.1003"  # the card's


def test_a_device_that_the_catalogue_lacks_has_no_architecture(tmp_path: Path) -> None:
    line = "PCI\\VEN_1002&DEV_FFFE&REV_00\\1|32.0.1.1|AMD Radeon Graphics"
    host = amd_wsl.merge(wsl2(tmp_path), LOOKUPS, "", line)
    assert told(host) == [("AMD Radeon Graphics", None, False)]


@pytest.mark.parametrize("text", ["", "Access is denied.", "ROOT\\BASICDISPLAY\\0000|1.0|Microsoft"])
def test_nothing_told_is_not_known(text: str, tmp_path: Path) -> None:
    host = wsl2(tmp_path)
    assert amd_wsl.merge(host, LOOKUPS, "hsa api call failure", text) == host
    assert host.gpus == (Gpu(vendor="amd", nodes=host.nodes),)
    assert host.drivers[0].store == ("u0420081.inf_amd64_3f1c",)


def test_a_way_back_to_an_older_driver_is_another_driver(tmp_path: Path) -> None:
    """Windows keeps the newer one's folder, so that the folders are the same as before."""
    trees.make(tmp_path, ["wsl2"])
    library = tmp_path / "wsl2/usr/lib/wsl/lib/libcuda.so"
    keys = []
    for content in (b"\x7fELF 580", b"\x7fELF 576", b"\x7fELF 580"):
        library.write_bytes(content)
        keys.append(host_key(probe_files(tmp_path / "wsl2", LOOKUPS), "node"))
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_without_librocdxg_its_installation_is_told(tmp_path: Path) -> None:
    bare = wsl2(tmp_path, library="")
    general = next(one for one in bare.findings if one.code == "KGE-118")
    assert "librocdxg" in general.fix
    assert commands(general, bare) == ()  # it may be another maker's GPU
    host = amd_wsl.merge(bare, LOOKUPS, "", LISTED)
    (found,) = (one for one in host.findings if one.code == "KGE-118")
    assert "Windows has AMD Radeon(TM) Graphics, AMD Radeon RX 7900 XTX, but" in found.text
    assert commands(found, host) == ()  # nothing is fetched unchecked and installed as root
    assert "SHA-256" in found.fix
    assert check(found) == "ls /opt/rocm/lib/librocdxg.so"
    assert host.gpus == ()


def test_another_host_stays_as_it_is() -> None:
    host = Host(gpus=(Gpu(vendor="amd", architecture="gfx1100"),))
    assert amd_wsl.merge(host, LOOKUPS, AGENTS, LISTED) == host

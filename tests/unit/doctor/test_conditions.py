"""Every condition of a message: where it holds, where it does not, and where nobody knows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from provision.catalogue import Catalogue, load
from provision.catalogue.messages import When
from provision.doctor.conditions import CONDITIONS, holds
from provision.doctor.facts import Facts
from provision.doctor.message_page import asked
from provision.errors import InputError
from provision.model import Host, Vendor

BARE = Host()


def host(**keys: object) -> Host:
    return msgspec.convert(keys, Host)


def nvidia(*names: str, **more: object) -> Host:
    return host(gpus=[{"vendor": "nvidia", "name": name, **more} for name in names])


def amd(*kinds: dict[str, Any]) -> Host:
    return host(gpus=[{"vendor": "amd", **kind} for kind in kinds])


def says(code: str, text: str = "x") -> Host:
    return host(findings=[{"code": code, "severity": "warning", "text": text}])


def engine(**keys: object) -> Host:
    base = {"name": "docker", "version": "28.5.2"}
    return host(engine=base | keys, gpus=[{"vendor": "nvidia"}])


def driver(**keys: object) -> Host:
    return host(
        gpus=[{"vendor": keys.get("vendor", "nvidia")}], drivers=[{"vendor": "nvidia", "version": "580.65.06"} | keys]
    )


CTK = {"name": "nvidia-container-toolkit", "path": "/usr/bin/nvidia-ctk"}
KFD = {"path": "/dev/kfd"}
INTEGRATED, CARD = {"architecture": "gfx1036", "integrated": True}, {"architecture": "gfx1100"}
HGX = nvidia(*["NVIDIA H100 80GB HBM3"] * 8)
PROCESS = Facts(nvidia("NVIDIA L4"), variables={})
# Condition and value: facts where it holds, where it does not, where nobody knows. A finding that is not there tells
# nothing, so that a condition of findings alone is never known not to hold.
CASES: dict[str, tuple[Any, Facts | Host, Facts | Host | None, Facts | Host]] = {
    "vendor": ("rocm", amd(CARD), nvidia("NVIDIA L4"), BARE),
    "wsl": (True, host(wsl=True), nvidia("NVIDIA L4"), BARE),
    "architecture": ("aarch64", host(architecture="aarch64"), nvidia("NVIDIA L4"), BARE),
    "kernel_below": ("6.18.4", host(kernel="6.17.0-14-generic"), host(kernel="6.18.4"), BARE),
    "guest": ("lxc", says("KGE-128", "in a container (lxc)"), says("KGE-128", "in a container (docker)"), BARE),
    "finding": (("KGE-120", "KGE-121"), says("KGE-121"), None, says("KGE-102")),
    "gpu_on_bus": (False, host(looked_at=["/sys"]), nvidia("NVIDIA L4"), BARE),
    "gpu_held_by": ("vfio-pci", nvidia("x", kernel_driver="vfio-pci"), nvidia("x", kernel_driver="nvidia"), BARE),
    "geforce": (True, nvidia("NVIDIA GeForce RTX 4090"), nvidia("NVIDIA L4"), host(gpus=[{"vendor": "nvidia"}])),
    "laptop": (True, nvidia("NVIDIA GeForce RTX 3070 Laptop GPU"), nvidia("NVIDIA GeForce RTX 3070"), BARE),
    "sxm": (True, nvidia("NVIDIA A100-SXM4-80GB"), nvidia("NVIDIA A100-PCIE-40GB"), BARE),
    "pcie": (True, nvidia("NVIDIA H100 PCIe"), nvidia("NVIDIA GH200 480GB"), BARE),
    "nvswitch": (True, HGX, nvidia("NVIDIA L4"), nvidia("NVIDIA H100 80GB HBM3")),
    "nvlink5": (True, nvidia("NVIDIA B200"), HGX, BARE),
    "vgpu": (True, nvidia("NVIDIA A10-24Q"), nvidia("NVIDIA A10"), BARE),
    "mig": (True, nvidia("NVIDIA A100-SXM4-80GB", partition="1g.10gb"), nvidia("NVIDIA L4"), BARE),
    "partitioned": (True, amd(CARD | {"partition": "CPX"}), amd(CARD), BARE),
    "integrated_and_discrete": (True, amd(CARD, INTEGRATED), amd(CARD), BARE),
    "cc_below": ("7.5", nvidia("x", architecture="sm_61"), nvidia("x", architecture="sm_120"), nvidia("x")),
    "cc_at_least": ("10.0", nvidia("x", architecture="sm_120"), nvidia("x", architecture="sm_90"), nvidia("x")),
    "gfx_in": (("gfx1150", "gfx1036"), amd(INTEGRATED), amd(CARD), amd({})),
    "module_loaded": (False, nvidia("NVIDIA L4"), driver(), BARE),
    "module_flavour": ("open", driver(flavour="open"), driver(flavour="proprietary"), driver()),
    "release_at_least": (
        "30.30.1",
        driver(vendor="amd", release="30.31"),
        driver(vendor="amd", release="30.30"),
        driver(vendor="amd"),
    ),
    "engine": ("podman", engine(name="podman"), engine(), BARE),
    "engine_below": ("29.3", engine(), engine(version="29.3.0"), BARE),
    "engine_kind": ("snap", says("KGE-143", "Docker is installed as a snap"), says("KGE-143", "Docker Desktop"), BARE),
    "rootless": (True, engine(rootless=True), engine(), BARE),
    "toolkit": (
        True,
        host(gpus=[{"vendor": "nvidia"}], toolkits=[CTK]),
        nvidia("NVIDIA L4"),
        BARE,
    ),
    "cdi_spec": ("none", engine(), engine(cdi=["nvidia.com/gpu=all"]), nvidia("NVIDIA L4")),
    "node_missing": ("/dev/nvidia-uvm", host(nodes=[KFD]), host(nodes=[{"path": "/dev/nvidia-uvm"}]), BARE),
    "device_inside": (False, Facts(nodes=()), Facts(nodes=("/dev/kfd",)), Facts()),
    "hidden": (True, PROCESS._replace(variables={"CUDA_VISIBLE_DEVICES": "-1"}), PROCESS, Facts()),
    "variable": ("LD_LIBRARY_PATH", Facts(variables={"LD_LIBRARY_PATH": "/x"}), Facts(variables={}), Facts()),
    "variable_empty": ("A", Facts(variables={"A": ""}), Facts(variables={"A": "1"}), Facts()),
    "capabilities": (
        "without compute",
        Facts(variables={"NVIDIA_DRIVER_CAPABILITIES": "utility"}),
        Facts(variables={"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}),
        Facts(variables={}),
    ),
    "tensorflow_below": (
        "2.21",
        Facts(versions={"tensorflow": "2.20.0"}),
        Facts(versions={"tensorflow": "2.21.0"}),
        Facts(versions={}),
    ),
    "tensorflow_at_least": (
        "2.16",
        Facts(versions={"tensorflow": "2.16.2"}),
        Facts(versions={"tensorflow": "2.15.0"}),
        Facts(),
    ),
}


def when_of(name: str, value: object) -> When:
    return msgspec.convert({name: value}, When)


def of(known: Facts | Host) -> Facts:
    return Facts(known) if isinstance(known, Host) else known


def test_every_condition_has_a_case() -> None:
    assert set(CASES) == set(CONDITIONS) == set(When.__struct_fields__)


@pytest.mark.parametrize("name", CASES)
def test_a_condition_holds_does_not_hold_or_is_not_known(name: str) -> None:
    value, yes, no, unknown = CASES[name]
    when = when_of(name, value)
    assert holds(when, of(yes)) is True
    assert no is None or holds(when, of(no)) is False
    assert holds(when, of(unknown)) is None


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if isinstance(case[0], bool)])
def test_the_opposite_of_a_flag_is_the_opposite(name: str) -> None:
    value, yes, no, unknown = CASES[name]
    when = when_of(name, not value)
    assert no is not None
    assert [holds(when, of(known)) for known in (yes, no, unknown)] == [False, True, None]


@pytest.mark.parametrize("name", CASES)
def test_a_condition_is_told_in_words(name: str) -> None:
    told = asked(when_of(name, CASES[name][0]))
    assert told.split()[0] in {"with", "without", "on", "not", "in", "where", "before"}
    assert "{" not in told


def test_all_that_a_condition_names_must_hold() -> None:
    when = When(engine="docker", rootless=True)
    assert holds(when, Facts(engine(rootless=True))) is True
    assert holds(when, Facts(engine(name="podman", rootless=True))) is False
    assert holds(when, Facts()) is None
    assert holds(When(), Facts(HGX)) is False  # it names nothing


def test_a_vendor_asked_for_is_the_one_looked_at() -> None:
    both = host(gpus=[{"vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090"}, {"vendor": "amd", **INTEGRATED}])
    assert holds(When(geforce=True), Facts(both, Vendor.CUDA)) is True
    assert holds(When(gfx_in=("gfx1036",)), Facts(both, Vendor.CUDA)) is None
    assert holds(When(integrated_and_discrete=True), Facts(both, Vendor.ROCM)) is False


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("NVIDIA H100 80GB HBM3", True),
        ("NVIDIA H200", True),
        ("NVIDIA H200 NVL", False),
        ("NVIDIA H800", True),
        ("NVIDIA H800 PCIe", False),
        ("NVIDIA H20-3e", True),
        ("NVIDIA GH200 480GB", False),
        ("NVIDIA GH200 144G HBM3e", False),
        ("NVIDIA A100-SXM4-40GB", True),
        ("NVIDIA B200", True),
        ("NVIDIA H100 PCIe", False),
        ("NVIDIA GeForce RTX 5090", False),
        ("Tesla V100-SXM2-16GB", True),
    ],
)
def test_the_name_tells_the_board(name: str, board: bool) -> None:  # noqa: FBT001 - a case
    assert holds(When(sxm=True), Facts(nvidia(name))) is board


@pytest.mark.parametrize(
    "condition", ["{when: {nvswich: true}, cause: c, fix: f}", "{when: {guest: vmware}, cause: c, fix: f}"]
)
def test_an_unknown_condition_stops_the_load_with_the_row(condition: str, tmp_path: Path) -> None:
    (tmp_path / "errors").mkdir()
    row = f"{{id: KGE-794, match: m, cause: c, fix: f, source: s, checked: '2026-11-29', conditions: [{condition}]}}"
    (tmp_path / "errors" / "own.yaml").write_text(f"errors:\n  - {row}\n")
    with pytest.raises(InputError, match=r"row 1 \(KGE-794\), field conditions, row 1, field when"):
        _ = Catalogue(tmp_path).errors


def test_the_rows_conditions_are_of_the_shipped_vocabulary() -> None:
    used = {name for row in load().errors for one in row.conditions if one.when for name in _named(one.when)}
    assert used == set(When.__struct_fields__)


def _named(when: When) -> set[str]:
    return {name for name, value in msgspec.structs.asdict(when).items() if value not in (None, ())}

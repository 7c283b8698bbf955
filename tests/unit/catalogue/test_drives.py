"""Each generation of both makers has its first and last driver, and the kernels that have no compute for it."""

import pytest

from provision.catalogue import load
from provision.catalogue.drives import not_driven, upstream_version
from provision.model import Driver, Gpu, Host, Vendor


def host(maker: str, architecture: str, kernel: str | None = None, **driver: str) -> Host:
    gpu = Gpu(vendor=maker, architecture=architecture)  # type: ignore[arg-type]
    return Host(gpus=(gpu,), drivers=(Driver(vendor=maker, **driver),), kernel=kernel)  # type: ignore[arg-type]


def reason(found: Host) -> str:
    told = not_driven(load(), found, found.gpus[0])
    assert told is None or (told.fix and told.source)
    return told.reason if told else ""


@pytest.mark.parametrize(
    ("architecture", "last", "first_without"),
    [
        ("sm_20", "390.157", "396.26"),
        ("sm_30", "470.256.02", "495.44"),
        ("sm_37", "470.256.02", "495.44"),
        ("sm_50", "580.95.05", "590.44.01"),
        ("sm_52", "580.95.05", "590.44.01"),
        ("sm_60", "580.95.05", "590.44.01"),
        ("sm_61", "580.95.05", "590.44.01"),
        ("sm_70", "580.95.05", "590.44.01"),
    ],
)
def test_the_last_branch_of_an_nvidia_generation(architecture: str, last: str, first_without: str) -> None:
    assert not reason(host("nvidia", architecture, version=last, flavour="proprietary"))
    assert "is the last branch" in reason(host("nvidia", architecture, version=first_without))
    assert "open kernel module" in reason(host("nvidia", architecture, version=last, flavour="open"))


@pytest.mark.parametrize(
    ("architecture", "before", "first"),
    [
        ("sm_86", "450.80.02", "455.23"),
        ("sm_89", "515.48.07", "520.61.05"),
        ("sm_90", "515.48.07", "520.61.05"),
        ("sm_100", "565.57.01", "570.26"),
        ("sm_120", "565.57.01", "570.26"),
        ("sm_121", "570.133.07", "575.51.03"),
    ],
)
def test_the_first_driver_of_an_nvidia_generation(architecture: str, before: str, first: str) -> None:
    assert f"{first} is the first" in reason(host("nvidia", architecture, version=before, flavour="open"))
    assert not reason(host("nvidia", architecture, version=first, flavour="open"))


@pytest.mark.parametrize("architecture", ["sm_100", "sm_103", "sm_107", "sm_120", "sm_121"])
def test_blackwell_and_later_need_the_open_module(architecture: str) -> None:
    assert "proprietary kernel module" in reason(host("nvidia", architecture, version="615.71", flavour="proprietary"))
    assert not reason(host("nvidia", architecture, version="615.71", flavour="open"))
    assert not reason(host("nvidia", architecture, version="615.71"))


@pytest.mark.parametrize("flavour", ["open", "proprietary"])
@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90"])
def test_from_turing_to_hopper_either_module_does(architecture: str, flavour: str) -> None:
    assert not reason(host("nvidia", architecture, version="615.71", flavour=flavour))


@pytest.mark.parametrize(
    ("target", "before", "first"),
    [
        ("gfx942", "5.7", "6.0"),
        ("gfx1200", "6.1", "6.4"),
        ("gfx1201", "6.2", "6.4"),
        ("gfx950", "6.2", "30.10"),
        ("gfx950", "6.4", "30.10"),
        ("gfx1250", "30.30", "31.40"),
    ],
)
def test_the_first_amdgpu_of_a_target(target: str, before: str, first: str) -> None:
    assert f"{first} is the first" in reason(host("amd", target, release=before, flavour="dkms"))
    assert not reason(host("amd", target, release=first, flavour="dkms"))


@pytest.mark.parametrize(
    ("target", "without", "has"),
    [
        ("gfx90a", "5.10.0-35-amd64", "6.1.0-18-amd64"),
        ("gfx942", "6.1.0-18-amd64", "6.12.48+deb13-amd64"),
        ("gfx1151", "6.1.0-18-amd64", "6.12.48+deb13-amd64"),
        ("gfx1201", "6.1.0-18-amd64", "6.12.48+deb13-amd64"),
        ("gfx950", "6.12.48+deb13-amd64", "7.2.13"),
        ("gfx1153", "6.12.48+deb13-amd64", "7.2.13"),
    ],
)
def test_the_kernels_own_amdgpu(target: str, without: str, has: str) -> None:
    assert "has no compute driver" in reason(host("amd", target, without, flavour="inbox"))
    assert not reason(host("amd", target, has, flavour="inbox"))


def test_between_the_kernels_that_were_read_nothing_is_claimed() -> None:
    assert not reason(host("amd", "gfx942", "6.8.0-60-generic", flavour="inbox"))


@pytest.mark.parametrize("target", ["gfx600", "gfx601", "gfx602", "gfx703", "gfx704"])
def test_what_kfd_never_takes(target: str) -> None:
    assert "never takes it" in reason(host("amd", target, "7.2.13", flavour="inbox"))
    assert "never takes it" in reason(host("amd", target, release="31.50", flavour="dkms"))


def test_a_node_that_was_seen_outweighs_the_rows() -> None:
    seen = Gpu(vendor="amd", architecture="gfx950", kfd_node=1)
    driver = Driver(vendor="amd", release="6.2", flavour="dkms")
    assert not_driven(load(), Host(gpus=(seen,), drivers=(driver,)), seen) is None


@pytest.mark.parametrize(("maker", "architecture"), [("nvidia", "sm_130"), ("amd", "gfx1310")])
def test_what_no_row_knows_is_not_refused(maker: str, architecture: str) -> None:
    assert not reason(host(maker, architecture, "1.0", version="1.0", release="1.0", flavour="inbox"))


def test_windows_owns_the_driver_below_wsl2() -> None:
    assert not reason(host("nvidia", "sm_61", version="595.97", flavour="wsl"))


def test_without_a_driver_nothing_is_said() -> None:
    gpu = Gpu(vendor="nvidia", architecture="sm_61")
    assert not_driven(load(), Host(gpus=(gpu,)), gpu) is None


@pytest.mark.parametrize(
    ("kernel", "version"),
    [
        ("6.1.0-18-amd64", (6, 1)),
        ("6.17.9-arch1-1", (6, 17)),
        ("7.0", (7, 0)),
        ("5.14.0-427.el9.x86_64", None),
        ("", None),
        (None, None),
        ("6.x", None),
    ],
)
def test_the_version_of_a_kernel(kernel: str | None, version: tuple[int, int] | None) -> None:
    assert upstream_version(kernel) == version


def test_device_ids_of_amd_are_unique_and_virtual_ones_are_among_them() -> None:
    chips = load().listed_chips(Vendor.ROCM)
    devices = [device for chip in chips for device in chip.devices]
    assert len(devices) == len(set(devices))
    assert all(set(chip.virtual) <= set(chip.devices) for chip in chips)
    assert len({chip.target for chip in chips}) == len(chips)


def test_every_target_of_the_catalogue_has_a_chip() -> None:
    assert {row.target for row in load().amd.targets} <= {chip.target for chip in load().listed_chips(Vendor.ROCM)}
    apus = {row.target for row in load().amd.targets if row.kind == "apu"}
    assert apus <= {chip.target for chip in load().listed_chips(Vendor.ROCM) if chip.integrated}


@pytest.mark.parametrize(
    ("device", "target"),
    [
        ("6818", "gfx601"),
        ("67df", "gfx803"),
        ("6860", "gfx900"),
        ("738c", "gfx908"),
        ("740f", "gfx90a"),
        ("74a1", "gfx942"),
        ("75a3", "gfx950"),
        ("73bf", "gfx1030"),
        ("73ff", "gfx1032"),
        ("744c", "gfx1100"),
        ("164e", "gfx1036"),
        ("15bf", "gfx1103"),
        ("1586", "gfx1151"),
        ("7550", "gfx1201"),
    ],
)
def test_well_known_devices(device: str, target: str) -> None:
    """HD 7870, RX 580, MI25, MI100, MI210, MI300X, MI355X, 6900 XT, RX 6600, 7900 XTX, Raphael, 780M, 8060S, 9070."""
    assert [chip.target for chip in load().listed_chips(Vendor.ROCM) if device in chip.devices] == [target]

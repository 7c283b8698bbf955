"""Whether an image starts, and what is named when it does not."""

from pathlib import Path

import pytest

from provision.catalogue import load
from provision.errors import NoStackError
from provision.model import Driver, Gpu, Host
from provision.resolve.image_check import check_image, newest_image, seen

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

OLD_BRANDS = "cuda>=12.6 brand=tesla,driver>=535,driver<536 brand=nvidia,driver>=535,driver<536"


def host(driver: str, name: str = "NVIDIA A100-SXM4-80GB") -> Host:
    gpu = Gpu(vendor="nvidia", name=name, architecture="sm_80")
    return Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version=driver),))


def test_an_image_that_starts_tells_its_conditions() -> None:
    found = check_image(
        MINIATURE, host("560.35.03"), "x", {"NVIDIA_REQUIRE_CUDA": OLD_BRANDS, "CUDA_VERSION": "12.6.3"}
    )
    assert found.conditions == ("NVIDIA_REQUIRE_CUDA: cuda>=12.6 or driver>=535 and driver<536 (tesla, nvidia)",)
    assert found.notes == ()


def test_minor_version_compatibility_is_noted() -> None:
    found = check_image(
        MINIATURE, host("535.104.05"), "x", {"NVIDIA_REQUIRE_CUDA": OLD_BRANDS, "CUDA_VERSION": "12.6.3"}
    )
    assert "minor-version compatibility" in found.notes[0]


@pytest.mark.parametrize(
    ("driver", "name", "told"),
    [
        ("535.104.05", "NVIDIA A100-SXM4-80GB", "cuda-compat 12.9 in the image stands in"),
        ("535.104.05", "NVIDIA GeForce RTX 4090", "minor-version compatibility"),
        ("545.23.06", "NVIDIA A100-SXM4-80GB", "minor-version compatibility"),
        ("470.82.01", "Tesla T4", "works only with the image's cuda-compat package"),
    ],
)
def test_a_cuda_compat_library_is_noted_where_it_serves(driver: str, name: str, told: str) -> None:
    environment = {"NVIDIA_REQUIRE_CUDA": "cuda>=11.0", "CUDA_VERSION": "12.9.1"}
    assert told in check_image(MINIATURE, host(driver, name), "x", environment).notes[0]


def test_a_refusal_names_condition_host_newest_image_and_driver() -> None:
    with pytest.raises(NoStackError) as caught:
        check_image(MINIATURE, host("550.54.15"), "far/image:1", {"NVIDIA_REQUIRE_CUDA": OLD_BRANDS})
    error = caught.value
    assert (error.code, error.exit_code) == ("KGE-242", 4)
    assert "far/image:1 does not start" in error.text
    assert "driver 550.54.15 (CUDA 12.4)" in error.cause
    assert "nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04" in error.fix
    assert "upgrade the driver to 560.28.03 or newer" in error.fix


@pytest.mark.parametrize(
    ("driver", "name", "image"),
    [
        ("580.95.05", "NVIDIA A100-SXM4-80GB", "nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04"),
        ("550.54.15", "NVIDIA GeForce RTX 4090", "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04"),
        ("545.23.06", "NVIDIA A100-SXM4-80GB", "nvidia/cuda:12.3.2-cudnn9-runtime-ubuntu22.04"),
        ("470.82.01", "Tesla T4", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"),
        ("440.33.01", "Tesla T4", None),
    ],
)
def test_the_newest_image_of_the_catalogue(driver: str, name: str, image: str | None) -> None:
    assert newest_image(MINIATURE, seen(MINIATURE, host(driver, name))) == image


def test_a_host_without_a_driver_is_told() -> None:
    with pytest.raises(NoStackError) as caught:
        check_image(MINIATURE, Host(), "x", {"NVIDIA_REQUIRE_CUDA": "cuda>=11.0"})
    assert caught.value.code == "KGE-243"


@pytest.mark.parametrize(
    ("environment", "note"),
    [({}, "states no condition"), ({"NVIDIA_DISABLE_REQUIRE": "1", "CUDA_VERSION": "12.6"}, "switches")],
)
def test_what_was_not_checked_is_said(environment: dict[str, str], note: str) -> None:
    found = check_image(MINIATURE, host("440.33.01"), "x", environment)
    assert found.conditions == ()
    assert note in found.notes[0]


def test_amds_images_are_judged_by_the_catalogue() -> None:
    image = "rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev"
    gpu = Gpu(vendor="amd", architecture="gfx942")
    good = Host(gpus=(gpu,), drivers=(Driver(vendor="amd", release="30.30", flavour="dkms"),))
    assert "ROCm 7.2" in check_image(MINIATURE, good, image, {}).conditions[0]
    old = Host(gpus=(gpu,), drivers=(Driver(vendor="amd", release="6.1", flavour="dkms"),))
    with pytest.raises(NoStackError) as caught:
        check_image(MINIATURE, old, image, {})
    assert "driver-window" in caught.value.conflict


@pytest.mark.parametrize("cuda", ["latest", "12.x", "", "9" * 5000])
def test_a_cuda_version_that_is_none_says_nothing(cuda: str) -> None:
    assert check_image(MINIATURE, host("580.95.05"), "x", {"CUDA_VERSION": cuda}).conditions == ()

"""Forward compatibility: the products, the branches, and that only what is confirmed counts."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load, rows
from provision.model import DriverVersion, Gpu, Vendor
from provision.resolve.candidate import Facts, Wishes
from provision.resolve.forward_compat import compat_of, data_centre, driver_cuda

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

H100 = Gpu(vendor="nvidia", name="NVIDIA H100 80GB HBM3", architecture="sm_90")


def facts(driver: str = "535.183.06", gpu: Gpu = H100, reads: str = "12.2", *, wsl: bool = False) -> Facts:
    known = Facts(MINIATURE, Vendor.CUDA, Wishes(), "x86_64", "x86_64", wsl, (gpu,))
    return replace(known, version=DriverVersion(driver), cuda=reads)


def base(cuda: str = "12.9.1") -> rows.CudaBase:
    return next(row for row in MINIATURE.images.cuda_bases if row.cuda == cuda)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Tesla T4", True),
        ("Tesla V100-SXM2-16GB", True),
        ("NVIDIA A100-SXM4-40GB", True),
        ("NVIDIA A10G", True),
        ("NVIDIA L40S", True),
        ("NVIDIA H200", True),
        ("NVIDIA GH200 480GB", True),
        ("NVIDIA B200", True),
        ("NVIDIA A100-10C", False),
        ("GRID A100X-40C", False),
        ("NVIDIA GeForce RTX 4090", False),
        ("NVIDIA RTX A6000", False),
        ("NVIDIA T400 4GB", False),
        ("NVIDIA T550 Laptop GPU", False),
        ("NVIDIA P106-100", False),
        ("NVIDIA A800 40GB Active", False),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", False),
        ("Quadro P4000", False),
        ("NVIDIA TITAN V", False),
        ("NVIDIA GB10", False),
        ("NVIDIA CMP 170HX", False),
        (None, False),
    ],
)
def test_products_for_data_centres_are_known_by_name(name: str | None, *, known: bool) -> None:
    assert data_centre(replace(H100, name=name)) is known


@pytest.mark.parametrize(
    ("driver", "reads"),
    [
        ("535.183.06", "12.9"),
        ("550.54.15", "12.9"),
        ("570.124.06", "12.9"),
        ("545.23.08", "12.2"),  # the branch is between two that are named
        ("525.60.13", "12.2"),  # older than all that are named
        ("575.57.08", "12.2"),  # not older than the library
        ("580.65.06", "12.2"),
    ],
)
def test_only_the_branches_that_the_library_names_are_served(driver: str, reads: str) -> None:
    assert driver_cuda(facts(driver), base()) == reads


def test_a_library_never_makes_a_driver_older() -> None:
    assert driver_cuda(facts("550.54.15", reads="13.0"), base()) == "13.0"


def test_the_library_is_in_a_cuda_image_alone() -> None:
    assert compat_of(facts(), None) is None
    assert compat_of(facts(), base("12.6.3")) is None  # its library's own list was not seen
    assert compat_of(facts(), base("12.6.3"), doubtful=True)
    found = compat_of(facts(), base())
    assert found
    assert found.id == "cuda-compat-12.9"


def test_neither_wsl_nor_one_other_gpu_among_several() -> None:
    assert compat_of(facts(wsl=True), base()) is None
    mixed = replace(facts(), gpus=(H100, replace(H100, name="NVIDIA GeForce RTX 4090")))
    assert compat_of(mixed, base()) is None


def with_rows(**changes: object) -> Facts:
    """Facts whose catalogue has other values in every row of `compat`."""

    class Changed:
        nvidia = replace(MINIATURE.nvidia, compat=tuple(replace(row, **changes) for row in MINIATURE.nvidia.compat))

    return replace(facts(), catalogue=Changed())  # the part of a catalogue that is read


@pytest.mark.parametrize("confidence", ["inferred", "unconfirmed"])
def test_a_list_that_is_not_confirmed_changes_nothing(confidence: str) -> None:
    doubtful = with_rows(confidence=confidence)
    assert compat_of(doubtful, base()) is None
    assert compat_of(doubtful, base(), doubtful=True)


@pytest.mark.parametrize(("driver", "served"), [("575.51.03", True), ("575.57.08", False), ("575.64.03", False)])
def test_of_the_librarys_own_branch_older_drivers_alone_are_served(driver: str, *, served: bool) -> None:
    known = replace(with_rows(branches=("575",)), version=DriverVersion(driver))
    assert (compat_of(known, base()) is not None) is served

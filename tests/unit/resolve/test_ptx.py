"""A driver reads the PTX of those kernels alone that have no machine code for its GPU."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import Catalogue, load, rows
from provision.errors import NoStackError
from provision.model import Driver, Gpu, Host, Request, Vendor
from provision.resolve import resolve
from provision.resolve.nvidia import ptx_needed

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
PTX = rows.Ptx(capability="8.0", isa="7.8", partly={"8.0": "7.1"})


def partly() -> Catalogue:
    """Return the miniature with the code of 2.14.1 as it was measured, and the PTX and branch that it needs."""
    found, nvidia = Catalogue(MINIATURE.directory), MINIATURE.nvidia
    isa, branch = nvidia.ptx[0], nvidia.branches[0]
    new = replace(isa, id="ptx-7.1", isa="7.1", cuda="11.1"), replace(branch, id="r455", branch="455", cuda="11.1")
    found.__dict__ |= {
        "tensorflow": tuple(
            replace(row, ptx=(PTX,)) if row.version == "2.14.1" else row for row in MINIATURE.tensorflow
        ),
        "nvidia": replace(nvidia, ptx=(*nvidia.ptx, new[0]), branches=(*nvidia.branches, new[1])),
    }
    return found


def host(driver: str, *architectures: str) -> Host:
    gpus = tuple(Gpu(vendor="nvidia", architecture=one) for one in architectures)
    return Host(gpus=gpus, drivers=(Driver(vendor="nvidia", version=driver),))


@pytest.mark.parametrize(
    ("capability", "isa"),
    [("8.0", "7.1"), ("8.6", "7.1"), ("8.9", "7.1"), ("9.0", "7.8"), ("7.5", "7.8"), ("12.0", "7.8")],
)
def test_the_version_that_a_gpu_needs_is_that_of_kernels_without_code_for_it(capability: str, isa: str) -> None:
    assert ptx_needed(capability, PTX) == isa


@pytest.mark.parametrize("driver", ["455.23", "470.256.02"])
def test_an_a100_gets_the_newest_wheel_whose_needed_ptx_its_driver_reads(driver: str) -> None:
    stack = resolve(partly(), host(driver, "sm_80"), Request(vendor=Vendor.CUDA))
    assert stack.framework.version == "2.14.1"


def test_an_h100_on_the_same_driver_does_not() -> None:
    with pytest.raises(NoStackError) as caught:
        resolve(partly(), host("470.256.02", "sm_90"), Request(tensorflow="2.14"))
    told = next(one for one in caught.value.rejected if one.rule == "ptx-driver")
    assert told.candidate.startswith("TensorFlow 2.14.1")
    assert told.reason == (
        "its sm_90 kernels are PTX 7.8, which needs driver 520 or newer (CUDA 11.8); 470.256.02 reads PTX up to 7.1"
    )

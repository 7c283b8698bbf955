"""What was measured of releases and drivers that are there holds on the shipped catalogue, whatever is added to it.

No expectation here is about the newest release: what hosts get today is in tests/data/kinds.txt and matrix/.
"""

import pytest

from provision.catalogue import load
from provision.catalogue.rows import CudaBuild
from provision.errors import NoStackError
from provision.model import Driver, Gpu, Host, Request, Stack, Vendor, version_key
from provision.resolve import resolve


def nvidia(driver: str, architecture: str) -> Host:
    gpu = Gpu(vendor="nvidia", architecture=architecture)
    return Host(gpus=(gpu,), drivers=(Driver(vendor="nvidia", version=driver),))


def amd(release: str, target: str) -> Host:
    driver = Driver(vendor="amd", release=release, flavour="dkms")
    return Host(gpus=(Gpu(vendor="amd", architecture=target),), drivers=(driver,))


@pytest.mark.parametrize(
    ("driver", "architecture", "newest", "next_one"),
    [
        ("525.60.12", "sm_75", "2.14.1", "2.15.1"),  # one below the floor of CUDA 12
        ("550.54.15", "sm_90", "2.18.1", "2.19.1"),  # reads PTX up to 8.4: 2.19 to 2.21 have 8.5
        ("550.54.15", "sm_90", "2.18.1", "2.21.0"),
        ("535.183.06", "sm_90", "2.16.2", "2.17.1"),  # reads PTX up to 8.2
        ("525.60.13", "sm_90", "2.14.1", "2.17.1"),  # reads PTX up to 8.0
        ("535.54.03", "sm_52", "2.16.2", "2.17.1"),  # the last wheel with code for Maxwell
        ("470.82.01", "sm_37", "2.14.1", "2.15.1"),  # the last wheel with code for Kepler
        ("580.95.05", "sm_120", "2.21.0", "2.20.0"),  # PTX up to 2.20 is for sm_90a alone
    ],
)
def test_a_release_is_served_up_to_its_bound(driver: str, architecture: str, newest: str, next_one: str) -> None:
    host = nvidia(driver, architecture)
    try:
        served = resolve(load(), host, Request(vendor=Vendor.CUDA, tensorflow=newest)).framework.version
    except NoStackError as error:
        served = " ".join(error.conflict)
    assert served == newest
    with pytest.raises(NoStackError):
        resolve(load(), host, Request(vendor=Vendor.CUDA, tensorflow=next_one))


@pytest.mark.parametrize(
    ("architecture", "cuda", "cudnn", "jit_compile"),
    [
        ("sm_60", "12.5.1", "9.10.2.21", "auto"),  # 9.3 and today's cuDNN have no code for Pascal and Volta
        ("sm_61", "12.5.1", "9.10.2.21", "auto"),
        ("sm_70", "12.5.1", "9.10.2.21", "auto"),
        ("sm_80", "12.5.1", "9.3.0.75", "auto"),
        ("sm_90", "12.5.1", "9.3.0.75", "auto"),
        ("sm_120", "12.8.1", "9.10.2.21", False),  # XLA aborts there
        ("sm_103", "12.9.1", "9.28.0.42", False),  # CUDA 12.8 does not know it
    ],
)
def test_the_libraries_of_2_21(architecture: str, cuda: str, cudnn: str, jit_compile: object) -> None:
    stack = resolve(load(), nvidia("580.95.05", architecture), Request(vendor=Vendor.CUDA, tensorflow="2.21.0"))
    assert stack.runtime.version == cuda
    assert f"nvidia-cudnn-cu12=={cudnn}" in stack.packages
    assert stack.settings.jit_compile == jit_compile


@pytest.mark.parametrize(
    ("release", "target", "rocm", "served"),
    [
        ("6.0", "gfx942", "6.2", True),
        ("6.0", "gfx942", "6.3", False),
        ("6.4", "gfx942", "7.2", True),
        ("6.4", "gfx942", "7.14", False),
        ("6.3", "gfx90a", "7.0", True),
        ("6.3", "gfx90a", "7.2", False),
        ("30.30", "gfx908", "7.2", True),
        ("30.30", "gfx1100", "7.2", True),
        ("30.30", "gfx942", "10.0", True),
    ],
)
def test_the_window_of_an_amdgpu_driver(release: str, target: str, rocm: str, *, served: bool) -> None:
    request = Request(vendor=Vendor.ROCM, rocm=rocm, backend="tensorflow")
    if served:
        assert resolve(load(), amd(release, target), request).runtime.version.startswith(rocm)
    else:
        with pytest.raises(NoStackError):
            resolve(load(), amd(release, target), request)


def built(stack: Stack) -> CudaBuild:
    """The row of a stack for CUDA."""
    rows: tuple[CudaBuild, ...] = (*load().tensorflow, *load().keras.keras_cuda)
    major = stack.runtime.version.split(".")[0]
    wanted = (stack.backend, stack.framework.version, major)
    return next(row for row in rows if (row.backend, row.version, row.cuda.split(".")[0]) == wanted)


def runs(code: str, capability: str) -> bool:
    """Machine code runs on its own major capability, from its own minor one on."""
    (major, minor), (own_major, own_minor) = version_key(code)[:2], version_key(capability)[:2]
    return major == own_major and minor <= own_minor


@pytest.mark.parametrize("branch", [row for row in load().nvidia.branches if row.driver], ids=lambda row: row.id)
def test_a_wheel_has_code_for_the_gpu_or_ptx_that_the_driver_reads(branch: object) -> None:
    row = next(one for one in load().nvidia.branches if one is branch)
    reads = version_key(row.cuda)
    first_cuda = {one.isa: version_key(one.cuda) for one in load().nvidia.ptx}
    served = 0
    for one in load().nvidia.capabilities:
        try:
            host = nvidia(row.driver or "", f"sm_{one.capability.replace('.', '')}")
            build = built(resolve(load(), host, Request(vendor=Vendor.CUDA)))
        except NoStackError:
            continue
        served += 1
        if any(runs(code, one.capability) for code in build.sass):
            continue
        usable = [ptx for ptx in build.ptx if not ptx.specific or ptx.capability == one.capability]
        usable = [ptx for ptx in usable if version_key(ptx.capability) <= version_key(one.capability)]
        needed = [
            next((isa for code, isa in ptx.partly.items() if runs(code, one.capability)), ptx.isa) for ptx in usable
        ]
        assert any(first_cuda[isa] <= reads for isa in needed), f"{build.id} on {one.id} with {row.id}"
    assert served

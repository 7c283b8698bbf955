"""The picks that the field's traps decide, one by one; then what must hold for every host."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalogue import Catalogue, load
from provision.errors import NoStackError
from provision.model import Driver, DriverVersion, Gpu, Host, Request, Stack, Vendor, version_key
from provision.resolve import resolve, upgrades

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")


def nvidia(driver: str, *architectures: str, name: str | None = None) -> Host:
    gpus = tuple(Gpu(vendor="nvidia", architecture=one, name=name) for one in architectures)
    return Host(gpus=gpus, drivers=(Driver(vendor="nvidia", version=driver),))


def amd(release: str | None, *targets: str, partition: str | None = None) -> Host:
    gpus = tuple(Gpu(vendor="amd", architecture=one, partition=partition) for one in targets)
    driver = Driver(vendor="amd", release=release, flavour="dkms" if release else "inbox")
    return Host(gpus=gpus, drivers=(driver,))


def pick(host: Host, catalogue: Catalogue = MINIATURE, **wishes: str) -> Stack:
    vendor = Vendor.CUDA if host.gpus_of("nvidia") else Vendor.ROCM
    return resolve(catalogue, host, Request(vendor=vendor, **wishes))  # type: ignore[arg-type] # text fields only


def refusal(host: Host, **wishes: str) -> NoStackError:
    with pytest.raises(NoStackError) as caught:
        pick(host, MINIATURE, **wishes)
    return caught.value


@pytest.mark.parametrize(
    ("host", "tensorflow", "cuda", "why"),
    [
        (nvidia("535.104.05", "sm_80"), "2.21.0", "12.5.1", "machine code for sm_80, minor-version compatibility"),
        (nvidia("525.60.13", "sm_75"), "2.21.0", "12.5.1", "the floor of CUDA 12"),
        (nvidia("525.60.12", "sm_75"), "2.14.1", "11.8.0", "one below the floor of CUDA 12"),
        (nvidia("580.65.06", "sm_90"), "2.21.0", "12.5.1", "reads PTX 8.5"),
        (nvidia("555.42.02", "sm_90"), "2.21.0", "12.5.1", "the first branch that reads PTX 8.5"),
        (nvidia("550.54.15", "sm_90"), "2.18.1", "12.5.1", "reads PTX up to 8.4; the wheel has 8.3"),
        (nvidia("535.54.03", "sm_90"), "2.16.2", "12.3.1", "reads PTX up to 8.2; the wheel has 8.0 and 8.1"),
        (nvidia("525.60.13", "sm_90"), "2.14.1", "11.8.0", "reads PTX up to 8.0, and sm_80 PTX serves Hopper"),
        (nvidia("535.54.03", "sm_52"), "2.16.2", "12.3.1", "the last wheel with Maxwell code"),
        (nvidia("470.82.01", "sm_37"), "2.14.1", "11.8.0", "the last wheel with Kepler code"),
        (nvidia("580.95.05", "sm_120"), "2.21.0", "12.8.1", "older PTX is for sm_90a alone"),
        (nvidia("590.48.01", "sm_103"), "2.21.0", "12.9.1", "CUDA 12.8 does not know sm_103"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cuda_picks(host: Host, tensorflow: str, cuda: str, why: str) -> None:
    stack = pick(host)
    assert (stack.framework.version, stack.runtime.version) == (tensorflow, cuda), why


@pytest.mark.parametrize(
    ("host", "rocm", "tensorflow"),
    [
        (amd("30.30", "gfx942"), "10.0.0", "2.21"),
        (amd("6.4", "gfx942"), "7.2", "2.20"),
        (amd("6.0", "gfx942"), "6.2.2", "2.16.2"),
        (amd("30.30", "gfx908"), "7.2", "2.20"),
        (amd("30.30", "gfx1100"), "7.2", "2.20"),
        (amd("30.10", "gfx950"), "10.0.0", "2.21"),
        (amd("6.3", "gfx90a"), "7.0", "2.19"),
    ],
)
def test_rocm_picks(host: Host, rocm: str, tensorflow: str) -> None:
    stack = pick(host)
    assert (stack.runtime.version, stack.framework.version) == (rocm, tensorflow)


def test_blackwell_switches_xla_off_and_takes_a_cudnn_that_knows_it() -> None:
    stack = pick(nvidia("580.95.05", "sm_120"))
    assert stack.settings.jit_compile is False
    assert "nvidia-cudnn-cu12==9.10.2.21" in stack.packages
    assert "jit-compile-off" in {warning.code for warning in stack.warnings}


def test_older_gpus_keep_xla_on_auto() -> None:
    assert pick(nvidia("580.95.05", "sm_80")).settings.jit_compile == "auto"


@pytest.mark.parametrize("architecture", ["sm_60", "sm_61", "sm_70"])
def test_pascal_and_volta_get_the_cudnn_that_has_their_code(architecture: str) -> None:
    assert "nvidia-cudnn-cu12==9.10.2.21" in pick(nvidia("580.65.06", architecture)).packages


def test_every_cuda_wheel_is_pinned_exactly() -> None:
    stack = pick(nvidia("580.65.06", "sm_90"))
    cuda = [package for package in stack.packages if package.startswith("nvidia-")]
    assert len(cuda) >= 12
    assert all("==" in package for package in cuda)


def test_cuda_goes_in_once_on_a_runtime_image() -> None:
    stack = pick(nvidia("580.65.06", "sm_90"), base="nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04")
    assert stack.route == "image"
    assert [package for package in stack.packages if package.startswith("nvidia-")] == [
        "nvidia-cuda-nvcc-cu12==12.5.82"
    ]


def test_a_cudnn_older_than_tensorflow_needs_is_refused() -> None:
    error = refusal(nvidia("580.65.06", "sm_90"), base="nvidia/cuda:12.5.1-cudnn-runtime-ubuntu22.04")
    assert "cudnn-version" in {one.rule for one in error.rejected}


def test_the_condition_of_a_cuda_image_spares_geforce_nothing() -> None:
    host = nvidia("550.54.15", "sm_89", name="NVIDIA GeForce RTX 4090")
    base = "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
    assert "require-cuda" in {one.rule for one in refusal(host, base=base).rejected}
    assert pick(nvidia("550.54.15", "sm_89", name="NVIDIA L40S"), base=base).framework.version == "2.21.0"


def test_the_message_names_driver_floor_and_both_ways_out() -> None:
    error = refusal(nvidia("470.82.01", "sm_75"), tensorflow="2.21")
    assert "470.82.01 is too old for TensorFlow 2.21.0, which needs 525.60.13 or newer" in error.cause
    assert error.fix == "upgrade the driver to 525.60.13 or newer, or ask for --tensorflow 2.14"


def test_a_driver_that_left_the_gpu_behind_is_to_be_replaced_by_an_older_one() -> None:
    error = refusal(nvidia("590.48.01", "sm_70"))
    assert "R580 is the last branch for Volta" in error.cause
    assert "go back to a driver of branch R580" in error.fix


def test_all_gpus_of_a_mixed_host_are_served() -> None:
    stack = pick(nvidia("580.65.06", "sm_90", "sm_70"))
    assert stack.gpus == ("sm_70", "sm_90")
    assert "nvidia-cudnn-cu12==9.10.2.21" in stack.packages


def test_a_driver_that_is_not_loaded_is_said() -> None:
    host = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),))
    error = refusal(host)
    assert error.code == "KGE-211"
    assert "not loaded" in error.text


def test_no_gpu_says_where_it_was_looked_for() -> None:
    with pytest.raises(NoStackError, match="The host has no GPU") as caught:
        resolve(MINIATURE, Host(looked_at=("/sys/bus/pci/devices",)), Request())
    assert "/sys/bus/pci/devices" in caught.value.cause


def test_fallback_cpu_is_taken_only_without_a_gpu_stack() -> None:
    assert resolve(MINIATURE, Host(), Request(fallback="cpu")).vendor is Vendor.CPU
    assert resolve(MINIATURE, nvidia("580.65.06", "sm_90"), Request(fallback="cpu")).vendor is Vendor.CUDA


def test_a_wish_that_says_nothing_about_the_stack_is_told() -> None:
    stack = resolve(MINIATURE, nvidia("580.65.06", "sm_90"), Request(rocm="6.4"))
    assert [one.text for one in stack.warnings if one.code == "wish-unheeded"] == [
        "--rocm 6.4 says nothing about a stack for cuda"
    ]
    heeded = resolve(MINIATURE, nvidia("580.65.06", "sm_90"), Request(cuda="12.5"))
    assert not [one for one in heeded.warnings if one.code == "wish-unheeded"]


def test_what_an_image_for_one_gpu_lacks_is_told() -> None:
    def told(host: Host, **words: Any) -> list[str]:  # noqa: ANN401 - options of any kind
        stack = resolve(MINIATURE, host, Request(contents="one-gpu", **words))
        return [one.text for one in stack.warnings if one.code == "one-gpu"]

    several = "--contents one-gpu leaves out NCCL, without which 2 GPUs do not work together"
    assert told(nvidia("580.65.06", "sm_90", "sm_90")) == [several]
    assert told(nvidia("580.65.06", "sm_90", "sm_90"), gpus="0") == []
    assert told(nvidia("580.65.06", "sm_90")) == []
    (torch,) = told(nvidia("580.65.06", "sm_90"), backend="torch")
    assert torch.startswith("--contents one-gpu is the same as runtime: torch ")
    (rocm,) = told(amd("30.30", "gfx942"))
    assert rocm.endswith("cannot do without RCCL")


def test_two_makers_choose_nvidia_and_say_how_to_get_the_other() -> None:
    one, two = nvidia("580.65.06", "sm_90"), amd("30.30", "gfx942")
    stack = resolve(MINIATURE, Host(gpus=one.gpus + two.gpus, drivers=one.drivers + two.drivers), Request())
    assert stack.vendor is Vendor.CUDA
    assert "--vendor rocm" in next(one.text for one in stack.warnings if one.code == "mixed-vendors")


def test_a_processors_graphics_do_not_hold_back_a_card() -> None:
    card = amd("30.30", "gfx942")
    igpu = Gpu(vendor="amd", architecture="gfx1036", integrated=True)
    assert pick(Host(gpus=(*card.gpus, igpu), drivers=card.drivers)).gpus == ("gfx942",)


def test_tensorflow_and_rocm_keep_different_lists() -> None:
    rules = {one.rule for one in pick(amd("30.30", "gfx1100")).rejected}
    assert "tensorflow-accepts-gpu" in rules


def test_the_kernels_own_amd_driver_gets_a_warning() -> None:
    assert "inbox-driver" in {warning.code for warning in pick(amd(None, "gfx1100")).warnings}


def test_an_unconfirmed_build_is_taken_only_by_name() -> None:
    assert pick(amd(None, "gfx942")).runtime.version == "10.0.0"
    named = pick(amd(None, "gfx942"), rocm="10.1")
    assert named.runtime.version == "10.1.0"
    assert "unconfirmed" in {warning.code for warning in named.warnings}


def test_partitions_need_a_rocm_that_sees_them() -> None:
    whole = pick(amd("6.3", "gfx942"), rocm="6.3")
    assert whole.runtime.version == "6.3.3"
    host = amd("6.3", "gfx942", partition="CPX")
    assert "partitions" in {one.rule for one in refusal(host, rocm="6.3").rejected}


def test_core_sdk_wheels_carry_their_indexes_and_loader_path() -> None:
    stack = pick(amd("30.30", "gfx942"), base="ubuntu:24.04")
    assert stack.route == "wheels"
    assert stack.packages == ("rocm[libraries,device-gfx942]==7.14.1", "tensorflow-rocm==2.21.0+rocm7.14.1")
    assert len(stack.indexes) == 2
    assert "_rocm_sdk_core/lib" in stack.settings.env["LD_LIBRARY_PATH"]


def on_wsl(target: str) -> Host:
    """An AMD host below WSL2, whose driver is Windows'."""
    driver = Driver(vendor="amd", version="32.0.31035.1003", flavour="wsl")
    return Host(gpus=(Gpu(vendor="amd", architecture=target),), drivers=(driver,), wsl=True)


@pytest.mark.parametrize("target", ["gfx1100", "gfx1201"])  # named by AMD; unlisted, and seen by others
def test_below_wsl2_keras_runs_on_torch_for_amd(target: str) -> None:
    stack = pick(on_wsl(target))
    assert (stack.backend, stack.route, stack.runtime.name) == ("torch", "wheels", "rocm")
    assert any(warning.text.startswith("torch-wsl2 is inferred") for warning in stack.warnings)
    assert not any(warning.code == "driver-unlisted" for warning in stack.warnings)


@pytest.mark.parametrize(
    ("target", "wishes", "says"),
    [
        ("gfx1100", {"backend": "tensorflow"}, "AMD documents TensorFlow for Linux only"),
        ("gfx1100", {"backend": "jax"}, "the catalogue has no build of JAX for WSL2"),
        ("gfx1102", {"backend": "torch"}, "gfx1102 is not among the GPUs that AMD names for torch on WSL2"),
    ],
)
def test_what_does_not_run_below_wsl2_is_told(target: str, wishes: dict[str, str], says: str) -> None:
    rejected = refusal(on_wsl(target), **wishes).rejected
    assert any(one.rule == "wsl" and says in one.reason for one in rejected)
    assert not any(one.rule == "driver-window" for one in rejected)


def test_other_machines_are_refused() -> None:
    host = nvidia("580.65.06", "sm_90")
    arm = Host(gpus=host.gpus, drivers=host.drivers, architecture="aarch64")
    assert {one.rule for one in refusal(arm, backend="tensorflow").rejected} == {"machine"}


@pytest.mark.parametrize(
    ("wishes", "rule"),
    [
        ({"python": "3.14"}, "requested-python"),
        ({"base": "alpine:3"}, "requested-base"),
        ({"tensorflow": "9.9"}, "requested-tensorflow"),
        ({"cuda": "11.2"}, "requested-cuda"),
    ],
)
def test_a_wish_that_nothing_meets_is_named_with_what_exists(wishes: dict[str, str], rule: str) -> None:
    error = refusal(nvidia("580.65.06", "sm_90"), **wishes)
    assert rule in {one.rule for one in error.rejected}
    assert f"ask for --{rule.removeprefix('requested-')}" in error.fix


def test_the_upgrade_that_is_named_really_resolves_to_more() -> None:
    host, request = nvidia("550.54.15", "sm_90"), Request(vendor=Vendor.CUDA)
    better = upgrades(MINIATURE, host, request, resolve(MINIATURE, host, request))
    assert [one.change for one in better] == ["driver 555.42.02 or newer"]
    assert better[0].gives == pick(nvidia("555.42.02", "sm_90")).summary
    assert pick(nvidia("555.42.02", "sm_90")).framework.version == "2.21.0"


# What must hold for every host holds for the shipped catalogue, whatever its rows.
DRIVERS = [row.driver for row in load().nvidia.branches if row.driver]
ARCHITECTURES = [f"sm_{row.capability.replace('.', '')}" for row in load().nvidia.capabilities]
RELEASES = [row.release for row in load().amd.drivers]
TARGETS = [row.target for row in load().amd.targets]


def attempt(host: Host, **wishes: str) -> Stack | NoStackError:
    try:
        return pick(host, load(), **wishes)
    except NoStackError as error:
        return error


@given(st.sampled_from(DRIVERS), st.lists(st.sampled_from(ARCHITECTURES), min_size=1, max_size=3))
def test_never_a_stack_above_the_driver(driver: str, architectures: list[str]) -> None:
    stack = attempt(nvidia(driver, *architectures))
    if isinstance(stack, Stack):
        family = next(row for row in load().nvidia.families if row.major == stack.runtime.version.split(".")[0])
        assert DriverVersion(driver) >= DriverVersion(family.driver)


@given(st.sampled_from(DRIVERS), st.sampled_from(DRIVERS), st.sampled_from(ARCHITECTURES))
def test_a_newer_driver_never_worsens_the_pick(one: str, two: str, architecture: str) -> None:
    older, newer = sorted((one, two), key=version_key)
    before, after = (attempt(nvidia(driver, architecture), backend="tensorflow") for driver in (older, newer))
    if isinstance(before, Stack):
        if isinstance(after, NoStackError):  # only a branch that no longer drives the GPU may do so
            assert "driver-drives-gpu" in {rejected.rule for rejected in after.rejected}
        else:
            assert version_key(after.framework.version) >= version_key(before.framework.version)


@given(st.sampled_from(RELEASES), st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2))
def test_every_rocm_candidate_has_one_first_reason_and_every_gpu_is_served(release: str, targets: list[str]) -> None:
    stack = attempt(amd(release, *targets), backend="tensorflow")
    candidates = [(one.candidate, one.rule) for one in stack.rejected]
    assert len(candidates) == len(set(candidates))
    if isinstance(stack, Stack):
        build = next(row for row in load().amd.builds if row.image == stack.base.image)
        window = next(row for row in load().amd.drivers if row.release == release)
        assert set(targets) <= set(build.targets)
        assert build.series in window.series


@given(st.sampled_from(DRIVERS), st.sampled_from(ARCHITECTURES))
def test_the_same_host_always_gets_the_same(driver: str, architecture: str) -> None:
    one, two = attempt(nvidia(driver, architecture)), attempt(nvidia(driver, architecture))
    assert one == two if isinstance(one, Stack) else isinstance(two, NoStackError) and one.cause == two.cause

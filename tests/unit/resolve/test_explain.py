"""What an explanation says beside the pick: conflicts, nearest changes, ends of life, groups."""

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from provision.catalogue import Catalogue, load
from provision.errors import NoStackError
from provision.model import VENDORS, Driver, Gpu, Host, Rejection, Request, Stack, Vendor
from provision.resolve import resolve, upgrades
from provision.resolve.explain import explanation, grouped, rejections, smallest_cover, sources
from provision.resolve.facts import lacking
from provision.resolve.rule_names import RuleName

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")


def nvidia(driver: str, *architectures: str, name: str | None = None, wsl: bool = False) -> Host:
    gpus = tuple(Gpu(vendor="nvidia", architecture=one, name=name) for one in architectures)
    return Host(gpus=gpus, drivers=(Driver(vendor="nvidia", version=driver),), wsl=wsl)


def refused(host: Host, **wishes: str) -> NoStackError:
    with pytest.raises(NoStackError) as caught:
        resolve(MINIATURE, host, Request(vendor=Vendor.CUDA, **wishes))  # type: ignore[arg-type] # text fields only
    return caught.value


def test_the_conflict_is_the_wish_and_the_rule_that_it_meets() -> None:
    error = refused(nvidia("470.82.01", "sm_75"), tensorflow="2.21")
    assert error.conflict == ("requested-tensorflow", "driver-minimum")
    assert (
        ". Every candidate breaks one of these rules: requested-tensorflow (the TensorFlow asked for); " in error.cause
    )
    assert error.text.endswith(" and what was asked for.")
    lines = rejections(error.rejected)
    assert "          requested-tensorflow" in lines


def test_without_a_wish_none_is_spoken_of() -> None:
    error = refused(nvidia("440.33.01", "sm_75"))
    assert error.conflict == ("driver-minimum",)
    assert ". Every candidate breaks this rule: driver-minimum (the driver must be new enough" in error.cause
    assert "asked for" not in error.text


def test_without_a_gpu_the_conflict_is_named_too() -> None:
    with pytest.raises(NoStackError) as caught:
        resolve(MINIATURE, Host(), Request(vendor=Vendor.CPU, tensorflow="2.21", base="alpine:3"))
    assert caught.value.conflict == ("requested-base",)
    assert "Every candidate breaks this rule: requested-base (the base image asked for)" in caught.value.cause


def test_the_newest_stack_is_told_as_such() -> None:
    request = Request(vendor=Vendor.CUDA)
    assert explanation(resolve(MINIATURE, nvidia("580.65.06", "sm_90"), request)) == [
        "Newest    nothing newer is in the catalogue"
    ]
    asked = resolve(MINIATURE, nvidia("580.65.06", "sm_90"), replace(request, tensorflow="2.18"))
    assert explanation(asked)[-1] == "Upgrade   no driver upgrade changes this."


def test_the_short_names_in_brackets_are_explained() -> None:
    lines = sources(MINIATURE, ["not taken: CORE and WINDOW [RN table 2, MVC]", "a warning [ARCH]"])
    assert [line[:10].strip() for line in lines] == ["Sources", "", ""]
    assert [line[10:].partition(":")[0] for line in lines] == ["RN", "MVC", "ARCH"]
    assert sources(MINIATURE, ["RN outside of brackets"]) == []


@pytest.mark.parametrize(
    ("host", "what", "step"),
    [
        (Host(gpus=(Gpu(vendor="nvidia"),), wsl=True), "NVIDIA GPU is", "run nvidia-smi in the WSL distribution"),
        (
            Host(gpus=(Gpu(vendor="nvidia", pci="0000:65:00.0"),)),
            "NVIDIA GPU 0000:65:00.0 is",
            "with nvidia-smi in PATH",
        ),
        (
            Host(gpus=(Gpu(vendor="amd", name="MI300X", device_id="74a1"),)),
            "AMD GPU MI300X (device id 74a1) is",
            "add the device id to the catalogue",
        ),
        (Host(gpus=(Gpu(vendor="amd"),), wsl=True), "AMD GPU is", "run kgpu-env probe in the WSL distribution"),
    ],
)
def test_an_unknown_architecture_is_told_with_the_hosts_own_step(host: Host, what: str, step: str) -> None:
    vendor = VENDORS[host.gpus[0].vendor]
    known = replace(host, drivers=(Driver(vendor=host.gpus[0].vendor, version="580.65.06"),))
    failure = lacking(known, vendor)
    assert failure is not None
    assert failure.text == f"The architecture of the {what} not known."
    assert step in failure.fix


@given(st.lists(st.frozensets(st.sampled_from(RuleName), min_size=1, max_size=4), min_size=1, max_size=12))
def test_a_conflict_covers_every_candidate_and_no_part_of_it_does(broken: list[frozenset[RuleName]]) -> None:
    found = set(smallest_cover(broken))
    assert all(one & found for one in broken)
    for rule in found:
        assert not all(one & (found - {rule}) for one in broken)


def test_two_wishes_are_given_up_where_one_is_not_enough() -> None:
    error = refused(nvidia("470.82.01", "sm_70"), tensorflow="2.21", python="3.13")
    assert "--tensorflow 2.14 --python 3.11" in [one.change for one in error.changes]


@pytest.mark.parametrize(
    ("wishes", "changes"),
    [
        ({"cuda": "13.0"}, ["--cuda 12.5", "--backend jax"]),
        ({"cuda": "13.0", "python": "3.13"}, ["--cuda 12.5", "--backend jax"]),
        ({"cuda": "13.0", "tensorflow": "2.21"}, ["--cuda 12.5"]),  # who names TensorFlow means it
        ({"cuda": "13.0", "backend": "tensorflow"}, ["--cuda 12.5"]),
        ({"python": "3.14"}, ["--python 3.11"]),  # no base image has it
    ],
)
def test_another_backend_is_named_where_it_fits_the_wish(wishes: dict[str, str], changes: list[str]) -> None:
    error = refused(nvidia("580.95.05", "sm_90"), **wishes)
    assert [one.change for one in error.changes] == changes
    backend = next((one for one in error.changes if one.change == "--backend jax"), None)
    assert backend is None or backend.gives.startswith("Keras on JAX 0.")


def test_a_base_with_cuda_is_named_for_wheels_that_need_one() -> None:
    error = refused(nvidia("580.65.06", "sm_90"), tensorflow="2.12")
    assert error.conflict == ("requested-tensorflow", "cuda-from-base")
    bases = [one.change for one in error.changes if one.change.startswith("--base")]
    assert bases == ["--base nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04"]


def test_an_unconfirmed_release_is_named_where_it_alone_fits(tmp_path: Path) -> None:
    for file in MINIATURE.directory.glob("*.yaml"):
        text = re.sub(r'(version: "2\.12\.1")', r'\1\n    confidence: "unconfirmed"', file.read_text())
        (tmp_path / file.name).write_text(text)
    request = Request(vendor=Vendor.CUDA, base="nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu20.04")
    with pytest.raises(NoStackError) as caught:
        resolve(Catalogue(tmp_path), nvidia("580.65.06", "sm_90"), request)
    assert "--tensorflow 2.12" in [one.change for one in caught.value.changes]


def test_gpus_that_no_stack_serves_together_are_told_apart() -> None:
    error = refused(nvidia("580.95.05", "sm_52", "sm_103"))
    assert [one.change for one in error.changes] == ["--gpus sm_103", "--gpus sm_52"]
    assert "TensorFlow 2.21" in error.changes[0].gives
    assert "TensorFlow 2.16" in error.changes[1].gives


@pytest.mark.parametrize(("driver", "fits"), [("528.33", True), ("528.32", False)])
def test_wsl_counts_the_windows_driver(driver: str, *, fits: bool) -> None:
    request = Request(vendor=Vendor.CUDA)
    found = resolve(MINIATURE, nvidia(driver, "sm_75", wsl=True), request)
    assert (found.framework.version == "2.21.0") is fits
    assert upgrades(MINIATURE, nvidia("527.56", "sm_75", wsl=True), request, found) == () or not fits


def test_windows_drivers_alone_are_named_below_wsl() -> None:
    host = nvidia("527.56", "sm_75", wsl=True)
    stack = resolve(MINIATURE, host, Request(vendor=Vendor.CUDA))
    assert [one.change for one in upgrades(MINIATURE, host, Request(vendor=Vendor.CUDA), stack)] == [
        "driver 528.33 or newer"
    ]


def test_what_has_ended_is_said_by_the_callers_date() -> None:
    host, request = nvidia("535.104.05", "sm_80"), Request(vendor=Vendor.CUDA, base="ubuntu:22.04")
    codes = {
        date: {one.code for one in resolve(MINIATURE, host, request, today=date).warnings}
        for date in ("2026-06-30", "2026-07-01", "2027-05-01")
    }
    assert not codes["2026-06-30"] & {"driver-ended", "base-ended"}
    assert codes["2026-07-01"] & {"driver-ended", "base-ended"} == {"driver-ended"}
    assert codes["2027-05-01"] >= {"driver-ended", "base-ended"}
    assert not {one.code for one in resolve(MINIATURE, host, request).warnings} & {"driver-ended", "base-ended"}


def forward(stack: Stack) -> str:
    return next((one.text for one in stack.warnings if one.code == "forward-compatibility"), "")


@pytest.mark.parametrize(
    ("name", "told"),
    [("NVIDIA H100 80GB HBM3", True), ("NVIDIA GeForce RTX 4090", False), ("NVIDIA RTX A6000", False)],
)
def test_forward_compatibility_is_for_data_centre_gpus(name: str, *, told: bool) -> None:
    stack = resolve(MINIATURE, nvidia("550.54.15", "sm_90", name=name), Request(vendor=Vendor.CUDA))
    assert bool(forward(stack)) is told


@pytest.mark.parametrize(("driver", "plain"), [("535.183.06", "2.16.2"), ("550.54.15", "2.18.1")])
def test_the_base_that_is_offered_really_gives_what_is_said(driver: str, plain: str) -> None:
    host = nvidia(driver, "sm_90", name="NVIDIA H100 80GB HBM3")
    stack = resolve(MINIATURE, host, Request(vendor=Vendor.CUDA))
    assert stack.framework.version == plain
    offered = re.match(r"--base (\S+) gives TensorFlow (\S+), CUDA (\S+) on", forward(stack))
    assert offered
    better = resolve(MINIATURE, host, Request(vendor=Vendor.CUDA, base=offered[1]))
    assert (better.framework.version, better.runtime.version) == (offered[2], offered[3])
    assert "stands in for the libcuda of driver" in forward(better)


def test_on_another_product_the_same_base_gives_no_newer_ptx() -> None:
    geforce = nvidia("535.183.06", "sm_90", name="NVIDIA GeForce RTX 4090")
    base = "nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04"
    with pytest.raises(NoStackError) as caught:
        resolve(MINIATURE, geforce, Request(vendor=Vendor.CUDA, base=base, tensorflow="2.21"))
    assert "ptx-driver" in {one.rule for one in caught.value.rejected}


def test_what_is_only_inferred_is_told_and_not_used() -> None:
    host = nvidia("470.256.02", "sm_70", name="Tesla V100-SXM2-16GB")
    text = forward(resolve(MINIATURE, host, Request(vendor=Vendor.CUDA)))
    offered = re.match(r"--base (\S+) may give .* inferred, so it is not used", text)
    assert offered
    with pytest.raises(NoStackError) as caught:
        resolve(MINIATURE, host, Request(vendor=Vendor.CUDA, base=offered[1]))
    assert "driver-minimum" in {one.rule for one in caught.value.rejected}


def test_forward_compatibility_is_not_offered_where_more_than_the_driver_stands_in_the_way() -> None:
    stack = resolve(MINIATURE, nvidia("470.256.02", "sm_37", name="Tesla K80"), Request(vendor=Vendor.CUDA))
    assert "forward-compatibility" not in {one.code for one in stack.warnings}


def test_a_base_with_an_old_c_library_is_refused(tmp_path: Path) -> None:
    for file in MINIATURE.directory.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace('glibc: "2.36"', 'glibc: "2.17"'))
    old = Catalogue(tmp_path)
    request = Request(vendor=Vendor.CUDA, base="debian:bookworm-slim")
    stack = resolve(old, nvidia("580.65.06", "sm_80"), request)
    assert {one.rule for one in stack.rejected} == {"glibc"}
    assert stack.framework.version == "2.20.0"


def test_equal_reasons_stand_together() -> None:
    def one(version: str, rule: str = "driver-minimum") -> Rejection:
        reason = f"driver 470.1 is too old for TensorFlow {version}, which needs 525.60.13"
        return Rejection(candidate=f"TensorFlow {version}, CUDA 12.5.1", rule=rule, reason=reason, source="RN")

    rejected = (one("2.21.0"), one("2.20.0"), one("2.19.1", "ptx-driver"), one("2.18.1"))
    assert [[other.candidate for other in others] for _, *others in grouped(rejected)] == [
        ["TensorFlow 2.20.0, CUDA 12.5.1", "TensorFlow 2.18.1, CUDA 12.5.1"],
        [],
    ]
    assert "          the same: TensorFlow 2.20.0, 2.18.1 (CUDA 12.5.1)" in rejections(rejected)


DRIVERS = [row.driver for row in load().nvidia.branches if row.driver]
ARCHITECTURES = [f"sm_{row.capability.replace('.', '')}" for row in load().nvidia.capabilities]


@settings(max_examples=40)
@given(st.sampled_from(DRIVERS), st.lists(st.sampled_from(ARCHITECTURES), min_size=1, max_size=2))
def test_every_change_that_is_named_resolves_to_what_it_promises(driver: str, architectures: list[str]) -> None:
    host, request = nvidia(driver, *architectures), Request(vendor=Vendor.CUDA)
    try:
        found = upgrades(load(), host, request, resolve(load(), host, request))
    except NoStackError as error:
        found = tuple(one for one in error.changes if one.change.startswith("driver "))
    for one in found:
        newer = nvidia(one.change.split()[1], *architectures)
        assert resolve(load(), newer, request).summary == one.gives


@cache
def older() -> Catalogue:
    """Return the shipped catalogue without its newest TensorFlow."""
    found = Catalogue(load().directory)
    found.__dict__["tensorflow"] = load().tensorflow[1:]
    return found


@settings(max_examples=40)
@given(st.sampled_from(DRIVERS), st.sampled_from(ARCHITECTURES))
def test_a_row_for_a_newer_release_never_breaks_older_hosts(driver: str, architecture: str) -> None:
    host, request = nvidia(driver, architecture), Request(vendor=Vendor.CUDA)
    try:
        before = resolve(older(), host, request)
    except NoStackError:
        return
    after = resolve(load(), host, request)
    assert after.framework.version == load().tensorflow[0].version or after.packages == before.packages

"""Keras on JAX or torch: asked for by name, or where no build of TensorFlow serves the GPUs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from provision.catalogue import Catalogue, load
from provision.errors import NoStackError, UsageError
from provision.model import Driver, DriverVersion, Gpu, Host, Request, Stack, Vendor, version_key
from provision.resolve import resolve, upgrades
from provision.resolve.explain import rejections
from provision.resolve.matrix import matrix, named_by
from provision.resolve.request import check_request
from provision.resolve.suggestions import rank

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

CUDA, ROCM, CPU = (Request(vendor=vendor) for vendor in (Vendor.CUDA, Vendor.ROCM, Vendor.CPU))


def nvidia(driver: str, *architectures: str, machine: str = "x86_64") -> Host:
    gpus = tuple(Gpu(vendor="nvidia", architecture=one) for one in architectures)
    return Host(gpus=gpus, drivers=(Driver(vendor="nvidia", version=driver),), architecture=machine)


def amd(release: str | None, *targets: str) -> Host:
    gpus = tuple(Gpu(vendor="amd", architecture=one) for one in targets)
    return Host(gpus=gpus, drivers=(Driver(vendor="amd", release=release, flavour="dkms" if release else "inbox"),))


def refused(host: Host, request: Request) -> NoStackError:
    with pytest.raises(NoStackError) as caught:
        resolve(MINIATURE, host, request)
    return caught.value


def codes(stack: Stack) -> set[str]:
    return {one.code for one in stack.warnings}


@pytest.mark.parametrize(
    ("host", "request_", "backend", "runtime", "rule"),
    [
        (nvidia("580.95.05", "sm_90", machine="aarch64"), CUDA, "jax", "13.0.2", "machine"),
        (nvidia("550.54.15", "sm_90", machine="arm64"), CUDA, "jax", "12.9.1", "machine"),
        (nvidia("470.256.02", "sm_80"), CUDA, "torch", "11.7.1", "driver-minimum"),
        (nvidia("580.95.05", "sm_52", "sm_100"), CUDA, "jax", "12.9.1", "gpu-code"),
        (amd("30.30", "gfx1102"), ROCM, "jax", "7.14.1", "tensorflow-accepts-gpu"),
        (amd(None, "gfx1103"), ROCM, "torch", "10.0.0", "tensorflow-accepts-gpu"),
        (amd(None, "gfx1150"), ROCM, "torch", "7.14.1", "tensorflow-accepts-gpu"),
    ],
)
def test_where_tensorflow_has_no_build_another_backend_stands_in(
    host: Host, request_: Request, backend: str, runtime: str, rule: str
) -> None:
    stack = resolve(MINIATURE, host, request_)
    assert (stack.backend, stack.framework.name, stack.runtime.version) == (backend, backend, runtime)
    warning = next(one for one in stack.warnings if one.code == "keras-fallback")
    assert rule in warning.text
    assert "TensorFlow" in stack.why
    assert {one.candidate.split()[0] for one in stack.rejected} >= {"TensorFlow"}


@pytest.mark.parametrize(
    ("host", "request_"), [(nvidia("580.95.05", "sm_90"), CUDA), (amd("30.30", "gfx942"), ROCM), (Host(), CPU)]
)
def test_where_tensorflow_serves_nothing_stands_in(host: Host, request_: Request) -> None:
    stack = resolve(MINIATURE, host, request_)
    assert stack.backend == "tensorflow"
    assert "keras-fallback" not in codes(stack)


def test_the_backend_tensorflow_forbids_the_others_and_names_them() -> None:
    error = refused(nvidia("580.95.05", "sm_90", machine="aarch64"), replace(CUDA, backend="tensorflow"))
    assert {one.candidate.split()[0] for one in error.rejected} == {"TensorFlow"}
    assert [one.change for one in error.changes] == ["--backend jax"]


def test_a_tensorflow_asked_for_by_name_is_not_replaced() -> None:
    error = refused(amd("30.30", "gfx1102"), replace(ROCM, tensorflow="2.20"))
    assert [one.change for one in error.changes] == ["--backend jax instead of --tensorflow"]


@pytest.mark.parametrize("wish", [{"python": "3.13"}, {"base": "ubuntu:20.04"}, {"cuda": "12.9"}])
def test_a_wish_that_tensorflow_could_not_meet_is_not_met_by_another_backend(wish: dict[str, str]) -> None:
    host = nvidia("470.256.02", "sm_70")  # TensorFlow 2.14 serves it, with Python up to 3.11
    assert {one.rule for one in refused(host, replace(CUDA, **wish)).rejected} & {
        *("requested-python", "python", "requested-base", "requested-cuda")
    }


def test_a_wish_beside_a_gpu_that_tensorflow_does_not_serve_is_kept() -> None:
    stack = resolve(MINIATURE, nvidia("580.95.05", "sm_90", machine="aarch64"), replace(CUDA, python="3.11"))
    assert (stack.framework.version, stack.python) == ("0.10.2", "3.11")


def test_a_rule_of_the_site_against_tensorflow_is_not_gone_round(tmp_path: Path) -> None:
    rule = '- {id: "old", subject: "tensorflow", newest: "2.9", source: "s", checked: "2026-11-01"}\n'
    (tmp_path / "site_policy.yaml").write_text(f"rules:\n  {rule}")
    with pytest.raises(NoStackError):
        resolve(Catalogue(MINIATURE.directory, overlay=tmp_path), nvidia("580.95.05", "sm_90"), CUDA)


def test_a_rule_of_the_site_holds_for_a_backend(tmp_path: Path) -> None:
    rule = '- {id: "vetted", subject: "jax", newest: "0.10", source: "s", checked: "2026-11-01"}\n'
    (tmp_path / "site_policy.yaml").write_text(f"rules:\n  {rule}")
    own = Catalogue(MINIATURE.directory, overlay=tmp_path)
    for host, request in ((nvidia("580.95.05", "sm_90"), CUDA), (amd("30.30", "gfx942"), ROCM), (Host(), CPU)):
        stack = resolve(own, host, replace(request, backend="jax"))
        assert stack.framework.version.startswith("0.10.")


def test_an_unconfirmed_build_is_taken_by_its_runtimes_name_alone(tmp_path: Path) -> None:
    text = (MINIATURE.directory / "keras.yaml").read_text()
    start = text.index('  - id: "torch-2.15.0-cuda13"')
    row = text[start : text.index('  - id: "torch-2.10.0-cuda12"')].replace(
        "    packages:", '    confidence: "unconfirmed"\n    packages:'
    )
    (tmp_path / "keras.yaml").write_text(f"keras_cuda:\n{row}")
    own = Catalogue(MINIATURE.directory, overlay=tmp_path)
    asked, host = replace(CUDA, backend="torch"), nvidia("580.95.05", "sm_90")
    assert resolve(own, host, asked).framework.version == "2.10.0"
    stack = resolve(own, host, replace(asked, cuda="13.2"))
    assert stack.framework.version == "2.15.0"
    assert "unconfirmed" in codes(stack)


def test_two_makers_get_tensorflow_before_what_stands_in_for_it() -> None:
    one, two = nvidia("470.256.02", "sm_80"), amd("30.30", "gfx942")
    both = Host(gpus=one.gpus + two.gpus, drivers=one.drivers + two.drivers)
    assert resolve(MINIATURE, both, Request()).vendor is Vendor.ROCM
    assert resolve(MINIATURE, both, Request(backend="torch")).vendor is Vendor.CUDA


def test_the_cpu_has_jax_and_torch() -> None:
    jax = resolve(MINIATURE, Host(), replace(CPU, backend="jax"))
    assert jax.packages[:2] == (f"jax=={jax.framework.version}", f"jaxlib=={jax.framework.version}")
    assert not [one for one in jax.packages if "tensorflow" in one]
    torch = resolve(MINIATURE, Host(), replace(CPU, backend="torch"))
    assert torch.indexes == ("https://download.pytorch.org/whl/cpu",)
    assert refused(Host(architecture="aarch64"), replace(CPU, backend="torch")).rejected[0].rule == "machine"


def test_every_gpu_of_an_amd_host_is_installed_for() -> None:
    stack = resolve(MINIATURE, amd(None, "gfx1103", "gfx1151"), ROCM)
    assert "torch[device-gfx1103,device-gfx1151]==2.13.0+rocm10.0.0" in stack.packages


def test_jax_on_rocm_finds_the_core_sdk() -> None:
    assert "_rocm_sdk_core/lib" in resolve(MINIATURE, amd("30.30", "gfx1102"), ROCM).settings.env["LD_LIBRARY_PATH"]


def test_a_tensorflow_and_another_backend_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        check_request(Request(tensorflow="2.21", backend="jax"))


def test_the_upgrade_of_a_fallback_is_tensorflow() -> None:
    host = nvidia("470.256.02", "sm_80")
    found = upgrades(MINIATURE, host, CUDA, resolve(MINIATURE, host, CUDA))
    assert [one.change for one in found] == ["driver 520.61.05 or newer", "driver 525.60.13 or newer"]
    assert all(one.gives.startswith("TensorFlow") for one in found)


def test_the_matrix_tells_what_stands_in() -> None:
    cells = {(one.driver, one.gpu): one for one in matrix(MINIATURE, Vendor.CUDA)}
    assert cells["470.42.01", "sm_80"].framework == "torch 2.0.1"
    assert cells["470.42.01", "sm_80"].backend == "torch"
    assert cells["525.60.13", "sm_80"].backend == "tensorflow"


def test_equal_reasons_of_two_frameworks_stand_apart() -> None:
    lines = rejections(refused(nvidia("590.48.01", "sm_70"), CUDA).rejected)
    assert [line.split()[1] for line in lines if line.startswith("Not")] == ["TensorFlow", "JAX", "torch"]
    assert "          the same: JAX 0.12.0.1 (CUDA 12.9.1); 0.10.2 (CUDA 13.0.2, 12.9.1)" in lines


def test_rows_of_keras_tell_what_they_need() -> None:
    row = next(row for row in MINIATURE.listing().rows if row["id"] == "cudnn-9.26.0.51")
    assert named_by(MINIATURE, "cudnn", row) == ("torch-2.15.0-cuda13",)


DRIVERS = [row.driver for row in load().nvidia.branches if row.driver]
ARCHITECTURES = [f"sm_{row.capability.replace('.', '')}" for row in load().nvidia.capabilities]
RELEASES = [row.release for row in load().amd.drivers]
TARGETS = [row.target for row in load().amd.targets]
MACHINES = ["x86_64", "aarch64"]
ASKED = st.sampled_from([None, "tensorflow", "jax", "torch"])


def attempt(host: Host, request: Request) -> Stack | NoStackError:
    try:
        return resolve(load(), host, request)
    except NoStackError as error:
        return error


@settings(max_examples=60)
@given(st.sampled_from(DRIVERS), st.lists(st.sampled_from(ARCHITECTURES), min_size=1), st.sampled_from(MACHINES), ASKED)
def test_never_a_stack_above_the_driver_nor_a_candidate_twice(
    driver: str, architectures: list[str], machine: str, backend: str | None
) -> None:
    request = replace(CUDA, backend=backend)
    found = attempt(nvidia(driver, *architectures, machine=machine), request)
    assert len({one.candidate for one in found.rejected}) == len(found.rejected)
    if isinstance(found, Stack):
        assert found.backend == (backend or found.backend)
        family = next(row for row in load().nvidia.families if row.major == found.runtime.version.split(".")[0])
        assert DriverVersion(driver) >= DriverVersion(family.driver)
    again = attempt(nvidia(driver, *architectures, machine=machine), request)
    assert found == again if isinstance(found, Stack) else found.args == again.args  # type: ignore[union-attr] # an error too


@settings(max_examples=60)
@given(*(st.sampled_from(DRIVERS),) * 2, st.sampled_from(ARCHITECTURES), st.sampled_from(MACHINES), ASKED)
def test_a_newer_driver_never_worsens_the_pick(
    one: str, two: str, architecture: str, machine: str, backend: str | None
) -> None:
    older, newer = sorted((one, two), key=version_key)
    request = replace(CUDA, backend=backend)
    before, after = (attempt(nvidia(driver, architecture, machine=machine), request) for driver in (older, newer))
    if isinstance(before, NoStackError):
        return
    if isinstance(after, NoStackError):  # only a branch that no longer drives the GPU may do so
        assert "driver-drives-gpu" in {rejected.rule for rejected in after.rejected}
        return
    ages = [(rank(stack.backend), version_key(stack.framework.version)) for stack in (before, after)]
    assert ages == sorted(ages)


@settings(max_examples=60)
@given(st.sampled_from(RELEASES), st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2), ASKED)
def test_every_amd_gpu_is_served_within_the_window(release: str, targets: list[str], backend: str | None) -> None:
    found = attempt(amd(release, *targets), replace(ROCM, backend=backend))
    assert len({one.candidate for one in found.rejected}) == len(found.rejected)
    if isinstance(found, Stack) and found.backend != "tensorflow":
        row = next(
            row
            for row in load().keras.of(Vendor.ROCM)
            if (row.backend, row.version, row.release)
            == (found.backend, found.framework.version, found.runtime.version)
        )
        assert set(targets) <= set(row.targets)
        assert row.series in next(one for one in load().amd.drivers if one.release == release).series


@settings(max_examples=30)
@given(st.sampled_from(DRIVERS), st.sampled_from(ARCHITECTURES), st.sampled_from(MACHINES), ASKED)
def test_every_change_that_is_named_resolves_to_what_it_promises(
    driver: str, architecture: str, machine: str, backend: str | None
) -> None:
    host, request = nvidia(driver, architecture, machine=machine), replace(CUDA, backend=backend)
    found = attempt(host, request)
    changes = upgrades(load(), host, request, found) if isinstance(found, Stack) else found.changes
    for one in changes:
        word, _, value = one.change.partition(" ")
        if word == "driver":
            newer = nvidia(value.split()[0], architecture, machine=machine)
            assert resolve(load(), newer, request).summary == one.gives
        elif word == "--backend":
            assert resolve(load(), host, replace(request, backend=value)).summary == one.gives

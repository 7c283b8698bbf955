"""Which GPUs a stack is for, what is said of the others, and what is not known: on the miniature catalogue."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.errors import NoStackError, UsageError
from provision.model import Driver, Finding, Gpu, Host, Request, Severity, Stack, Vendor
from provision.resolve import resolve
from provision.resolve.facts import class_of
from provision.resolve.working import cause_of, narrowed, warnings_of

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
DRIVERS = (Driver(vendor="nvidia", version="580.95.05"), Driver(vendor="amd", release="30.30", flavour="dkms"))


def gpu(architecture: str | None, place: int = 1, *, unusable: str = "", integrated: bool = False) -> Gpu:
    vendor = "amd" if (architecture or "").startswith("gfx") else "nvidia"
    return Gpu(
        vendor=vendor,  # type: ignore[arg-type] # one of the two
        architecture=architecture,
        pci=f"0000:{place:02x}:00.0",
        usable=not unusable,
        unusable=unusable,
        integrated=integrated,
    )


def host(*gpus: Gpu, findings: tuple[Finding, ...] = ()) -> Host:
    return Host(gpus=gpus, drivers=DRIVERS, findings=findings)


def pick(here: Host, **wishes: str) -> Stack:
    return resolve(MINIATURE, here, Request(**wishes))  # type: ignore[arg-type] # text fields only


def refusal(here: Host, **wishes: str) -> NoStackError:
    with pytest.raises(NoStackError) as caught:
        pick(here, **wishes)
    return caught.value


def told(stack: Stack) -> list[tuple[str, str]]:
    return [(one.code, one.text) for one in stack.warnings if one.code.startswith("KGE-") or one.code == "gpu-unusable"]


def test_an_unusable_gpu_is_left_out_and_named() -> None:
    stack = pick(host(gpu("sm_80"), gpu("sm_37", 2, unusable="it is held by vfio-pci (KGE-102)")))
    assert (stack.gpus, stack.framework.version) == (("sm_80",), pick(host(gpu("sm_80"))).framework.version)
    assert told(stack) == [("gpu-unusable", "the GPU at 0000:02:00.0 is left out: it is held by vfio-pci (KGE-102)")]


def test_the_vendor_is_the_one_with_a_usable_gpu() -> None:
    here = host(gpu("sm_80", unusable="no driver"), gpu("gfx1100", 2))
    stack = pick(here)
    assert (stack.vendor, told(stack), [one.code for one in stack.warnings if one.code == "mixed-vendors"]) == (
        Vendor.ROCM,
        [],
        [],
    )


@pytest.mark.parametrize(
    ("findings", "codes"),
    [
        ((Finding(code="KGE-140", severity=ERROR, text="The CDI spec is stale.", fix="Write it."),), ["KGE-140"]),
        ((Finding(code="KGE-134", severity=WARNING, text="The GPU at 0000:01:00.0 is sick."),), ["KGE-134"]),
        ((Finding(code="KGE-134", severity=WARNING, text="The GPU at 0000:09:00.0 is sick."),), []),
        ((Finding(code="KGE-140", severity=INFO, text="The CDI spec is new."),), []),
        ((Finding(code="KGE-140", severity=ERROR, text="The AMD spec is stale."),), []),
        ((Finding(code="KGE-148", severity=ERROR, text="The CPU has no AVX."),), []),  # not about a GPU
        ((Finding(code="KGE-199", severity=ERROR, text="Nobody knows."),), []),
    ],
)
def test_findings_about_the_gpus_that_are_worked_on_are_repeated(
    findings: tuple[Finding, ...], codes: list[str]
) -> None:
    stack = pick(host(gpu("sm_80"), findings=findings))
    assert [code for code, _ in told(stack)] == codes
    assert all(text == f"{findings[0].text} {findings[0].fix}".strip() for _, text in told(stack))


def test_nothing_is_said_of_gpus_for_a_stack_without_one() -> None:
    assert warnings_of(host(gpu("sm_80", unusable="no driver")), Vendor.CPU) == ()


def test_no_usable_gpu_is_refused_with_the_finding_to_mend_first() -> None:
    general = Finding(
        code="KGE-102", severity=ERROR, text="The NVIDIA GPU at 0000:01:00.0 has no driver.", fix="modprobe"
    )
    cause = Finding(code="KGE-120", severity=ERROR, text="The NVIDIA GPU at 0000:01:00.0: Secure Boot.", fix="Enrol.")
    error = refusal(host(gpu("sm_80", unusable="no driver"), findings=(general, cause)))
    assert (error.code, error.cause, error.fix) == ("KGE-211", cause.text, "Enrol.")
    error = refusal(host(gpu("sm_80", unusable="it was not taken")))
    assert (error.code, error.cause) == ("KGE-211", "it was not taken")


@pytest.mark.parametrize("vendor", [Vendor.AUTO, Vendor.CUDA])
def test_a_host_without_a_gpu_repeats_the_error_that_tells_why(vendor: Vendor) -> None:
    tegra = Finding(code="KGE-110", severity=ERROR, text="This is an NVIDIA Tegra.", fix="Use NVIDIA's images.")
    error = refusal(host(findings=(tegra,)), vendor=vendor)
    assert (error.code, error.text, error.fix) == ("KGE-210", tegra.text, tegra.fix)
    assert "KGE-110" in error.cause
    assert "--vendor cpu" in refusal(host()).fix
    assert refusal(host(findings=(tegra,)), vendor=Vendor.ROCM).text == "The host has no AMD GPU."


def test_what_the_architecture_of_a_gpu_hangs_on_is_its_own_finding() -> None:
    old = Finding(code="KGE-116", severity=WARNING, text="The kernel is too old for 0000:01:00.0.", fix="Boot another.")
    tools = Finding(code="KGE-115", severity=WARNING, text="There is no toolkit.", fix="Install it.")
    amd = replace(gpu(None), vendor="amd", device_id="74a1")
    error = refusal(host(amd, findings=(tools, old)))
    assert (error.code, error.cause) == ("KGE-213", old.text)
    assert error.fix == "Boot another, or set gpus[].architecture in the host file"
    error = refusal(host(amd, findings=(tools,)))
    assert "device id 74a1" in error.text
    assert "Install it" not in error.fix


@pytest.mark.parametrize(
    ("words", "gpus"),
    [("0", ("sm_80",)), ("0000:02:00.0", ("sm_70",)), ("sm_70", ("sm_70",)), ("0,sm_70", ("sm_70", "sm_80"))],
)
def test_gpus_are_chosen_by_number_address_and_architecture(words: str, gpus: tuple[str, ...]) -> None:
    assert pick(host(gpu("sm_80"), gpu("sm_70", 2)), gpus=words).gpus == gpus


def test_who_is_named_is_worked_on_and_decides_the_vendor() -> None:
    here = host(gpu("sm_80"), gpu("gfx1100", 2), gpu("gfx1036", 3, integrated=True))
    assert pick(here, gpus="gfx1100").vendor is Vendor.ROCM
    on, vendors = narrowed(here, (Vendor.CUDA, Vendor.ROCM), "gfx1100,gfx1036")
    assert vendors == (Vendor.ROCM,)
    assert [one.architecture for one in class_of(on, Vendor.ROCM).gpus] == ["gfx1100", "gfx1036"]


@pytest.mark.parametrize("words", ["7", "sm_37"])
def test_a_gpu_that_is_not_there_or_not_usable_is_refused(words: str) -> None:
    with pytest.raises(UsageError) as caught:
        pick(host(gpu("sm_80"), gpu("sm_37", 2, unusable="no driver")), gpus=words)
    assert caught.value.code == "KGE-306"
    with pytest.raises(UsageError) as caught:
        pick(host(gpu("sm_80"), gpu("gfx1100", 2, unusable="it has no KFD node")), gpus="gfx1100")
    assert "no NVIDIA GPU 'gfx1100'; the AMD GPU 'gfx1100' of this host cannot be used" in caught.value.text
    assert "it has no KFD node" in caught.value.cause


def test_the_subset_that_has_a_stack_is_named_and_serves() -> None:
    here = host(gpu("gfx1100"), gpu("gfx803", 2))
    error = refusal(here)
    (change,) = error.changes
    assert (change.change, "no stack serves gfx803" in change.gives) == ("--gpus gfx1100", True)
    assert error.fix.startswith("ask for --gpus gfx1100 (ROCm ")
    assert pick(here, gpus="gfx1100").gpus == ("gfx1100",)


@pytest.mark.parametrize(
    ("here", "wishes", "unknown"),
    [
        (host(gpu("sm_130")), {}, "sm_130"),
        (host(gpu("gfx1310")), {}, "gfx1310"),
        (host(gpu("sm_80")), {"tensorflow": "9.9"}, "TensorFlow 9.9"),
        (host(gpu("sm_80")), {"cuda": "99.1"}, "CUDA 99.1"),
        (host(gpu("gfx1100")), {"rocm": "99.1"}, "ROCm 99.1"),
    ],
)
def test_what_no_row_speaks_of_is_said_to_be_unknown(here: Host, wishes: dict[str, str], unknown: str) -> None:
    error = refusal(here, **wishes)
    assert error.cause.startswith(f"the catalogue does not know {unknown}: its newest fact was checked on 2026-")
    assert "--catalogue DIR" in error.fix
    assert "no option" not in error.fix


def test_the_last_word_of_a_refusal_is_not_the_cpu() -> None:
    error = refusal(host(gpu("gfx803")))
    assert "does not know" not in refusal(host(gpu("gfx1036")), tensorflow="2.12").cause
    assert "--vendor cpu" in error.fix
    assert error.fix.endswith("add a row for it (--catalogue DIR, see docs/catalogue.md)")


@pytest.mark.parametrize(
    ("driver", "taken_for"),
    [
        (Driver(vendor="amd", release="31.30", version="6.19.4", flavour="dkms"), "30.30"),  # its row tells no ROCm
        (Driver(vendor="amd", release="31.60", flavour="dkms"), "31.50"),  # it has no row
        (Driver(vendor="amd", version="6.17.0", flavour="dkms"), "30.30"),
    ],
)
def test_a_driver_of_which_nothing_is_known_is_taken_for_the_one_before(driver: Driver, taken_for: str) -> None:
    stack = pick(replace(host(gpu("gfx942")), drivers=(driver,)))
    (warning,) = (one.text for one in stack.warnings if one.code == "driver-unlisted")
    assert warning.endswith(f"taken for release {taken_for}")


@pytest.mark.parametrize(("driver", "taken_for"), [("700.10", "R615, CUDA 13.4"), ("560.35.03", ""), ("585.1", "R580")])
def test_a_driver_branch_without_a_row_is_served_and_told(driver: str, taken_for: str) -> None:
    here = replace(host(gpu("sm_90")), drivers=(Driver(vendor="nvidia", version=driver),))
    told = [one.text for one in pick(here).warnings if one.code == "driver-unlisted"]
    assert len(told) == bool(taken_for)
    assert all(f"R{driver[:3]} is not in the catalogue (its newest fact was checked on" in one for one in told)
    assert all(f"taken for {taken_for}" in one for one in told)
    windows = replace(here, wsl=True)
    assert "driver-unlisted" not in {one.code for one in pick(windows).warnings}


def test_a_release_between_two_rows_is_not_known_either() -> None:
    assert refusal(host(gpu("sm_90")), tensorflow="2.19.7").cause.startswith(
        "the catalogue does not know TensorFlow 2.19.7"
    )
    assert "does not know" not in refusal(host(gpu("sm_90")), tensorflow="2.4").cause


@pytest.mark.parametrize(
    ("here", "fix"),
    [
        (
            replace(host(gpu("sm_61")), drivers=(Driver(vendor="nvidia", version="550.9", flavour="open"),)),
            "proprietary",
        ),
        (
            replace(host(gpu("sm_120")), drivers=(Driver(vendor="nvidia", version="580.9", flavour="proprietary"),)),
            "open",
        ),
    ],
)
def test_a_module_of_the_wrong_flavour_drives_nothing(here: Host, fix: str) -> None:
    error = resolve_shipped(here)
    assert error.conflict == ("driver-drives-gpu",)
    assert error.fix.startswith(f"Install the {fix} flavour of the driver")


def test_an_amd_driver_older_than_the_gpu_is_to_be_upgraded() -> None:
    old = Driver(vendor="amd", release="6.2", flavour="dkms")
    error = resolve_shipped(replace(host(gpu("gfx950")), drivers=(old,)))
    assert "driver-drives-gpu" in error.conflict
    assert error.fix == "upgrade the driver to 30.10 or newer"
    seen = replace(gpu("gfx950"), kfd_node=3)  # KFD has it, whatever the rows say
    assert resolve(load(), replace(host(seen), drivers=(old,)), Request()).gpus == ("gfx950",)


def test_a_module_version_and_a_release_are_told_apart() -> None:
    unknown = replace(host(gpu("gfx942")), drivers=(Driver(vendor="amd", version="5.13.0", flavour="dkms"),))
    error = resolve_shipped(unknown)
    assert "amdgpu (module 5.13.0)" in error.text
    assert error.fix.startswith("upgrade the driver to release 6.")


def driven_by(release: str, *targets: str) -> Host:
    return replace(host(*map(gpu, targets)), drivers=(Driver(vendor="amd", release=release, flavour="dkms"),))


def test_what_is_unconfirmed_of_a_gpu_is_served_by_name_alone() -> None:
    assert resolve(load(), driven_by("6.3", "gfx906"), Request()).backend == "torch"
    stack = resolve(load(), driven_by("6.3", "gfx906"), Request(rocm="6.3", backend="tensorflow"))
    assert (stack.gpus, [one.code for one in stack.warnings][:1]) == (("gfx906",), ["unconfirmed"])


def test_a_driver_that_left_the_rocm_of_a_gpu_behind_is_told_to_go_back() -> None:
    error = resolve_shipped(driven_by("31.40", "gfx906"))
    assert error.fix == "go back to a driver of release 30.30"


def test_a_driver_and_a_name_are_told_where_neither_is_enough() -> None:
    asked = Request(backend="tensorflow")
    with pytest.raises(NoStackError) as caught:
        resolve(load(), driven_by("5.5", "gfx906"), asked)
    assert caught.value.fix == "upgrade the driver to 6.0 or newer and ask for --rocm 6.2"


@pytest.mark.parametrize(
    ("target", "request_", "told", "env"),
    [
        ("gfx1201", Request(backend="torch"), 1, {"TORCH_BLAS_PREFER_HIPBLASLT": "0"}),
        ("gfx1100", Request(backend="torch"), 0, {}),
        ("gfx942", Request(rocm="7.0"), 1, {}),
        ("gfx942", Request(rocm="7.2"), 0, {}),
    ],
)
def test_what_is_known_to_go_wrong_is_told_and_set_right(
    target: str, request_: Request, told: int, env: dict[str, str]
) -> None:
    stack = resolve(MINIATURE, driven_by("30.30", target), request_)
    assert sum(one.code == "known-defect" for one in stack.warnings) == told
    assert {name: value for name, value in stack.settings.env.items() if name != "LD_LIBRARY_PATH"} == env


def resolve_shipped(here: Host) -> NoStackError:
    """Return the refusal by the shipped catalogue, for rows that the miniature one lacks."""
    with pytest.raises(NoStackError) as caught:
        resolve(load(), here, Request())
    return caught.value


def test_the_cause_of_a_host_may_lie_in_no_rung() -> None:
    assert cause_of(host(findings=(Finding(code="KGE-104", severity=ERROR, text="x"),))) is None

"""The rules for AMD GPUs: which ROCm and which framework's build accept the GPUs and run on the driver."""

from typing import Final

from provision.catalogue import Catalogue, rows
from provision.model import Backend, Driver, version_key
from provision.resolve.rocm_candidate import Candidate, Facts, Keras, TensorFlow, framework
from provision.resolve.rule_names import RuleName
from provision.resolve.rules import REQUESTED, Broken, Rule, house, matches

_PARTITIONS_SINCE = "6.4.1"
_WHOLE = {None, "SPX"}
_ACCEPTS: Final[dict[Backend, RuleName]] = {
    "tensorflow": RuleName.TENSORFLOW_ACCEPTS_GPU,
    "jax": RuleName.JAX_ACCEPTS_GPU,
    "torch": RuleName.TORCH_ACCEPTS_GPU,
}


def requested_tensorflow(candidate: TensorFlow) -> Broken | None:
    """The TensorFlow asked for."""
    asked, have = candidate.facts.request.tensorflow, candidate.build.tensorflow
    if matches(have, asked) or (asked and have.count(".") == 1 and asked == f"{have}.0"):
        return None
    return Broken(RuleName.REQUESTED_TENSORFLOW, f"TensorFlow {asked} was asked for", REQUESTED)


def requested_rocm(candidate: Candidate) -> Broken | None:
    """The ROCm asked for."""
    asked = candidate.facts.request.rocm
    if matches(candidate.release, asked) or matches(candidate.build.rocm, asked):
        return None
    return Broken(RuleName.REQUESTED_ROCM, f"ROCm {asked} was asked for", REQUESTED)


def requested_python(candidate: Candidate) -> Broken | None:
    """The Python asked for; each build's base has one."""
    asked = candidate.facts.request.python
    if asked in (None, candidate.python):
        return None
    reason = f"it is published for Python {candidate.python}, and {asked} was asked for"
    return Broken(RuleName.REQUESTED_PYTHON, reason, candidate.build.source)


def requested_base(candidate: Candidate) -> Broken | None:
    """The base image asked for."""
    asked = candidate.facts.request.base
    if asked in (None, candidate.base):
        return None
    return Broken(RuleName.REQUESTED_BASE, f"the base {asked} was asked for, and this is {candidate.base}", REQUESTED)


def house_rules(candidate: Candidate) -> Broken | None:
    """What the site allows."""
    catalogue = candidate.facts.catalogue
    if not catalogue.house:
        return None
    wanted = (
        (candidate.backend, candidate.version),
        ("rocm", candidate.release),
        ("python", candidate.python),
        ("base", candidate.base),
    )
    return next((broken for subject, value in wanted if (broken := house(catalogue, subject, value))), None)


def confirmed(candidate: Candidate) -> Broken | None:
    """A build that nobody was seen to use is taken only when its ROCm is asked for by name."""
    build = candidate.build
    if build.confidence != "unconfirmed" or candidate.facts.request.rocm:
        return None
    reason = f"unconfirmed: {build.note}; ask for it with --rocm {build.rocm}"
    return Broken(RuleName.CONFIRMED, reason, build.source)


def machine(candidate: Candidate) -> Broken | None:
    """AMD publishes for x86_64."""
    if candidate.facts.machine == "x86_64":
        return None
    reason = f"AMD publishes {framework(candidate)} for x86_64, and this is {candidate.facts.machine}"
    return Broken(RuleName.MACHINE, reason, candidate.build.source)


def wsl(candidate: Candidate) -> Broken | None:
    """AMD's TensorFlow is for Linux, not for WSL2; of the others the catalogue has no build for it."""
    if not candidate.facts.wsl:
        return None
    if isinstance(candidate, Keras):
        reason = f"the catalogue has no build of {framework(candidate)} for WSL2"
        return Broken(RuleName.WSL, reason, candidate.build.source)
    reason = "AMD documents TensorFlow for Linux only, and this is WSL2"
    return Broken(RuleName.WSL, reason, "AMD-Ecosystem/ai-ecosystem, docs/frameworks/tensorflow/install.rst")


def build_accepts_gpu(candidate: Candidate) -> Broken | None:
    """A framework ignores a GPU that it was not built for, and trains on the CPU."""
    for gpu in candidate.facts.gpus:
        if gpu.architecture not in candidate.build.targets:
            reason = f"{gpu.architecture} is not among the GPUs of its {framework(candidate)} build"
            return Broken(_ACCEPTS[candidate.backend], reason, candidate.build.source)
    return None


def rocm_supports_gpu(candidate: Candidate) -> Broken | None:
    """ROCm itself lists the GPU, which is another list than the framework's."""
    row = next(row for row in candidate.facts.catalogue.amd.rocm if row.series == candidate.build.rocm)
    for gpu in candidate.facts.gpus:
        if gpu.architecture not in row.targets:
            reason = f"{gpu.architecture} is not among the GPUs of ROCm {row.series}"
            return Broken(RuleName.ROCM_SUPPORTS_GPU, reason, row.source)
    return None


def driver_window(candidate: Candidate) -> Broken | None:
    """A driver release runs the ROCm releases of a window around its own."""
    window, build, driver = candidate.facts.window, candidate.build, candidate.facts.driver
    if driver.flavour == "inbox" or (window and build.rocm in window.rocm):
        return None  # no table covers the kernel's own driver: the stack carries a warning instead
    if window is None:
        reason = f"the catalogue has no row for amdgpu driver {driver.release or driver.version}"
        return Broken(RuleName.DRIVER_WINDOW, reason, "kgpu-env catalogue, amd.yaml")
    runs = f"runs ROCm {window.rocm[0]} to {window.rocm[-1]}" if window.rocm else "has no row in AMD's table"
    reason = f"no source says that driver {window.release} runs ROCm {build.rocm}: it {runs}"
    return Broken(RuleName.DRIVER_WINDOW, reason, window.source)


def partitions(candidate: Candidate) -> Broken | None:
    """Older ROCm does not see the partitions of a GPU."""
    split = next((gpu.partition for gpu in candidate.facts.gpus if gpu.partition not in _WHOLE), None)
    if split is None or version_key(candidate.release) >= version_key(_PARTITIONS_SINCE):
        return None
    reason = f"the GPU is partitioned ({split}), which ROCm sees from {_PARTITIONS_SINCE} on"
    return Broken(RuleName.PARTITIONS, reason, "ROCm/container-toolkit, requirements.rst")


# What decides about every build, whatever the framework.
BUILD_RULES: tuple[Rule[Candidate], ...] = (
    requested_rocm,
    requested_python,
    requested_base,
    house_rules,
    machine,
    wsl,
    rocm_supports_gpu,
    build_accepts_gpu,
    driver_window,
    partitions,
    confirmed,
)
RULES: tuple[Rule[TensorFlow], ...] = (requested_tensorflow, *BUILD_RULES)


def window_of(catalogue: Catalogue, driver: Driver) -> rows.AmdDriver | None:
    """Return the driver's row, by release or else by the nearest older version; None when there is none."""
    release = ".".join((driver.release or "").split(".")[:2])
    by_release = next((row for row in catalogue.amd.drivers if row.release == release), None)
    if by_release or driver.version is None:
        return by_release
    older = [
        (version_key(version), row)
        for row in catalogue.amd.drivers
        for version in row.sysfs
        if version_key(version) <= version_key(driver.version)
    ]
    return max(older, key=lambda pair: pair[0])[1] if older else None


def _age(row: rows.RocmBuild) -> tuple[tuple[int, ...], ...]:
    return version_key(row.tensorflow)[:2], version_key(row.rocm), version_key(row.version), version_key(row.python)


def candidates(facts: Facts) -> list[TensorFlow]:
    """Return every build, newest TensorFlow first, then newest ROCm, then newest Python.

    A build's image comes before its wheels, which are only a candidate when their base is asked for.
    """
    builds = sorted(
        facts.catalogue.amd.builds,
        key=_age,
        reverse=True,
    )
    asked = facts.request.base
    return [
        TensorFlow(facts, build, build.wheel if build.wheel and build.wheel.base == asked else None) for build in builds
    ]

"""The rules for AMD GPUs: which ROCm and TensorFlow build accept the GPUs and run on the driver."""

from typing import NamedTuple

from provision.catalogue import Catalogue, rows
from provision.model import Driver, Gpu, Request, version_key
from provision.resolve.rules import Broken, Rule, house, matches

_ASKED = "what was asked for"
_PARTITIONS_SINCE = "6.4.1"
_WHOLE = {None, "SPX"}


class Facts(NamedTuple):
    """What the rules look at beside the candidate."""

    catalogue: Catalogue
    request: Request
    driver: Driver
    window: rows.AmdDriver | None  # None: no row covers the driver
    gpus: tuple[Gpu, ...]
    machine: str
    wsl: bool


class Candidate(NamedTuple):
    """A build, as its image or as wheels on a plain base."""

    facts: Facts
    build: rows.RocmBuild
    wheel: rows.RocmWheel | None = None

    @property
    def label(self) -> str:
        """The candidate as a person would name it."""
        build = self.build
        system = f", Ubuntu {build.ubuntu}" if build.ubuntu else ""
        return f"TensorFlow {build.tensorflow}, ROCm {build.version}, Python {build.python}{system}"

    @property
    def base(self) -> str:
        """The image that the Dockerfile starts from."""
        return self.wheel.base if self.wheel else self.build.image


def requested_tensorflow(candidate: Candidate) -> Broken | None:
    """The TensorFlow asked for."""
    asked, have = candidate.facts.request.tensorflow, candidate.build.tensorflow
    if matches(have, asked) or (asked and have.count(".") == 1 and asked == f"{have}.0"):
        return None
    return Broken("requested-tensorflow", f"TensorFlow {asked} was asked for", _ASKED)


def requested_rocm(candidate: Candidate) -> Broken | None:
    """The ROCm asked for."""
    asked = candidate.facts.request.rocm
    if matches(candidate.build.version, asked) or matches(candidate.build.rocm, asked):
        return None
    return Broken("requested-rocm", f"ROCm {asked} was asked for", _ASKED)


def requested_python(candidate: Candidate) -> Broken | None:
    """The Python asked for; each build has one."""
    asked = candidate.facts.request.python
    if asked in (None, candidate.build.python):
        return None
    reason = f"it is published for Python {candidate.build.python}, and {asked} was asked for"
    return Broken("requested-python", reason, candidate.build.source)


def requested_base(candidate: Candidate) -> Broken | None:
    """The base image asked for."""
    asked = candidate.facts.request.base
    if asked in (None, candidate.base):
        return None
    return Broken("requested-base", f"the base {asked} was asked for, and this is {candidate.base}", _ASKED)


def house_rules(candidate: Candidate) -> Broken | None:
    """What the site allows."""
    build, catalogue = candidate.build, candidate.facts.catalogue
    wanted = (
        ("tensorflow", build.tensorflow),
        ("rocm", build.version),
        ("python", build.python),
        ("base", candidate.base),
    )
    return next((broken for subject, value in wanted if (broken := house(catalogue, subject, value))), None)


def confirmed(candidate: Candidate) -> Broken | None:
    """A build that nobody was seen to use is taken only when its ROCm is asked for by name."""
    build = candidate.build
    if build.confidence != "unconfirmed" or candidate.facts.request.rocm:
        return None
    reason = f"unconfirmed: {build.note}; ask for it with --rocm {build.rocm}"
    return Broken("confirmed", reason, build.source)


def machine(candidate: Candidate) -> Broken | None:
    """AMD publishes for x86_64."""
    if candidate.facts.machine in {"x86_64", "amd64"}:
        return None
    reason = f"AMD publishes TensorFlow for x86_64, and this is {candidate.facts.machine}"
    return Broken("machine", reason, candidate.build.source)


def wsl(candidate: Candidate) -> Broken | None:
    """AMD's TensorFlow is for Linux, not for WSL2."""
    if not candidate.facts.wsl:
        return None
    reason = "AMD documents TensorFlow for Linux only, and this is WSL2"
    return Broken("wsl", reason, "AMD-Ecosystem/ai-ecosystem, docs/frameworks/tensorflow/install.rst")


def tensorflow_accepts_gpu(candidate: Candidate) -> Broken | None:
    """TensorFlow ignores a GPU that it was not built for, and trains on the CPU."""
    for gpu in candidate.facts.gpus:
        if gpu.architecture not in candidate.build.targets:
            reason = f"{gpu.architecture} is not among the GPUs of its TensorFlow build"
            return Broken("tensorflow-accepts-gpu", reason, candidate.build.source)
    return None


def rocm_supports_gpu(candidate: Candidate) -> Broken | None:
    """ROCm itself lists the GPU, which is another list than TensorFlow's."""
    row = next(row for row in candidate.facts.catalogue.amd.rocm if row.series == candidate.build.rocm)
    for gpu in candidate.facts.gpus:
        if gpu.architecture not in row.targets:
            reason = f"{gpu.architecture} is not among the GPUs of ROCm {row.series}"
            return Broken("rocm-supports-gpu", reason, row.source)
    return None


def driver_window(candidate: Candidate) -> Broken | None:
    """A driver release runs the ROCm releases of a window around its own."""
    window, build, driver = candidate.facts.window, candidate.build, candidate.facts.driver
    if driver.flavour == "inbox" or (window and build.rocm in window.rocm):
        return None  # no table covers the kernel's own driver: the stack carries a warning instead
    if window is None:
        reason = f"the catalogue has no row for amdgpu driver {driver.release or driver.version}"
        return Broken("driver-window", reason, "kgpu-env catalogue, amd.yaml")
    runs = f"runs ROCm {window.rocm[0]} to {window.rocm[-1]}" if window.rocm else "has no row in AMD's table"
    reason = f"no source says that driver {window.release} runs ROCm {build.rocm}: it {runs}"
    return Broken("driver-window", reason, window.source)


def partitions(candidate: Candidate) -> Broken | None:
    """Older ROCm does not see the partitions of a GPU."""
    split = next((gpu.partition for gpu in candidate.facts.gpus if gpu.partition not in _WHOLE), None)
    if split is None or version_key(candidate.build.version) >= version_key(_PARTITIONS_SINCE):
        return None
    reason = f"the GPU is partitioned ({split}), which ROCm sees from {_PARTITIONS_SINCE} on"
    return Broken("partitions", reason, "ROCm/container-toolkit, requirements.rst")


RULES: tuple[Rule[Candidate], ...] = (
    requested_tensorflow,
    requested_rocm,
    requested_python,
    requested_base,
    house_rules,
    machine,
    wsl,
    rocm_supports_gpu,
    tensorflow_accepts_gpu,
    driver_window,
    partitions,
    confirmed,
)


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


def candidates(facts: Facts) -> list[Candidate]:
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
        Candidate(facts, build, build.wheel if build.wheel and build.wheel.base == asked else None) for build in builds
    ]


def packages(candidate: Candidate, gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """Return the requirements of the wheel route; the image route needs none."""
    if candidate.wheel is None:
        return ()
    devices = ",".join(f"device-{target}" for target in sorted({gpu.architecture or "" for gpu in gpus}))
    return tuple(text.replace("device-{target}", devices) for text in candidate.wheel.packages)

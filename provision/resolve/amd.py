"""What resolving knows of AMD: its rows as builds, its drivers, and what is installed."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from provision.catalogue import Catalogue, rows
from provision.model import TITLES, Backend, Driver, Gpu, Host, Vendor, version_key
from provision.resolve.candidate import Build, Candidate, Facts, Image, Knowledge, Runtime
from provision.resolve.rule_names import RuleName

_INBOX: Final = "(the kernel's own driver)"
_PARTITIONS: Final = "6.4.1"  # ROCm/container-toolkit, requirements.rst
_MACHINES: Final = ("x86_64",)
_LINUX_ONLY: Final = (
    "AMD documents TensorFlow for Linux only, and this is WSL2",
    "AMD-Ecosystem/ai-ecosystem, docs/frameworks/tensorflow/install.rst",
)
_IN_WSL: Final = (
    "no file of WSL2 tells it; and the catalogue has no build for WSL2: torch is known to run there (ROCm/librocdxg#1)",
    "install AMD's own torch for WSL2 in the distribution, or use the GPU on Linux itself",
)
# What the Core SDK's wheels need to be found: they are not on the loader's path by themselves.
_CORE_SDK: Final = ("_rocm_sdk_core/lib", "_rocm_sdk_core/lib/rocm_sysdeps/lib", "_rocm_sdk_libraries/lib")


def _builds(catalogue: Catalogue, backend: Backend) -> tuple[Build, ...]:
    """Return the builds of a backend, newest first, then newest ROCm, then newest Python."""
    if backend == "tensorflow":
        newest = sorted(catalogue.amd.builds, key=_age, reverse=True)
        return tuple(_tensorflow(catalogue, row) for row in newest)
    found = [row for row in catalogue.keras.keras_rocm if row.backend == backend]
    found.sort(key=lambda row: (version_key(row.version), version_key(row.release)), reverse=True)
    return tuple(_alternative(catalogue, row) for row in found)


def _age(row: rows.RocmBuild) -> tuple[tuple[int, ...], ...]:
    return version_key(row.tensorflow)[:2], version_key(row.rocm), version_key(row.version), version_key(row.python)


def _tensorflow(catalogue: Catalogue, row: rows.RocmBuild) -> Build:
    return Build(
        row=row,
        vendor=Vendor.ROCM,
        backend="tensorflow",
        version=row.tensorflow,
        runtimes=(_runtime(catalogue, row.rocm, row.version, in_base=True),),
        python=(row.python,),
        glibc=None,
        summary="ROCm {runtime}, {framework}, Python {python} ({base})",
        named_by=(("rocm", row.rocm),),
        label_end=f", Python {row.python}" + (f", Ubuntu {row.ubuntu}" if row.ubuntu else ""),
        machines=_MACHINES,
        machines_told=_machines_told("tensorflow", row),
        not_in_wsl=_LINUX_ONLY,
        targets=(*row.targets, *row.by_name),
        by_name=row.by_name,
        image=Image(row.image, row.python, row.source, has_framework=True),
    )


def _alternative(catalogue: Catalogue, row: rows.KerasRocm) -> Build:
    base = next(one for one in catalogue.images.bases if one.image == row.base)
    return Build(
        row=row,
        vendor=Vendor.ROCM,
        backend=row.backend,
        version=row.version,
        runtimes=(_runtime(catalogue, row.rocm, row.release, in_base=False),),
        python=row.python,
        glibc=row.glibc,
        summary="ROCm {runtime}, {framework}, Python {python} on {base}",
        named_by=(("rocm", row.rocm),),
        machines=_MACHINES,
        machines_told=_machines_told(row.backend, row),
        not_in_wsl=(f"the catalogue has no build of {TITLES[row.backend]} for WSL2", row.source),
        targets=row.targets,
        image=Image(row.base, base.python, base.source, base.glibc),
        packages=row.packages,
        indexes=row.indexes,
    )


def _machines_told(backend: Backend, row: rows.Row) -> tuple[str, str]:
    return f"AMD publishes {TITLES[backend]} for {{machines}}, and this is {{machine}}", row.source


def _on_base(_: Catalogue, build: Build, base: str) -> Build:
    """Return a build as it is on a base that is asked for: as wheels, where it has some for it, else as its image."""
    wheel = build.row.wheel if isinstance(build.row, rows.RocmBuild) else None
    if wheel is None or build.image is None or wheel.base != base:
        return build
    return replace(
        build,
        # Without an index the base brings ROCm.
        runtimes=(replace(build.runtimes[0], in_base=not wheel.indexes),),
        image=Image(base, build.image.python, build.row.source),
        packages=wheel.packages,
        indexes=wheel.indexes,
        find_links=wheel.find_links,
    )


def _runtime(catalogue: Catalogue, series: str, version: str, *, in_base: bool) -> Runtime:
    return Runtime(
        version=version,
        series=series,
        supports=next((row for row in catalogue.amd.rocm if row.series == series), None),
        partitions=_PARTITIONS,
        in_base=in_base,
    )


def _complete(facts: Facts) -> Facts:
    """Return the facts with the row of the driver, and without a processor's own graphics beside a card."""
    cards = tuple(gpu for gpu in facts.gpus if not gpu.integrated)
    window = _window(facts.catalogue, facts.driver) if facts.driver else None
    return replace(facts, gpus=cards or facts.gpus, window=window)


def _window(catalogue: Catalogue, driver: Driver) -> rows.AmdDriver | None:
    """Return the driver's row, or that of the nearest older release or module version; None when there is none.

    A row without releases of ROCm says that none is known, not that the driver runs none: it is passed over.
    """
    known = [row for row in catalogue.amd.drivers if row.rocm]
    if driver.release:
        have = version_key(driver.release)[:2]
        listed = [(version_key(row.release), row) for row in known]
    else:
        have = version_key(driver.version or "0")
        listed = [(version_key(version), row) for row in known for version in row.sysfs]
    return max((pair for pair in listed if pair[0] <= have), key=lambda pair: pair[0], default=(have, None))[1]


def _packages(candidate: Candidate) -> tuple[str, ...]:
    """Return the requirements, with the extras of the host's GPUs in place of `device-{target}`."""
    devices = ",".join(f"device-{target}" for target in candidate.facts.targets)
    return tuple(text.replace("device-{target}", devices) for text in candidate.build.packages)


def _driver_name(driver: Driver) -> str:
    """Return the release; the module's version is another number, and is told as such."""
    if driver.release or driver.version is None:
        return f"amdgpu {driver.release or _INBOX}"
    return f"amdgpu (module {driver.version})"


def _newer_drivers(catalogue: Catalogue, _: Host, driver: Driver) -> list[Driver]:
    """Return the driver releases that are newer; the catalogue has none for Windows."""
    have = version_key(driver.release) if driver.release else ()
    releases = sorted((row.release for row in catalogue.amd.drivers), key=version_key)
    return [Driver(vendor=driver.vendor, release=one, flavour="dkms") for one in releases if version_key(one) > have]


def _older_drivers(catalogue: Catalogue, driver: Driver) -> list[Driver]:
    """Return the driver releases that are older, the newest first: newer ones leave old releases of ROCm behind."""
    if driver.release is None:
        return []
    have = version_key(driver.release)
    releases = sorted((row.release for row in catalogue.amd.drivers), key=version_key, reverse=True)
    return [Driver(vendor=driver.vendor, release=one, flavour="dkms") for one in releases if version_key(one) < have]


def _hosts(catalogue: Catalogue) -> Iterator[tuple[str, str, Host]]:
    """Yield driver, product and host for every driver and GPU, the oldest driver first."""
    for driver in sorted(catalogue.amd.drivers, key=lambda row: version_key(row.release)):
        for target in catalogue.amd.targets:
            amdgpu = Driver(vendor="amd", release=driver.release, flavour="dkms")
            host = Host(gpus=(Gpu(vendor="amd", architecture=target.target),), drivers=(amdgpu,))
            yield driver.release, target.products.partition(",")[0], host


AMD: Final = Knowledge(
    builds=_builds,
    on_base=_on_base,
    packages=_packages,
    libraries=lambda candidate: () if candidate.runtime.in_base else _CORE_SDK,
    complete=_complete,
    driver_name=_driver_name,
    needs_version=False,
    tool="",
    wsl_told=_IN_WSL,
    newer_drivers=_newer_drivers,
    older_drivers=_older_drivers,
    branch_of=lambda *_: None,
    images=lambda _: (),
    hosts=_hosts,
    requested=RuleName.REQUESTED_ROCM,
    supports=RuleName.ROCM_SUPPORTS_GPU,
)

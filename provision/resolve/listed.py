"""What resolving knows of a maker whose builds list their GPUs: its rows as builds, its drivers, what is installed."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from provision.catalogue import LISTING, Catalogue, rows
from provision.catalogue.sections import TargetFacts
from provision.model import TITLES, Backend, Driver, Gpu, Host, Vendor, version_key
from provision.model.maker_builds import MakerBuilds
from provision.resolve.candidate import Build, Candidate, Facts, Image, Knowledge, Runtime
from provision.resolve.rule_names import REQUESTED_RUNTIME, SUPPORTS_GPU

_INBOX: Final = "(the kernel's own driver)"


def _published(vendor: Vendor) -> MakerBuilds:
    if vendor.row.published is None:
        raise TypeError(f"{vendor} lists no GPUs")
    return vendor.row.published


def _builds(vendor: Vendor, catalogue: Catalogue, backend: Backend) -> tuple[Build, ...]:
    """Return the builds of a backend, newest first, then newest runtime, then newest Python."""
    if backend == "tensorflow":
        newest = sorted(catalogue.listed(vendor).builds, key=_age, reverse=True)
        return tuple(_tensorflow(vendor, catalogue, row) for row in newest)
    found = [row for row in catalogue.keras.of(vendor) if row.backend == backend]
    found.sort(key=lambda row: (version_key(row.version), version_key(row.release)), reverse=True)
    return tuple(_alternative(vendor, catalogue, row) for row in found)


def _age(row: rows.TargetBuild) -> tuple[tuple[int, ...], ...]:
    return version_key(row.tensorflow)[:2], version_key(row.series), version_key(row.version), version_key(row.python)


def _tensorflow(vendor: Vendor, catalogue: Catalogue, row: rows.TargetBuild) -> Build:
    return Build(
        row=row,
        vendor=vendor,
        backend="tensorflow",
        version=row.tensorflow,
        runtimes=(_runtime(vendor, catalogue, row.series, row.version, in_base=True),),
        python=(row.python,),
        glibc=None,
        summary=vendor.row.runtime_title + " {runtime}, {framework}, Python {python} ({base})",
        named_by=((vendor.value, row.series),),
        label_end=f", Python {row.python}" + (f", Ubuntu {row.ubuntu}" if row.ubuntu else ""),
        machines=_published(vendor).machines,
        machines_told=_machines_told(vendor, "tensorflow", row),
        wsl=_on_wsl(vendor, catalogue, "tensorflow"),
        targets=(*row.targets, *row.by_name),
        by_name=row.by_name,
        image=Image(row.image, row.python, row.source, has_framework=True),
    )


def _alternative(vendor: Vendor, catalogue: Catalogue, row: rows.KerasTarget) -> Build:
    base = next(one for one in catalogue.images.bases if one.image == row.base)
    return Build(
        row=row,
        vendor=vendor,
        backend=row.backend,
        version=row.version,
        runtimes=(_runtime(vendor, catalogue, row.series, row.release, in_base=False),),
        python=row.python,
        glibc=row.glibc,
        summary=vendor.row.runtime_title + " {runtime}, {framework}, Python {python} on {base}",
        named_by=((vendor.value, row.series),),
        machines=_published(vendor).machines,
        machines_told=_machines_told(vendor, row.backend, row),
        wsl=_on_wsl(vendor, catalogue, row.backend),
        targets=row.targets,
        image=Image(row.base, base.python, base.source, base.glibc),
        packages=row.packages,
        indexes=row.indexes,
    )


def _on_wsl(vendor: Vendor, catalogue: Catalogue, backend: Backend) -> rows.WslSupport | None:
    return next((row for row in catalogue.listed(vendor).wsl if row.backend == backend), None)


def _machines_told(vendor: Vendor, backend: Backend, row: rows.Row) -> tuple[str, str]:
    return f"{vendor.maker} publishes {TITLES[backend]} for {{machines}}, and this is {{machine}}", row.source


def _on_base(_: Catalogue, build: Build, base: str) -> Build:
    """Return a build as it is on a base that is asked for: as wheels, where it has some for it, else as its image."""
    wheel = build.row.wheel if isinstance(build.row, rows.TargetBuild) else None
    if wheel is None or build.image is None or wheel.base != base:
        return build
    return replace(
        build,
        # Without an index the base brings the runtime.
        runtimes=(replace(build.runtimes[0], in_base=not wheel.indexes),),
        image=Image(base, build.image.python, build.row.source),
        packages=wheel.packages,
        indexes=wheel.indexes,
        find_links=wheel.find_links,
    )


def _runtime(vendor: Vendor, catalogue: Catalogue, series: str, version: str, *, in_base: bool) -> Runtime:
    return Runtime(
        version=version,
        series=series,
        supports=next((row for row in catalogue.listed(vendor).series if row.series == series), None),
        partitions=_published(vendor).partitions,
        in_base=in_base,
    )


def _complete(facts: Facts) -> Facts:
    """Return the facts with the row of the driver, and without a processor's own graphics beside a card.

    Below WSL2 lies Windows' driver, which is in no table.
    """
    cards = tuple(gpu for gpu in facts.gpus if not gpu.integrated)
    counted = None if facts.wsl else facts.driver
    window = _window(facts.catalogue.listed(facts.vendor), counted) if counted else None
    return replace(facts, gpus=cards or facts.gpus, window=window)


def _window(known: TargetFacts, driver: Driver) -> rows.TargetDriver | None:
    """Return the driver's row, or that of the nearest older release or module version; None when there is none.

    A row without releases of the runtime says that none is known, not that the driver runs none: it is passed over.
    """
    told = [row for row in known.drivers if row.series]
    if driver.release:
        have = version_key(driver.release)[:2]
        listed = [(version_key(row.release), row) for row in told]
    else:
        have = version_key(driver.version or "0")
        listed = [(version_key(version), row) for row in told for version in row.sysfs]
    return max((pair for pair in listed if pair[0] <= have), key=lambda pair: pair[0], default=(have, None))[1]


def _packages(candidate: Candidate) -> tuple[str, ...]:
    """Return the requirements, with the extras of the host's GPUs in place of `device-{target}`."""
    devices = ",".join(f"device-{target}" for target in candidate.facts.targets)
    return tuple(text.replace("device-{target}", devices) for text in candidate.build.packages)


def _libraries(candidate: Candidate) -> tuple[str, ...]:
    return () if candidate.runtime.in_base else _published(candidate.build.vendor).wheel_folders


def _driver_name(vendor: Vendor, driver: Driver) -> str:
    """Return the release; the module's version is another number, and is told as such."""
    name = vendor.row.kernel_driver
    if driver.flavour == "wsl":
        return f"Windows driver {driver.version}" if driver.version else "the Windows driver"
    if driver.release or driver.version is None:
        return f"{name} {driver.release or _INBOX}"
    return f"{name} (module {driver.version})"


def _newer_drivers(vendor: Vendor, catalogue: Catalogue, host: Host, driver: Driver) -> list[Driver]:
    """Return the driver releases that are newer; the catalogue has none for Windows."""
    if host.wsl:
        return []
    have = version_key(driver.release) if driver.release else ()
    releases = sorted((row.release for row in catalogue.listed(vendor).drivers), key=version_key)
    return [Driver(vendor=driver.vendor, release=one, flavour="dkms") for one in releases if version_key(one) > have]


def _older_drivers(vendor: Vendor, catalogue: Catalogue, driver: Driver) -> list[Driver]:
    """Return the driver releases that are older, the newest first: newer ones leave old runtimes behind."""
    if driver.release is None or driver.flavour == "wsl":
        return []
    have = version_key(driver.release)
    releases = sorted((row.release for row in catalogue.listed(vendor).drivers), key=version_key, reverse=True)
    return [Driver(vendor=driver.vendor, release=one, flavour="dkms") for one in releases if version_key(one) < have]


def _hosts(vendor: Vendor, catalogue: Catalogue) -> Iterator[tuple[str, str, Host]]:
    """Yield driver, product and host for every driver and GPU, the oldest driver first."""
    maker, known = vendor.row.maker, catalogue.listed(vendor)
    for driver in sorted(known.drivers, key=lambda row: version_key(row.release)):
        for target in known.targets:
            loaded = Driver(vendor=maker, release=driver.release, flavour="dkms")
            host = Host(gpus=(Gpu(vendor=maker, architecture=target.target),), drivers=(loaded,))
            yield driver.release, target.products.partition(",")[0], host


def knowledge(vendor: Vendor) -> Knowledge:
    """Return what resolving knows of a maker whose builds list their GPUs."""
    return Knowledge(
        builds=partial(_builds, vendor),
        on_base=_on_base,
        packages=_packages,
        libraries=_libraries,
        complete=_complete,
        driver_name=partial(_driver_name, vendor),
        needs_version=False,
        tool="",
        wsl_told=_published(vendor).wsl_unknown,
        newer_drivers=partial(_newer_drivers, vendor),
        older_drivers=partial(_older_drivers, vendor),
        branch_of=lambda *_: None,
        images=lambda _: (),
        hosts=partial(_hosts, vendor),
        requested=REQUESTED_RUNTIME[vendor],
        supports=SUPPORTS_GPU[vendor],
    )


LISTED: Final[Mapping[Vendor, Knowledge]] = {vendor: knowledge(vendor) for vendor in LISTING}

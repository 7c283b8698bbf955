"""`catalogue check`: rows that are too old, contradict each other, or serve no host."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise

from msgspec.structs import replace

from provision.catalogue import LISTING, Catalogue, rows
from provision.model import DriverVersion, Finding, Host, Request, Severity, Stack, Vendor, version_key
from provision.resolve.candidate import wishes_of
from provision.resolve.matrix import hosts
from provision.resolve.rule_names import RuleName
from provision.resolve.search import Attempt, attempts, find

MAX_AGE_DAYS = 180  # a release of TensorFlow, CUDA or ROCm appears in every such span


def review(catalogue: Catalogue, today: str, max_age: int = MAX_AGE_DAYS, *, reach: bool = True) -> tuple[Finding, ...]:
    """Return what is wrong or doubtful in the catalogue.

    Errors contradict each other; warnings are too old; infos are unconfirmed, or reached by no host.

    Args:
        catalogue: shipped rows and the site's own.
        today: the date as "2026-11-23".
        max_age: days after which a row should be looked up again.
        reach: look for rows that no host can get, which takes seconds.
    """
    useless = _useless(catalogue) if reach else ()
    return (*_old(catalogue, today, max_age), *_contradictions(catalogue), *_doubtful(catalogue), *useless)


def _old(catalogue: Catalogue, today: str, max_age: int) -> Iterator[Finding]:
    now = date.fromisoformat(today)
    for table, row in catalogue.all_rows():
        age = (now - date.fromisoformat(row.checked)).days
        if age > max_age:
            text = f"{table}, {row.id}: checked {age} days ago, on {row.checked}"
            yield _finding("KGE-251", Severity.WARNING, text, f"look it up again: {row.source}")
        elif age < 0:
            text = f"{table}, {row.id}: checked in the future, on {row.checked}"
            yield _finding("KGE-252", Severity.ERROR, text, "correct the date")


def _contradictions(catalogue: Catalogue) -> Iterator[Finding]:
    families = {row.major: DriverVersion(row.driver) for row in catalogue.nvidia.families}
    for row in catalogue.nvidia.toolkits:
        floor = families.get(row.version.split(".")[0])
        # CUDA 11.0 came before minor-version compatibility, whose floor is newer than its own driver.
        if floor and DriverVersion(row.driver) < floor and not row.version.startswith("11.0."):
            text = f"toolkits, {row.id}: driver {row.driver} is older than its family's {floor}"
            yield _finding("KGE-253", Severity.ERROR, text, f"compare with {row.source}")
    branches = sorted(catalogue.nvidia.branches, key=lambda row: int(row.branch))
    for older, newer in pairwise(branches):
        if version_key(newer.cuda) < version_key(older.cuda):
            text = f"branches, {newer.id}: reports CUDA {newer.cuda}, less than the older {older.id} with {older.cuda}"
            yield _finding("KGE-253", Severity.ERROR, text, f"compare with {newer.source}")
    yield from _twice(catalogue)


def _twice(catalogue: Catalogue) -> Iterator[Finding]:
    shared = {
        "toolkits": [row.version for row in catalogue.nvidia.toolkits],
        "branches": [row.branch for row in catalogue.nvidia.branches],
        "compat": [row.cuda for row in catalogue.nvidia.compat],
        "capabilities": [row.capability for row in catalogue.nvidia.capabilities],
        "ptx": [row.isa for row in catalogue.nvidia.ptx],
        "cudnn": [row.version for row in catalogue.nvidia.cudnn],
        "releases": [row.version for row in catalogue.tensorflow],
        "bases": [row.image for row in catalogue.images.bases],
        "keras_cuda": [f"{row.title}, CUDA {row.cuda}" for row in catalogue.keras.keras_cuda],
        "keras_cpu": [row.title for row in catalogue.keras.keras_cpu],
    }
    of_makers = (pair for vendor in LISTING for pair in _of_listed(catalogue, vendor))
    for table, values in (*shared.items(), *of_makers):
        for value, count in Counter(values).items():
            if count > 1:
                text = f"{table}: {count} rows are for {value}, and only the first is used"
                yield _finding("KGE-254", Severity.ERROR, text, "keep one of them")


def _of_listed(catalogue: Catalogue, vendor: Vendor) -> Iterator[tuple[str, list[str]]]:
    """Yield what no two rows of a maker's tables may share, by table."""
    known, title = catalogue.listed(vendor), vendor.row.runtime_title
    yield "drivers", [row.release for row in known.drivers]
    yield "targets", [row.target for row in known.targets]
    yield vendor.value, [row.series for row in known.series]
    yield "builds", [row.image for row in known.builds]
    yield f"keras_{vendor}", [f"{row.title}, {title} {row.release}" for row in catalogue.keras.of(vendor)]


def _doubtful(catalogue: Catalogue) -> Iterator[Finding]:
    for table, row in catalogue.all_rows():
        if row.confidence == "unconfirmed":
            text = f"{table}, {row.id}: unconfirmed: {row.note or 'no reason given'}"
            yield _finding("KGE-255", Severity.INFO, text, f"confirm it: {row.source}")


def _useless(catalogue: Catalogue) -> Iterator[Finding]:
    """Find releases, builds and CUDA images that no host of the sweep can get, even by name."""
    wanted: list[tuple[str, rows.Row, Vendor, list[Request]]] = [
        ("releases", row, Vendor.CUDA, _named(catalogue, row.version)) for row in catalogue.tensorflow
    ]
    wanted += [("cuda_bases", row, Vendor.CUDA, _on(catalogue, row.image)) for row in catalogue.images.cuda_bases]
    wanted += [
        ("builds", row, vendor, [_asking(vendor, row.series, base=row.image)])
        for vendor in LISTING
        for row in catalogue.listed(vendor).builds
    ]
    for table, row, vendor, requests in wanted:
        machines, build = _machines(catalogue, vendor), None if table == "cuda_bases" else row
        wishes = [wishes_of(request)._replace(backend="tensorflow") for request in requests]
        tried = (attempts(catalogue, host, one, vendor, build) for one in wishes for host in machines)
        if not any(one.serves for some in tried for one in some):
            rules = ", ".join(_nearest([attempts(catalogue, host, wishes[0], vendor, build) for host in machines]))
            text = f"{table}, {row.id}: no driver and GPU of the catalogue gets it; what comes nearest breaks {rules}"
            yield _finding("KGE-256", Severity.INFO, text, "it serves `kgpu-env check` at most")
    yield from _useless_alternatives(catalogue)


def _nearest(tried: Iterable[Iterable[Attempt]]) -> list[RuleName]:
    """Return the fewest rules that keep a row from a machine."""
    every = {rules for some in tried for one in some for rules in one.broken()}
    return min(map(sorted, every), key=lambda rules: (len(rules), rules), default=[])


def _useless_alternatives(catalogue: Catalogue) -> Iterator[Finding]:
    """Find builds for JAX and torch that no host gets, even when backend, runtime and Python are asked for."""
    keras = catalogue.keras
    wanted: list[tuple[str, rows.FrameworkRow, Request, str]] = [
        ("keras_cuda", row, Request(vendor=Vendor.CUDA, cuda=row.cuda), row.cuda) for row in keras.keras_cuda
    ]
    wanted += [
        (f"keras_{vendor}", row, _asking(vendor, row.release), row.release)
        for vendor in LISTING
        for row in keras.of(vendor)
    ]
    for table, row, asked, runtime in wanted:
        requests = [replace(asked, backend=row.backend, python=python) for python in row.python]
        machines = _machines(catalogue, asked.vendor)
        found = (find(catalogue, host, wishes_of(one), asked.vendor) for one in requests for host in machines)
        version = (row.version, runtime)
        if not any(isinstance(one, Stack) and (one.framework.version, one.runtime.version) == version for one in found):
            text = f"{table}, {row.id}: no driver and GPU of the catalogue gets it"
            yield _finding("KGE-256", Severity.INFO, text, "it serves the kernel's own amdgpu driver at most")


def _asking(vendor: Vendor, runtime: str, base: str | None = None) -> Request:
    """Return the request for a version of a vendor's runtime."""
    return replace(Request(vendor=vendor, base=base), **{vendor.value: runtime})


def _machines(catalogue: Catalogue, vendor: Vendor) -> list[Host]:
    """Return the hosts that can have most: for NVIDIA the newest driver of all, and the last of each generation."""
    found = [(driver, host) for driver, _, host in hosts(catalogue, vendor)]
    if vendor is Vendor.CUDA:
        last = {row.last_branch for row in catalogue.nvidia.capabilities}
        newest = max(catalogue.nvidia.branches, key=lambda row: int(row.branch)).branch
        found = [(driver, host) for driver, host in found if DriverVersion(driver).branch in {*last, newest}]
    return [host for _, host in reversed(found)]


def _named(catalogue: Catalogue, version: str) -> list[Request]:
    asked = Request(vendor=Vendor.CUDA, tensorflow=version)
    bases = [row.image for row in catalogue.images.cuda_bases if row.cuda.startswith("11.")]
    return [asked, *(Request(vendor=Vendor.CUDA, tensorflow=version, base=base) for base in bases)]


def _on(catalogue: Catalogue, image: str) -> list[Request]:
    doubtful = [row.version for row in catalogue.tensorflow if row.confidence == "unconfirmed"]
    return [Request(vendor=Vendor.CUDA, base=image, tensorflow=version) for version in (None, *doubtful)]


def _finding(code: str, severity: Severity, text: str, fix: str) -> Finding:
    return Finding(code=code, severity=severity, text=text, fix=fix)

"""Steps that install packages, from the repositories that are there or from a maker's own. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from provision.catalogue.rows import EnginePackages, Repository
from provision.errors import InputError
from provision.model import Vendor
from provision.model.preparation import PrepareStep, StepState
from provision.prepare import sources
from provision.prepare.machine import Machine
from provision.prepare.openpgp import fingerprints

APT: Final = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=60")
_INSTALL: Final = {"deb": (*APT, "install", "-y", "--no-install-recommends"), "rpm": ("dnf", "-q", "install", "-y")}
_REMOVE: Final = {"deb": "sudo apt-get remove {}", "rpm": "sudo dnf remove {}"}
_CERTIFICATES: Final = "ca-certificates"


class Wishes(NamedTuple):
    """What was asked for."""

    vendors: tuple[Vendor, ...] = ()  # none: those of the host's GPUs
    add_repository: bool = False
    mirror: str = ""  # in place of the makers' addresses; checked
    groups: tuple[str, ...] = ()
    user: str = ""  # whose groups


class Rows(NamedTuple):
    """The catalogue's rows that a machine may need."""

    repositories: tuple[Repository, ...]
    engines: tuple[EnginePackages, ...]

    @property
    def packages(self) -> set[str]:
        """Every package that they name."""
        lists = (*(row.packages for row in self.repositories), *(row.packages for row in self.engines))
        return {_CERTIFICATES, *(name for names in lists for name in names)}

    @property
    def files(self) -> set[str]:
        """Every file that a plan may write."""
        return {path for row in self.repositories for path in (sources.source_path(row), sources.key_path(row))}


R = TypeVar("R", Repository, EnginePackages)


def first(rows: Iterable[R], machine: Machine) -> R | None:
    """Return the first row for a machine's kind of packages and its distribution."""
    return next((row for row in rows if row.kind == machine.kind and _is_named(row, machine)), None)


def _is_named(row: Repository | EnginePackages, machine: Machine) -> bool:
    name, _, version = machine.distribution.partition(" ")
    words = {name, f"{name} {version.partition('.')[0]}", *machine.like}
    is_served = not row.distributions or bool(words & set(row.distributions))
    return is_served and (isinstance(row, EnginePackages) or not row.suites or machine.codename in row.suites)


def at_hand(machine: Machine, names: Iterable[str]) -> bool:
    """Tell whether packages are installed, or can be from the repositories that the machine has."""
    return set(names) <= machine.installed | machine.available


def install(machine: Machine, names: Iterable[str], what: str) -> PrepareStep:
    """Return the step that installs those of `names` that are missing."""
    kind = machine.kind or "deb"
    missing = tuple(name for name in names if name not in machine.installed)
    listed = " ".join(missing or names)
    return PrepareStep(
        name="packages",
        text=f"install {what}: {listed}" if missing else f"{what}: {listed}",
        state="to do" if missing else "already",
        command=(*_INSTALL[kind], *missing) if missing else (),
        undo=_REMOVE[kind].format(listed) if missing else "",
    )


def add(machine: Machine, row: Repository, mirror: str) -> Iterator[PrepareStep]:
    """Yield the steps that make a maker's repository known: its key, its file, what it has.

    Raises:
        InputError: KGE-336, a file in its place that this program did not write.
    """
    path, text = sources.source_path(row), sources.source_text(row, mirror, machine.codename)
    if not machine.files.get(path, sources.HEAD).startswith(sources.HEAD):
        fix = f"move {path} away, or add the repository by hand"
        raise InputError("KGE-336", f"{path} is there, and kgpu-env prepare did not write it.", fix=fix)
    if row.kind == "deb" and text.count("https://") and _CERTIFICATES not in machine.installed:
        yield install(machine, (_CERTIFICATES,), "what https is checked with")
    is_held = _holds(machine.files.get(sources.key_path(row), ""), row)
    yield PrepareStep(
        name="key",
        text=f"the key of {row.id}, whose fingerprint must be {' or '.join(row.fingerprints)}",
        state="already" if is_held else "to do",
        path=sources.key_path(row),
        key=sources.key_address(row, mirror),
        fingerprints=row.fingerprints,
        undo=f"sudo rm {sources.key_path(row)}",
    )
    state: StepState = "already" if machine.files.get(path) == text else "to do"
    undo = f"sudo rm {path}" if state == "to do" else ""
    what = f"add the repository {sources.base(row, mirror)}/{row.path}"
    yield PrepareStep(name="repository", text=what, state=state, path=path, content=text, undo=undo)
    if row.kind == "deb":
        yield PrepareStep(name="lists", text=f"read what {row.id} has", command=update(path))


def _holds(key: str, row: Repository) -> bool:
    try:
        return set(fingerprints(key.encode())) <= set(row.fingerprints)
    except ValueError:
        return False


def update(only: str = "") -> tuple[str, ...]:
    """Return the command that reads apt's lists; `only` of one file, any fault of which is then an error."""
    if not only:
        return (*APT, "update")
    options = (f"Dir::Etc::SourceList={only}", "Dir::Etc::SourceParts=-", "APT::Get::List-Cleanup=0")
    strict = (*options, "APT::Update::Error-Mode=any")
    return (*APT, *(word for option in strict for word in ("-o", option)), "update")

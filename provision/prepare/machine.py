"""What a machine has already: packages, repositories, the engine's settings, groups. Nothing is changed."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from provision.catalogue.rows import PackageKind
from provision.model import GPU_VENDORS, Host
from provision.model.distribution import family
from provision.probe import command
from provision.probe.cdi import read_cdi
from provision.probe.parsers import parse_os_release, read_os_release
from provision.probe.reader import Reader

DAEMON: Final = "/etc/docker/daemon.json"
_STATUS: Final = "/var/lib/dpkg/status"
_LISTS: Final = "/var/lib/apt/lists"
_SEARCH_SECONDS: Final = 60.0


class Machine(NamedTuple):
    """A machine as `prepare` looks at it."""

    kind: PackageKind | None  # of its packages; None: neither apt nor dnf
    distribution: str = ""  # "ubuntu 24.04"
    codename: str = ""
    like: frozenset[str] = frozenset()  # the distributions that it says to be like
    host: Host = Host()
    live: bool = True  # the running machine, not a folder
    systemd: bool = False  # it runs here, so that services can be started
    engine: Literal["docker", "podman", ""] = ""  # whose program is there
    installed: frozenset[str] = frozenset()
    available: frozenset[str] = frozenset()  # not installed, and in a repository that the machine has
    has_lists: bool = True  # False: what its repositories have is not known yet
    interrupted: bool = False  # dpkg was stopped in the middle
    files: Mapping[str, str] = {}  # what is in those that a plan would write
    runtimes: frozenset[str] = frozenset()  # that Docker's settings name
    has_settings: bool = False  # Docker's settings file is there
    cdi: frozenset[str] = frozenset()  # kinds that a specification is there for
    groups: Mapping[str, frozenset[str]] = {}  # their members, by name


def look(root: Path, host: Host, packages: Iterable[str], files: Iterable[str]) -> Machine:
    """Return what is there.

    Args:
        root: `/`, or a folder with the tree of a machine that does not run.
        host: as probed.
        packages: of which it is to be said whether they are installed or can be.
        files: that a plan may write.
    """
    reader = Reader(root)
    release = read_os_release(reader.text("/etc/os-release") or reader.text("/usr/lib/os-release") or "")
    kind = _kind(release)
    wanted = frozenset(packages)
    installed = _installed(reader, root, kind, wanted)
    has_lists = kind != "deb" or any("_Packages" in name for name in reader.names(_LISTS))
    return Machine(
        kind=kind,
        distribution=parse_os_release("\n".join(f"{key}={value}" for key, value in release.items())) or "",
        codename=release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", ""),
        like=frozenset(release.get("ID_LIKE", "").split()),
        host=host,
        live=reader.live,
        systemd=reader.live and reader.exists("/run/systemd/system"),
        engine=_engine(reader, host),
        installed=installed,
        available=frozenset(one for one in sorted(wanted - installed) if has_lists and _can_be_had(root, kind, one)),
        has_lists=has_lists,
        interrupted=kind == "deb" and any(name.isdigit() for name in reader.names("/var/lib/dpkg/updates")),
        files={path: text for path in files if (text := reader.text(path)) is not None},
        runtimes=_runtimes(reader.text(DAEMON) or ""),
        has_settings=reader.exists(DAEMON),
        cdi=frozenset(name.partition("=")[0] for name in read_cdi(reader)),
        groups=_groups(reader.text("/etc/group") or ""),
    )


def _kind(release: Mapping[str, str]) -> PackageKind | None:
    """Return how a distribution, or the one that it is like, installs packages."""
    commands = [family(name).install for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split())]
    kinds: dict[str, PackageKind] = {"apt-get": "deb", "dnf": "rpm"}
    return next((kinds[tool] for one in commands for tool in kinds if f" {tool} " in one), None)


def _engine(reader: Reader, host: Host) -> Literal["docker", "podman", ""]:
    if host.engine:
        return host.engine.name
    programs: dict[str, Literal["docker", "podman"]] = {"dockerd": "docker", "podman": "podman"}
    folders = ("/usr/sbin", "/usr/bin", "/usr/local/bin")
    return next((name for tool, name in programs.items() if any(reader.exists(f"{one}/{tool}") for one in folders)), "")


def below(root: Path, *words: str) -> tuple[str, ...]:
    """Return a command as it runs in the machine whose tree lies below `root`."""
    return words if root == Path("/") else ("/usr/sbin/chroot", str(root), *words)


def _installed(reader: Reader, root: Path, kind: PackageKind | None, wanted: frozenset[str]) -> frozenset[str]:
    if kind == "rpm":
        return frozenset(one for one in wanted if _answers(root, "/usr/bin/rpm", "-q", "--quiet", one))
    data = reader.data(_STATUS, 1 << 26) or b""
    stanzas = (stanza.splitlines() for stanza in data.decode(errors="replace").split("\n\n"))
    whole = (lines for lines in stanzas if "Status: install ok installed" in lines)
    names = {lines[0].removeprefix("Package: ") for lines in whole}
    return wanted & names


def _can_be_had(root: Path, kind: PackageKind | None, package: str) -> bool:
    if kind == "rpm":
        return _answers(root, "/usr/bin/dnf", "-q", "list", "--available", package)
    answer = _ask(root, "/usr/bin/apt-cache", "policy", package)
    return "Candidate:" in answer and "Candidate: (none)" not in answer


def _answers(root: Path, *words: str) -> bool:
    return not isinstance(command.run(*below(root, *words), seconds=_SEARCH_SECONDS), command.Failed)


def _ask(root: Path, *words: str) -> str:
    answer = command.run(*below(root, *words), seconds=_SEARCH_SECONDS)
    return "" if isinstance(answer, command.Failed) else answer


def _runtimes(text: str) -> frozenset[str]:
    """Return the runtimes in Docker's settings; none where the file is no JSON, which Docker itself would refuse."""
    try:
        found = json.loads(text)["runtimes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()
    known = {row.container_runtime for row in GPU_VENDORS.values()}
    return frozenset(known & set(found)) if isinstance(found, dict) else frozenset()


def _groups(text: str) -> dict[str, frozenset[str]]:
    rows = (line.split(":") for line in text.splitlines() if line.count(":") >= 3)  # noqa: PLR2004 - group(5)
    return {row[0]: frozenset(filter(None, row[3].split(","))) for row in rows}

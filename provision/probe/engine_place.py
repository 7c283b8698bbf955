"""An engine that has a file system of its own: this host's libraries, and the folders to mount, are not in it."""

from typing import Final

from provision.model import GPU_VENDORS, Engine, Finding, Host, Severity
from provision.model.distribution import Family, family

CODE: Final = "KGE-143"
_SNAP: Final = "/var/snap/"  # where a snap keeps its data
_CHECK: Final = "docker info --format '{{.DockerRootDir}} {{.OperatingSystem}}'"


def leave_snap(known: Family) -> str:
    """Return how to get an engine of the distribution in place of Docker's snap."""
    return f"`sudo snap remove docker`, then: {known.install.format('docker.io')}. Check: {_CHECK}"


def place_findings(host: Host, engine: Engine) -> tuple[Finding, ...]:
    """Return KGE-143 where the engine that answers on `host` is not in the host's own file system."""
    known, cannot = family(host.distribution), "sees neither this host's driver libraries nor its CDI specifications"
    if engine.data_root.startswith(_SNAP):
        text = f"The engine that answers is Docker's snap (its data is in {engine.data_root}): it {cannot}."
        return (_finding(text, leave_snap(known)),)
    if engine.is_desktop:
        return _desktop(host)
    if engine.own_files:
        text = (
            f"The engine at {engine.address} has a file system of its own: its /usr is not this host's. It {cannot}, "
            "and a folder of the host that it is to mount is missing there, or another one."
        )
        fix = (
            "take an engine that runs in the host's own file system, not in a chroot, a container or a package with "
            f"one: {known.install.format('docker.io')}. Check: ls -di /usr /proc/$(pidof -s dockerd)/root/usr"
        )
        return (_finding(text, fix),)
    return ()


def _desktop(host: Host) -> tuple[Finding, ...]:
    """Return what Docker Desktop lacks below WSL2: the libraries of this distribution by which a GPU comes."""
    rows = [row for row in GPU_VENDORS.values() if row.access_on_wsl and host.gpus_of(row.maker)] if host.wsl else []
    return tuple(
        _finding(
            f"Docker Desktop answers, which has a machine of its own: it does not find {row.wsl_library}, by which an "
            f"{row.title} GPU comes into a container.",
            "an engine in this distribution: `sudo apt-get install docker.io`, then docker context use default. "
            f"Check: {_CHECK}",
        )
        for row in rows
    )


def _finding(text: str, fix: str) -> Finding:
    return Finding(code=CODE, severity=Severity.WARNING, text=text, fix=fix)

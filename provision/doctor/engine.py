"""What is wrong with a host's engine: why none answers, or what the one that does cannot do."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from provision.errors import KgpuError
from provision.model import Finding, Host, Severity

CHECK: Final = "docker info"
_INSTALL: Final = "install one (Debian and Ubuntu: sudo apt-get install docker.io) and start it, or set DOCKER_HOST"


class Silence(NamedTuple):
    """Why no engine answers on this machine."""

    error: KgpuError
    program: str = ""  # of an engine that is installed: "/usr/sbin/dockerd"
    systemd: bool = True  # it starts this machine's services


def engine_findings(host: Host, *, captured: bool = False, silence: Silence | None = None) -> Iterator[Finding]:
    """Yield what is wrong with the engine.

    Args:
        host: as probed.
        captured: it was read from a file or a tree, which do not tell whether an engine answers there.
        silence: why none answers here; None: nobody asked.
    """
    if host.engine is None and not captured:
        yield _silent(silence)
    elif host.engine and not host.engine.buildkit:
        text = f"{host.engine.name} {host.engine.version} has no BuildKit: images cannot be built with it"
        yield _error("KGE-303", text, "build on a host with Docker, and verify here")


def _silent(silence: Silence | None) -> Finding:
    if silence is None:
        return _error("KGE-301", "no container engine answers", _INSTALL)
    error = silence.error
    text = f"{error.text} ({error.cause})" if error.cause else error.text
    if error.code == "KGE-302":
        return _error(error.code, text, f"`sudo usermod -aG docker $USER`, then log in again. Check: {CHECK}")
    if error.code != "KGE-301":
        return _error(error.code, text, error.fix)
    if not silence.program:
        return _error(error.code, text, _INSTALL)
    start = "`sudo systemctl restart docker`" if silence.systemd else "`sudo service docker restart`"
    more = "what it died of is in its log: journalctl -u docker" if silence.systemd else "see its log"
    return _error(error.code, f"{text}; {silence.program} is installed", f"{start}; {more}. Check: {CHECK}")


def _error(code: str, text: str, fix: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, text=text, fix=fix)

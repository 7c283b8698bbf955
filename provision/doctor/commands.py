"""The commands in a finding's mend, for a script that a person reads and runs: nothing here runs them.

In a mend a command begins with sudo, printf, echo or docker context, and ends at "; ", ", ", ". " or " (". What follows
"or" is another way and is left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from provision.model import GPU_VENDORS, Finding, Host
from provision.model.distribution import family

_COMMAND = re.compile(r"(?:sudo|printf|docker context|echo) (?:\$\([^)]*\)|'[^']*'|(?!; |, |\. | \(|\)|\.$).)+")
_ELSEWHERE: Final = "On the outer host"
_OTHER_WAY = re.compile(r"(?:[;,.]|\)) (?:or|Or|else)\b")
_CHECK: Final = "Check: "
RECHECK: Final = "kgpu-env doctor"


def commands(finding: Finding, host: Host) -> tuple[str, ...]:
    """Return the shell commands that mend a finding on this distribution, in order; none where only words help."""
    if finding.fix.startswith(_ELSEWHERE):
        return ()
    way = _OTHER_WAY.split(finding.fix.partition(_CHECK)[0])[0]
    found = tuple(match[0].strip() for match in _COMMAND.finditer(way))
    more = _MORE.get(finding.code)
    return found or (more(host) if more else ())


def check(finding: Finding) -> str:
    """Return the command that shows whether the mend helped; "" where the mend names none."""
    return finding.fix.partition(_CHECK)[2].strip()


def script(finding: Finding | None, host: Host) -> str:
    """Return a shell script that mends `finding`, with its cause as comments; it is printed, never run."""
    if finding is None:
        return "#!/bin/sh\n# Nothing has to be mended.\n"
    lines = ["#!/bin/sh", f"# {finding.code}: {finding.text}", f"# {finding.fix}", "set -eu"]
    own = commands(finding, host)
    lines += own or ["# No command mends this: do what the line above says."]
    lines += [f"# then: {check(finding) or RECHECK}"]
    return "\n".join(" ".join(line.splitlines()) for line in lines) + "\n"


def _toolkit(host: Host) -> tuple[str, ...]:
    """Return how to get the container toolkit of the GPUs that need one; its repository must be known (prepare)."""
    rows = [row for row in GPU_VENDORS.values() if row.access == "runtime" and host.gpus_of(row.maker)]
    install = tuple(family(host.distribution).install.format(row.toolkit) for row in rows)
    return (*install, "sudo systemctl restart docker") if install and install[0].startswith("sudo") else ()


def _engine(host: Host) -> tuple[str, ...]:
    install = family(host.distribution).install.format("docker.io" if "apt-get" in _install(host) else "podman")
    return (install,) if install.startswith("sudo") else ()


def _install(host: Host) -> str:
    return family(host.distribution).install


# For mends that say in words what has another command on each distribution.
_MORE: Final[Mapping[str, Callable[[Host], tuple[str, ...]]]] = {"KGE-115": _toolkit, "KGE-301": _engine}

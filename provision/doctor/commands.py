"""The commands in a finding's fix, for a script that a person reads and runs: nothing here runs them.

A fix marks with backticks each command that belongs to it, in order; another way, what is run elsewhere and what has to
be filled in is not marked.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from provision.model import GPU_VENDORS, Finding, Host
from provision.model.distribution import family

_MARKED = re.compile(r"`([^`]+)`")
_CHECK: Final = "Check: "
RECHECK: Final = "kgpu-env doctor"


def commands(finding: Finding, host: Host) -> tuple[str, ...]:
    """Return the shell commands that fix a finding on this distribution, in order; none where only words help."""
    more = _MORE.get(finding.code)
    return marked(finding.fix.partition(_CHECK)[0]) or marked(more(host) if more else "")


def marked(fix: str) -> tuple[str, ...]:
    """Return what a fix marks as commands.

    >>> marked("`sudo modprobe nvidia`, or reboot")
    ('sudo modprobe nvidia',)
    """
    return tuple(_MARKED.findall(fix))


def check(finding: Finding) -> str:
    """Return the command that shows whether the fix helped; "" where the fix names none."""
    return finding.fix.partition(_CHECK)[2].strip()


def script(finding: Finding | None, host: Host) -> str:
    """Return a shell script that fixes `finding`, with its cause as comments; it is printed, never run."""
    if finding is None:
        return "#!/bin/sh\n# Nothing has to be fixed.\n"
    lines = ["#!/bin/sh", f"# {finding.code}: {finding.text}", f"# {finding.fix}", "set -eu"]
    own = commands(finding, host)
    lines += own or ["# No command fixes this: do what the line above says."]
    lines += [f"# then: {check(finding) or RECHECK}"]
    return "\n".join(" ".join(line.splitlines()) for line in lines) + "\n"


def _toolkit(host: Host) -> str:
    """Return how to get the container toolkit of the GPUs that need one; its repository must be known (prepare)."""
    rows = [row for row in GPU_VENDORS.values() if row.access == "runtime" and host.gpus_of(row.maker)]
    install = " ".join(family(host.distribution).install.format(row.toolkit) for row in rows)
    return f"{install} `sudo systemctl restart docker`" if marked(install) else ""


def _engine(host: Host) -> str:
    install = family(host.distribution).install
    return install.format("docker.io" if "apt-get" in install else "podman")


# For fixes that say in words what has another command on each distribution.
_MORE: Final[Mapping[str, Callable[[Host], str]]] = {"KGE-115": _toolkit, "KGE-301": _engine}

"""The nodes of an inventory, as Ansible reads it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from provision.errors import InputError

# A frozen node ends its connection after 10 s; over a kept connection it would hold the whole run for minutes.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "ANSIBLE_SSH_EXTRA_ARGS": "-o ServerAliveInterval=5 -o ServerAliveCountMax=2",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_NOCOLOR": "1",
}
_WORDS: Final = 600  # characters of what Ansible says


def runner() -> ModuleType:
    """Return ansible-runner.

    Raises:
        InputError: KGE-944, it is not installed.
    """
    try:
        import ansible_runner  # type: ignore[import-untyped] # noqa: PLC0415 - 100 ms, an extra
    except ImportError as error:
        fix = "pip install 'kgpu-env[fleet]', with Python 3.11 or newer"
        raise InputError("KGE-944", "Ansible, which reaches the nodes, is not installed.", fix=fix) from error
    found: ModuleType = ansible_runner
    return found


def environment() -> dict[str, str]:
    """Return the variables for Ansible's programs, which lie beside this Python."""
    beside = str(Path(sys.executable).parent)
    return {**ENVIRONMENT, "PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}


def nodes_of(inventory: Path, limit: str = "") -> tuple[str, ...]:
    """Return the names of the nodes, sorted.

    Args:
        inventory: a file or a folder, in whichever form Ansible reads.
        limit: a pattern of Ansible; empty: all.

    Raises:
        InputError: KGE-943, it cannot be read, or no node is in it; KGE-944, Ansible is not installed.
    """
    fix = f"see what Ansible says: ansible-inventory -i {inventory} --list"
    if not inventory.exists():
        raise InputError("KGE-943", f"There is no inventory {inventory}.", fix="name a file or folder with -i")
    words = ["-i", str(inventory.resolve()), "--list", *(["--limit", limit] if limit else [])]
    output, errors, code = runner().run_command(
        executable_cmd="ansible-inventory",
        cmdline_args=words,
        envvars=environment(),
        quiet=True,
        runner_mode="subprocess",
    )
    if code:
        cause = " ".join(f"{errors} {output}".split())[:_WORDS]
        raise InputError("KGE-943", f"The inventory {inventory} cannot be read.", cause=cause, fix=fix)
    names = _names(output)
    if not names:
        cause = f"none fits --limit {limit}" if limit else "it is empty"
        raise InputError("KGE-943", f"The inventory {inventory} has no node.", cause=cause, fix=fix)
    return names


def _names(output: str) -> tuple[str, ...]:
    try:
        groups: dict[str, Any] = json.loads(output)
        hosts = [name for group in groups.values() for name in group.get("hosts", ())]
        return tuple(sorted({*hosts, *groups.get("_meta", {}).get("hostvars", {})}))
    except (ValueError, AttributeError, TypeError):
        return ()

"""The nodes of an inventory, as Ansible reads it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from provision.errors import InputError
from provision.files import writable_by_all
from provision.locks import own_folder

# A frozen node ends its connection after 10 s; over a kept connection it would hold the whole run for minutes.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "ANSIBLE_SSH_EXTRA_ARGS": "-o ServerAliveInterval=5 -o ServerAliveCountMax=2",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_NOCOLOR": "1",
}
RUNS: Final = "kgpu-env-fleet."  # how the folders of Ansible's runs begin
_CONFIGURATION: Final = "ANSIBLE_CONFIG"
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
    """Return the variables for Ansible's programs, which lie beside this Python.

    They run in a folder of their own, and yet with the ansible.cfg of this one, under Ansible's own conditions.
    """
    beside, here = str(Path(sys.executable).parent), Path.cwd()
    found = {**ENVIRONMENT, "PATH": os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])}
    if _CONFIGURATION not in os.environ and (here / "ansible.cfg").is_file() and not writable_by_all(here):
        found[_CONFIGURATION] = str(here / "ansible.cfg")
    return found


def asked(program: str, *words: str) -> tuple[str, str, int]:
    """Return what a program of Ansible prints on stdout and on stderr, and its exit code.

    ansible-runner writes answer and environment into a folder, passwords of the inventory with them: it is gone
    afterwards.

    Raises:
        InputError: KGE-944, Ansible is not installed.
    """
    ansible = runner()
    with own_folder(RUNS) as place:
        output, errors, code = ansible.run_command(
            executable_cmd=program,
            cmdline_args=list(words),
            envvars=environment(),
            private_data_dir=str(place),
            quiet=True,
            runner_mode="subprocess",
        )
    return str(output), str(errors), int(code)


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
    output, errors, code = asked("ansible-inventory", *words)
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

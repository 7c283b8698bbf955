"""Carries out a plan, on this machine or in the folder of another: the only part that changes anything."""

import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from provision.errors import EngineError, InputError, KgpuError
from provision.model.preparation import Preparation, PrepareStep
from provision.prepare.machine import below
from provision.prepare.openpgp import armoured, fingerprints

SECONDS: Final = 900.0  # for one command: an engine on a slow line
_FETCH_SECONDS: Final = 30.0
_KEY_BYTES: Final = 1 << 20
_SHOWN: Final = 20  # lines of a failed command
_QUIET: Final = "#!/bin/sh\nexit 101\n"  # policy-rc.d: no service of a folder's machine is started here


def carry_out(preparation: Preparation, root: Path, log: Callable[[str], None]) -> Preparation:
    """Do what is to be done, in order, and return the plan with what became of each step.

    What is done already stays; a second run goes on from there. A step that fails takes back the files that were
    written since the last package was installed, so that no repository without its packages is left.

    Args:
        preparation: the plan.
        root: `/`, or the folder of a machine that does not run.
        log: hears of each step before it is done.

    Raises:
        EngineError: KGE-330, this is not root; KGE-334, a command failed.
        InputError: KGE-332, another key than the expected one; KGE-333, no key; KGE-337, a file cannot be written.
    """
    if not preparation.open:
        return replace(preparation, applied=True)
    if os.geteuid() != 0:
        fix = "sudo kgpu-env prepare, or --dry-run to see what it would do"
        raise EngineError("KGE-330", "Only root can prepare a machine.", fix=fix)
    written: list[Path] = []
    done: list[PrepareStep] = []
    with _services_kept_still(root):
        for step in preparation.steps:
            if step.state != "to do":
                done.append(step)
                continue
            log(step.text)
            try:
                _do(step, root, written)
            except KgpuError:
                _take_back(written)
                raise
            done.append(replace(step, state="done"))
    return replace(preparation, steps=tuple(done), applied=True)


def _do(step: PrepareStep, root: Path, written: list[Path]) -> None:
    if step.path:
        _write(_place(root, step.path), _key(step) if step.key else step.content.encode(), written)
    else:
        _run(step, root)
    if step.name == "packages":
        written.clear()


def _place(root: Path, path: str) -> Path:
    """Return where a file lies; a link in the folder of another machine leads nowhere out of it."""
    place = root / path.lstrip("/")
    if not place.parent.resolve().is_relative_to(root.resolve()):
        raise InputError("KGE-337", f"{path} cannot be written.", cause=f"{place.parent} leads out of {root}")
    return place


def _write(place: Path, content: bytes, written: list[Path]) -> None:
    """Write a file that everybody may read, whole or not at all."""
    if place.is_file() and place.read_bytes() == content:
        return
    is_new = not place.exists()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        fix = "is the file system mounted read-only? mount shows it; on an image-based system use its own way"
        raise InputError("KGE-337", f"{place} cannot be written.", cause=error.strerror or "", fix=fix) from error
    if is_new:
        written.append(place)


def _key(step: PrepareStep) -> bytes:
    """Return the key at a step's address, whose every primary key is an expected one."""
    fix = "give the address of a mirror with --mirror, or look at proxy and network"
    try:
        with urllib.request.urlopen(step.key, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - http(s): the row's, or a checked mirror's
            data: bytes = answer.read(_KEY_BYTES)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise InputError("KGE-333", f"The key {step.key} cannot be fetched.", cause=str(error), fix=fix) from error
    try:
        found = fingerprints(data)
    except ValueError as error:
        raise InputError("KGE-333", f"{step.key} is no key file.", cause=str(error), fix=fix) from error
    strange = [one for one in found if one not in step.fingerprints]
    if strange:
        raise InputError(
            "KGE-332",
            f"{step.key} is not the maker's key.",
            cause=f"its fingerprint is {', '.join(strange)}, not {' or '.join(step.fingerprints)}",
            fix="do not trust it; if the maker has changed its key, kgpu-env's facts must follow",
        )
    return armoured(data)


def _run(step: PrepareStep, root: Path) -> None:
    words = " ".join(step.command)
    fix = f"mend what it says and run kgpu-env prepare again: what is done stays. Check: sudo {words}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "NEEDRESTART_MODE": "l"}
    environment.setdefault("PATH", os.defpath)
    try:
        ended = subprocess.run(  # noqa: S603 - the plan's own words, no shell
            below(root, *step.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        cause = getattr(error, "strerror", None) or f"no end within {SECONDS:g} s"
        raise EngineError("KGE-334", f"{words} failed.", cause=cause, fix=fix) from error
    if ended.returncode != 0:
        lines = tuple(ended.stdout.decode(errors="replace").strip().splitlines()[-_SHOWN:])
        cause = f"exit code {ended.returncode}"
        raise EngineError("KGE-334", f"{words} failed.", cause=cause, fix=fix, log=lines)


def _take_back(written: list[Path]) -> None:
    for place in reversed(written):
        place.unlink(missing_ok=True)


@contextmanager
def _services_kept_still(root: Path) -> Iterator[None]:
    """Keep packages in a folder from starting their services on this machine (Debian policy, 9.3.3.1)."""
    policy = root / "usr/sbin/policy-rc.d"
    is_ours = root != Path("/") and policy.parent.is_dir() and not policy.exists()
    if is_ours:
        policy.write_text(_QUIET)
        policy.chmod(0o755)
    try:
        yield
    finally:
        if is_ours:
            policy.unlink(missing_ok=True)

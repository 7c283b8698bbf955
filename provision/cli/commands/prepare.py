"""`kgpu-env prepare`."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli.context import load_catalogue
from provision.cli.options import Json
from provision.cli.output import log, print_json, print_result
from provision.cli.parsers import one_of
from provision.errors import InterruptError, UsageError
from provision.model import VENDORS, Vendor
from provision.model.preparation import Preparation, PrepareStep

GROUPS = ("video", "render", "docker")
LACKING = {"KGE-115", "KGE-141"}  # no toolkit; a toolkit that no engine was told of
Makers = Annotated[
    list[str] | None,
    typer.Option(
        parser=one_of("vendor", tuple(VENDORS)), metavar="NAME", help="cuda or rocm; by default as the GPUs are."
    ),
]
Root = Annotated[Path | None, typer.Option(metavar="DIR", help="Prepare the machine mounted or unpacked at DIR.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.")]
AddRepository = Annotated[
    bool, typer.Option("--add-repository", help="Take what the machine's repositories lack from the maker's own.")
]
Mirror = Annotated[str, typer.Option(metavar="URL", help="Stands in for the maker's address; its key is checked.")]
Group = Annotated[
    list[str] | None,
    typer.Option(parser=one_of("group", GROUPS), metavar="|".join(GROUPS), help="Put the user into this group."),
]
User = Annotated[str | None, typer.Option(metavar="NAME", help="Whose groups; by default who called sudo.")]
IfNeeded = Annotated[
    bool,
    typer.Option("--if-needed", help="Do and say nothing unless there is a GPU whose container toolkit is missing."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without a question.")]


def prepare(
    vendor: Makers = None,
    dry_run: DryRun = False,
    add_repository: AddRepository = False,
    mirror: Mirror = "",
    group: Group = None,
    user: User = None,
    root: Root = None,
    if_needed: IfNeeded = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make a bare GPU node ready for containers.

    It installs a container engine and the maker's toolkit, registers the runtime, and writes the CDI specification.
    What will be done is printed first, and what takes it back. A driver is never touched; what is there already stays.

    Examples:
        kgpu-env prepare --dry-run
        sudo kgpu-env prepare --add-repository --yes
    """
    catalogue = load_catalogue()
    host = api.probe_host(root, catalogue=catalogue)
    if if_needed and not any(finding.code in LACKING for finding in host.findings):
        return
    wanted = api.preparation(
        tuple(dict.fromkeys(VENDORS[name] for name in vendor or () if name not in {Vendor.AUTO, Vendor.CPU})),
        host=host,
        root=root,
        add_repository=add_repository,
        mirror=mirror,
        groups=tuple(group or ()),
        user=_user(user) if group else "",
        catalogue=catalogue,
    )
    if dry_run or not wanted.open:
        print_json(wanted) if as_json else print_result("\n".join(told(wanted)))
        return
    log("\n".join(told(wanted)))
    if not yes:
        _ask()
    done = api.prepare(wanted, root=root, log=lambda text: log(f"now       {text}"))
    print_json(done) if as_json else print_result("\n".join(ended(done)))


def _user(named: str | None) -> str:
    found = named or os.environ.get("SUDO_USER") or os.environ.get("USER") or ""
    if not found or found == "root":
        raise UsageError("KGE-902", "Nobody is named whose groups they are.", fix="--user NAME")
    return found


def _ask() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fix = "add --yes: it asks nothing; --dry-run only shows"
        raise UsageError("KGE-910", "There is no terminal to ask at.", fix=fix)
    try:
        agreed = typer.confirm("Do this?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise InterruptError("KGE-900", "Nothing was done.")


def told(wanted: Preparation) -> list[str]:
    """Return a plan as people read it: what is there, what will be done, what is left, what takes it back."""
    head = f"{wanted.distribution}, steps to do: {len(wanted.open)}" if wanted.open else "This machine is ready."
    steps = [line for step in wanted.steps for line in _step(step)]
    notes = [f"{'note':<9} {note}" for note in wanted.notes]
    return [head, *steps, *notes, *_undo("to take it back", wanted)]


def _step(step: PrepareStep) -> list[str]:
    lines = [f"{step.state:<9} {step.text}"]
    if step.state == "to do" and step.command:
        lines.append(f"{'':<9}   {shlex.join(step.command)}")
    elif step.state == "to do":
        lines += [f"{'':<9}   {step.key} -> {step.path}"] if step.key else [f"{'':<9}   -> {step.path}"]
    return lines


def ended(done: Preparation) -> list[str]:
    """Return what was done."""
    steps = [f"{step.state:<9} {step.text}" for step in done.steps]
    notes = [f"{'note':<9} {note}" for note in done.notes]
    return [*steps, *notes, *_undo("to take it back", done), f"{'next':<9} kgpu-env doctor; then kgpu-env up"]


def _undo(title: str, wanted: Preparation) -> list[str]:
    return [f"{title}:", *(f"{'':<9} {command}" for command in wanted.undo)] if wanted.undo else []

"""`kgpu-env init`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.context import this_host
from provision.cli.documents import InitDocument
from provision.cli.formatting.host import headline
from provision.cli.output import check_writable, log, print_json, print_result, write_files
from provision.config import FILE_NAME, read_project
from provision.errors import InputError, InterruptError, UsageError, nearest
from provision.model import VENDORS, Host, Request, Vendor
from provision.resolve.request import check_request

NOTHING = "none"
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what this host suggests.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a project file that is there.")]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The project's folder.")]


def init(
    output: Folder = Path(),
    vendor: o.Vendor = None,
    package: o.Package = None,
    yes: Yes = False,
    force: Force = False,
    as_json: o.Json = False,
) -> None:
    """Write a commented kgpu-env.yaml for this host.

    Its JSON Schema, by which editors complete and check it, is written beside it.

    Examples:
        kgpu-env init
        kgpu-env init --yes --package jupyterlab
    """
    from provision.config.starter import SCHEMA_NAME, Answers, schema_text, starter_file  # noqa: PLC0415 - 8 ms
    from provision.requirements.found import found_in  # noqa: PLC0415 - 1 ms

    file, schema = output / FILE_NAME, output / SCHEMA_NAME
    if file.exists() and not force:
        raise InputError("KGE-609", f"{file} is there already.", fix="edit it, or replace it with --force")
    if output.exists():  # before any question; a folder that is not there is not made for an answer yet to come
        check_writable(file, schema, force=True)  # whether it may replace them is asked when they are written
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("KGE-910", "There is no terminal to ask at.", fix="add --yes: it asks nothing")
    host = this_host()
    files = found_in(output)
    if files:
        log(f"found     {files[0]}: its packages go in")
    answers = Answers(
        vendor=vendor or (_suggested(host) if yes else _ask_vendor(host)),
        packages=tuple(package or ()) if yes or package or files else _ask_packages(),
        requirements=files,
        uid=os.getuid(),
        gid=os.getgid(),
    )
    _check(answers.packages)
    texts = {schema: schema_text(), file: starter_file(answers, headline(host))}
    write_files({path: text.encode() for path, text in texts.items()}, force=force)
    read_project(file)  # what was written is what will be read
    if as_json:
        print_json(InitDocument(files=(str(file), str(schema)), vendor=answers.vendor, packages=answers.packages))
        return
    print_result(f"{file}\n{schema}")
    log("next      kgpu-env up")


def _suggested(host: Host) -> str:
    """Return what fits this host: its vendor where it has one kind of usable GPU, auto where it has none or both."""
    kinds = {VENDORS[gpu.vendor] for gpu in host.gpus if gpu.usable}
    return (kinds.pop() if len(kinds) == 1 else Vendor.AUTO).value


def _ask_vendor(host: Host) -> str:
    log(f"Host      {headline(host)}")
    while True:
        found = _ask("Vendor: auto (as each host has it), cuda, rocm or cpu", _suggested(host))
        if found in VENDORS:
            return found
        hint = nearest(found, [*VENDORS]) or "choose from these four."
        log(f"          {found!r} is no vendor: {hint}")


def _ask_packages() -> tuple[str, ...]:
    while True:
        text = _ask(f"Python packages to add, separated by spaces, or {NOTHING}", "jupyterlab")
        found = () if text.strip() == NOTHING else tuple(text.split())
        try:
            _check(found)
        except InputError as error:
            log(f"          {error.text} {error.cause}".rstrip())
        else:
            return found


def _ask(question: str, suggested: str) -> str:
    try:
        found: str = typer.prompt(question, default=suggested, err=True)
    except typer.Abort:  # Ctrl-C, or the end of the input: the cursor still stands behind the question
        log("")
        raise InterruptError("KGE-900", "Interrupted: nothing was written.") from None
    return found


def _check(packages: tuple[str, ...]) -> None:
    check_request(Request(packages=packages))

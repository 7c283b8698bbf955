"""What the commands have in common: options, host, stack."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import typer

from provision import library
from provision.catalogue import Catalogue, load
from provision.cli.options import StackOptions
from provision.cli.output import answer, answer_json, say
from provision.model import Host, Request, Stack, Vendor
from provision.variables import CATALOGUE, CONFIG

if TYPE_CHECKING:
    from provision.config import Settings


_RENAMED = {"package": "packages", "ca_bundle": "network_ca_bundle"}  # flags that are not called as their option


def settings(options: StackOptions, *, as_json: bool = False) -> "Settings":
    """Return the settled options of a command, or print them and stop for --show-config."""
    from provision.config import KEYS, find_project, read_project, settle

    path = options.config or os.environ.get(CONFIG) or find_project(Path.cwd())
    project = read_project(Path(path)) if path else None
    flags = {_RENAMED.get(key, key): _plain(getattr(options, key)) for key in options.__struct_fields__}
    flags = {key: flags.get(key) for key in (*KEYS, "profile", "network_ca_bundle")}
    found = settle(flags, os.environ, project, Path(path) if path else None)
    if options.show_config:
        _show(found, as_json=as_json)
        raise typer.Exit
    return found


def _plain(value: object) -> object:
    match value:
        case list():
            return tuple(value)
        case Path():
            return str(value)
        case _:
            return value


def _show(found: "Settings", *, as_json: bool) -> None:
    from provision.cli.documents import ConfigDocument, Option

    shown = {
        key: Option(value=msgspec.to_builtins(value), origin=found.origins[key])
        for key, value in sorted(found.values.items())
    }
    if as_json:
        answer_json(ConfigDocument(options=shown))
        return
    for key, one in shown.items():
        answer(f"{key:<20} {json.dumps(one.value):<30} {one.origin}")
    if not shown:
        answer("every option has its default")


def cache_folder() -> Path:
    """Return where copies are kept that only save time; it may be removed at any moment."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".cache") / "kgpu-env"


def facts(overlay: Path | None = None) -> Catalogue:
    """Return the catalogue, with the site's own rows of --catalogue or KGPU_ENV_CATALOGUE."""
    own = overlay or os.environ.get(CATALOGUE)
    return load(cache=cache_folder(), overlay=Path(own) if own else None)


def this_host(root: Path | None = None) -> Host:
    """Return this machine, or the captured tree at `root`, as probed."""
    return library.probe_host(root, catalogue=facts())


class Plan(NamedTuple):
    """What a command works on."""

    catalogue: Catalogue
    settings: "Settings"
    host: Host
    request: Request
    stack: Stack

    @property
    def tag(self) -> str:
        """The image's name: the one that was asked for, or the one that tells the stack."""
        from provision.render.dockerfile import default_tag

        return self.settings.tag or default_tag(self.stack)


def plan(options: StackOptions, *, as_json: bool = False) -> Plan:
    """Settle the options, get the host, and resolve the stack; `as_json` is how --show-config would answer."""
    from provision.resolve.request import check_names, check_request

    found = settings(options, as_json=as_json)
    request = check_request(found.request)
    check_names(found.tag, found.network.registries)
    host = _host_for(request, options.host)
    catalogue = facts(options.catalogue)
    stack = library.resolve(host, request, catalogue=catalogue, today=time.strftime("%Y-%m-%d"))
    return Plan(catalogue, found, host, request, stack)


def _host_for(request: Request, path: Path | None) -> Host:
    if path:
        return library.read_host(path)
    # Nothing about a CPU stack depends on the host's GPUs.
    return Host(architecture=os.uname().machine) if request.vendor is Vendor.CPU else this_host()


def tell_warnings(stack: Stack) -> None:
    """Print the stack's warnings on stderr."""
    for warning in stack.warnings:
        say(f"warning   {warning.text}")


def is_terminal() -> bool:
    """Tell whether stderr is a terminal that a line can be rewritten on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("CI")

"""What a command is asked for: the settled options, the host, and the stack that suits both."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import typer

from provision import api
from provision.catalogue import Catalogue
from provision.cli.context import load_catalogue, this_host
from provision.cli.documents import ConfigDocument, Option
from provision.cli.options import NetworkOptions, StackOptions
from provision.cli.output import log, print_json, print_result, warn
from provision.config import Project, Settings, nearest_project, read_project, settle
from provision.model import SETTINGS, BuildOptions, Host, Pin, Request, Stack, Vendor
from provision.redaction import redacted_address, refuse_passwords
from provision.resolve.request import check_apt, check_names, check_request
from provision.variables import CONFIG

DECIDED: Final = set(Request.__struct_fields__) - {"gpus"}  # on which GPUs it is proved is not decided by a lock


def settings(options: StackOptions | NetworkOptions, *, as_json: bool = False) -> Settings:
    """Return the settled options of a command, or print them and stop for --show-config."""
    found = settle({**_given(options), "profile": options.profile}, os.environ, _project(options.config))
    if isinstance(options, StackOptions) and options.show_config:
        _show(found, as_json=as_json)
        raise typer.Exit
    return found


def catalogue_of(options: StackOptions | NetworkOptions) -> Catalogue:
    """Return the catalogue that a command's options, variables and project file name."""
    found = settle({**_given(options), "profile": options.profile}, os.environ, _project(options.config))
    return load_catalogue(found.catalogue)


def project_catalogue(overlay: Path | None) -> Catalogue:
    """Return the catalogue of a command that takes no other options: with the rows of a folder or of the project."""
    return load_catalogue(overlay or settle({}, os.environ, _project(None)).catalogue)


def _project(named: Path | None) -> Project | None:
    path = named or os.environ.get(CONFIG) or nearest_project()
    return read_project(Path(path)) if path else None


def _given(options: StackOptions | NetworkOptions) -> dict[str, object]:
    """Return the flags of settings, in the order of their declaration."""
    flags = {**options.settings, "catalogue": options.catalogue}
    if isinstance(options, StackOptions):
        flags["vendor"] = options.vendor
    return {name: _plain(flags[name]) for name in SETTINGS if name in flags}


def _plain(value: object) -> object:
    match value:
        case list():
            return tuple(value)
        case Path():
            return str(value)
        case _:
            return value


def _show(found: Settings, *, as_json: bool) -> None:
    shown = {
        key: Option(value=_shown(key, msgspec.to_builtins(value)), origin=found.origins[key])
        for key, value in sorted(found.values.items())
    }
    if as_json:
        print_json(ConfigDocument(options=shown))
        return
    for key, one in shown.items():
        print_result(f"{key:<20} {json.dumps(one.value):<30} {one.origin}")
    if not shown:
        print_result("every option has its default")


def _shown(name: str, value: object) -> object:
    """Return a setting's value as it may be shown: of an address no password."""
    if SETTINGS[name].option.kind != "address":
        return value
    match value:
        case str():
            return redacted_address(value)
        case list():
            return [redacted_address(one) for one in map(str, value)]
        case dict():
            return {key: redacted_address(str(one)) for key, one in value.items()}
        case _:
            return value


class Plan(NamedTuple):
    """What a command works on."""

    catalogue: Catalogue
    settings: Settings
    host: Host
    request: Request
    stack: Stack
    choice: api.Choice | None = None  # None: from a lock
    pins: tuple[Pin, ...] | None = None  # all that is installed, where it is known
    context: Mapping[str, bytes] = MappingProxyType({})  # files of local code among them

    @property
    def options(self) -> BuildOptions:
        """What is put into the image beside the stack, its name, and how its build reaches what it needs."""
        settled = self.settings
        names = ("tag", "cache", "cache_from", "max_size")
        chosen = {name: settled.values[name] for name in names if name in settled.values}
        return BuildOptions(
            request=self.request,
            network=settled.network,
            pins=self.pins,
            machine=self.host.architecture,
            context=dict(self.context),
            **chosen,
        )

    @property
    def tag(self) -> str:
        """The image's name: the one that was asked for, or the one that tells the stack and means its last build."""
        from provision.render.dockerfile import default_tag  # noqa: PLC0415 - 4 ms

        return self.settings.tag or default_tag(self.stack)


def plan(
    options: StackOptions,
    *,
    as_json: bool = False,
    needed: bool = False,
    held: Sequence[str] = (),
    locked: Request | None = None,
) -> Plan:
    """Settle the options, get the host, and resolve the stack together with what is added to it.

    Args:
        options: of the command.
        as_json: how --show-config would answer.
        needed: whether all that is installed has to be known, and so an index has to answer.
        held: exact requirements that stay where everything can.
        locked: what a lock was asked for, which holds where nothing of it is asked for now.
    """
    found = settings(options, as_json=as_json)
    asked_now = any(key in DECIDED or key.startswith("user_") for key in found.origins)
    request = check_request(found.request if asked_now or locked is None else locked)
    refuse_passwords(request)
    check_names(found.tag, found.network.registries, found.values.get("cache_from", ()))
    host = _host_for(request, options.host)
    catalogue = load_catalogue(found.catalogue)
    check_apt(catalogue, request.apt)
    today = time.strftime("%Y-%m-%d")
    choice = api.choose(
        host, request, found.network, needed=needed, catalogue=catalogue, today=today, held=held, log=_note
    )
    for note in choice.notes:
        _note(note)
    if choice.wheels is None:
        return Plan(catalogue, found, host, request, choice.stack, choice)
    pins, context = api.pins(choice)
    return Plan(catalogue, found, host, request, choice.stack, choice, pins, context)


def _note(text: str) -> None:
    log(f"note      {text}")


def _host_for(request: Request, path: Path | None) -> Host:
    if path:
        return api.read_host(path)
    # Nothing about a CPU stack depends on the host's GPUs.
    return Host(architecture=os.uname().machine) if request.vendor is Vendor.CPU else this_host()


def log_warnings(stack: Stack) -> None:
    """Print the stack's warnings on stderr."""
    for warning in stack.warnings:
        warn(f"warning   {warning.text}")

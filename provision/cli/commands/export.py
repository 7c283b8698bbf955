"""`kgpu-env export`."""

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import typer
from msgspec.structs import replace

from provision import api
from provision.cli import options as o
from provision.cli.completion import images
from provision.cli.documents import ExportDocument, ExportedFile
from provision.cli.fleet_export import fleet_files
from provision.cli.help import FIRST
from provision.cli.output import is_others, log, print_json, print_result, write_files
from provision.cli.parsers import is_node, one_of
from provision.cli.planning import Plan, log_warnings, plan, settings
from provision.cli.spread import Flags, Options
from provision.config import Settings
from provision.emit import OUTPUTS, Order, Output, emit
from provision.emit.services import SERVICES
from provision.engine.access import device_access
from provision.errors import BuildError, EngineError, UsageError
from provision.files import read_file
from provision.model import SETTINGS, Network, Shape, Vendor
from provision.model.labels import stack_of
from provision.model.reference import parse_reference
from provision.model.selection import select
from provision.render.dockerfile import LOGINS


def _node(text: str) -> str:
    """Return the name of a Kubernetes node."""
    if is_node(text):
        return text
    raise typer.BadParameter(f"{text!r} is no name of a node; kubectl get nodes tells them.")


KINDS = tuple(OUTPUTS)
Kind = Annotated[
    str,
    typer.Argument(
        parser=one_of("output", KINDS),
        metavar="KIND",
        help=f"What to write: {', '.join(KINDS[:-1])} or {KINDS[-1]}.",
        autocompletion=lambda: list(KINDS),
    ),
]
Folder = Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write the files into this folder.")]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE",
        help="The image as its users fetch it; otherwise the tag of kgpu-env build.",
        autocompletion=images,
    ),
]
ByTag = Annotated[
    bool, typer.Option("--by-tag", help="Name the image by its tag alone; ask no engine and no registry for a digest.")
]
Node = Annotated[
    list[str] | None,
    typer.Option("--node", parser=_node, metavar="NAME", help="Kubernetes: prove this node by a Job; repeatable."),
]

Fleet = Annotated[
    Path | None,
    typer.Option(metavar="PLAN", help="Kubernetes: for all nodes of a plan of kgpu-env fleet; with --node for these."),
]


class ExportOptions(Options):
    """What the output says beside the stack."""

    section: ClassVar[str] = FIRST
    image: Image = None
    by_tag: ByTag = False
    shape: Annotated[dict[str, Any], Flags(group="run")] = msgspec.field(default_factory=dict)
    cluster: Annotated[dict[str, Any], Flags(group="kubernetes")] = msgspec.field(default_factory=dict)
    compose: Annotated[dict[str, Any], Flags(group="compose")] = msgspec.field(default_factory=dict)
    devcontainer: Annotated[dict[str, Any], Flags(group="devcontainer")] = msgspec.field(default_factory=dict)
    node: Node = None
    fleet: Fleet = None

    @property
    def apart(self) -> dict[str, Any]:
        """The options that one output alone has words for."""
        return {**self.cluster, **self.compose, **self.devcontainer}


def export(
    kind: Kind,
    *,
    output: Folder = None,
    force: o.Force = False,
    target: ExportOptions,
    stack: o.StackOptions,
    as_json: o.Json = False,
) -> None:
    """Write the files by which another tool uses the environment.

    All of them name the same image, and ask for the GPU each in its own words.

    Examples:
        kgpu-env export devcontainer -o .
        kgpu-env export compose -o . --mount ./data:/data:ro --shm-size 8g
        kgpu-env export kubernetes -o k8s --node-selector gpu=a100 --pull-secret login
        kgpu-env export kubernetes -o k8s --fleet plan.json
    """
    wanted = OUTPUTS[kind]
    options = replace(stack, settings={**stack.settings, **target.shape, **target.apart})
    if target.fleet:
        _check_fleet(wanted, target)
        settled = settings(options, as_json=as_json)
        _check_options(wanted, target, settled)
        told = fleet_files(target.fleet, settled, stack.host, tuple(target.node or ()))
        _deliver(ExportDocument(kind=kind, image="", plan_digest=""), told, output, force=force, as_json=as_json)
        return
    found = plan(options, as_json=as_json)
    _check_options(wanted, target, found.settings)
    order = replace(_order(found, wanted, target), place=_place(wanted, output))
    _check_services(order)
    files = emit(kind, order)
    log_warnings(found.stack)
    _log_gpu(order)
    document = ExportDocument(kind=kind, image=order.reference, plan_digest=order.plan.digest)
    _deliver(document, files, output, force=force, as_json=as_json)


def _deliver(
    document: ExportDocument, files: dict[str, str], output: Path | None, *, force: bool, as_json: bool
) -> None:
    if output:
        _write(output, files, force=force)
    if as_json:
        exported = tuple(ExportedFile(path=path, text=text) for path, text in files.items())
        print_json(replace(document, files=exported))
    elif output:
        for path in files:
            print_result(str(output / path))
    else:
        _print(files)


def _check_fleet(wanted: Output, target: ExportOptions) -> None:
    """Raise UsageError KGE-592 where a plan of a fleet has no place."""
    if not wanted.nodes:
        raise UsageError("KGE-592", "--fleet belongs to export kubernetes.", fix="leave it out")
    if target.image or target.by_tag:
        flag = "--image" if target.image else "--by-tag"
        raise UsageError("KGE-592", f"{flag} does not go with --fleet: the plan names its images.", fix="leave it out")


def _check_options(wanted: Output, target: ExportOptions, settled: Settings) -> None:
    """Raise UsageError KGE-592 for an option that the output has no words for."""
    if target.node and not wanted.nodes:
        able = ", ".join(one.name for one in OUTPUTS.values() if one.nodes)
        raise UsageError("KGE-592", f"--node belongs to export {able}.", fix="leave it out")
    for name in target.apart:
        if SETTINGS[name].group != wanted.name:
            what = f"{SETTINGS[name].option.flag} belongs to export {SETTINGS[name].group}."
            raise UsageError("KGE-592", what, fix="leave it out")
    for name in settled.shape.given:
        if name in wanted.lacks:
            option, origin = SETTINGS[f"run_{name}"].option.flag, settled.origins[f"run_{name}"]
            what = f"export {wanted.name} takes no {option} ({origin})."
            raise UsageError("KGE-592", what, cause=wanted.lacks[name], fix="leave it out")


def _check_services(order: Order) -> None:
    """Raise UsageError KGE-592 for a service beside whose package the environment lacks, as far as it is known."""
    for name, image in order.compose.beside.items():
        package = SERVICES[name].package
        if image is None and not order.request.requirements and not order.has_any(package):
            what = f"export compose: the environment has no {package} for the service {name}."
            fix = f"add --package {package}, or name an image that has it: --service {name}=IMAGE"
            raise UsageError("KGE-592", what, fix=fix)


def _order(found: Plan, wanted: Output, target: ExportOptions) -> Order:
    if target.image:
        parse_reference(target.image)
    user = found.request.user
    # A Dockerfile, and what it reads, goes along where an image is built from it.
    options = found.options if wanted.builds else replace(found.options, network=Network())
    rendered = api.render(found.stack, options, catalogue=found.catalogue)
    brought = [name for name in rendered.files if name not in {"Dockerfile", LOGINS}]
    if brought:
        log(f"note      holds your network settings: {', '.join(brought)}")
    if LOGINS in rendered.files:
        where = f"pip and uv find it in {LOGINS} beside the Dockerfile, where git leaves it out"
        log(f"note      the login of the package index is left out: {where}")
        rendered = replace(rendered, files={name: one for name, one in rendered.files.items() if name != LOGINS})
    return Order(
        stack=found.stack,
        request=found.request,
        host=found.host,
        access=device_access(found.host, found.stack.vendor, found.request.gpus),
        plan=replace(rendered, tag=found.tag),
        image=_reference(found, wanted, target),
        shape=_shape(found.settings.shape),
        cluster=found.settings.cluster,
        compose=found.settings.compose,
        devcontainer=found.settings.devcontainer,
        proxies=_proxies(found) if wanted.builds else {},
        foreign=_is_foreign(found, target),
        nodes=tuple(dict.fromkeys(target.node or ())),
        developer=(user.uid, user.gid) if "user_uid" in found.settings.origins else (os.geteuid(), os.getegid()),
    )


def _proxies(found: Plan) -> dict[str, str]:
    """Return the proxies of a client's build and container; tells of those that it takes from its own environment."""
    address = found.host.engine.address if found.host.engine else ""
    proxies = api.written_proxies(found.settings.network, address)
    if found.settings.network.proxy and not proxies:
        log("note      the proxy is left out: no container reaches a loopback address")
    outside = [name for name, text in proxies.items() if text.startswith("$") and name.isupper()]
    if outside:
        log(f"note      {', '.join(outside)}: taken from the environment of whoever opens it, logins stay there")
    return proxies


def _shape(shape: Shape) -> Shape:
    """Return what the container gets, with the whole paths of its folders: the files may lie anywhere."""
    mounts = tuple(
        text if one.is_volume else replace(one, source=str(Path(one.source).absolute())).words
        for text, one in zip(shape.mounts, shape.folders, strict=True)
    )
    return replace(shape, mounts=mounts, env_files=tuple(str(Path(name).absolute()) for name in shape.env_files))


def _is_foreign(found: Plan, target: ExportOptions) -> bool:
    """Tell whether the image named is seen to be of another maker. One that cannot be looked into is believed."""
    if not target.image or target.by_tag:
        return False
    try:
        labels = api.read_configuration(target.image, found.host.architecture, found.settings.network).labels
    except (BuildError, EngineError):
        log(f"note      {target.image} could not be looked into: that it is this stack's is believed, not read")
        return False
    stack = stack_of(labels)
    if stack is None:
        log(f"note      {target.image} is not of kgpu-env's making: the files do not say what is in it")
    elif stack.summary != found.stack.summary:
        log(f"note      {target.image} holds {stack.summary}, not the stack that was chosen for this host")
    return stack is None or stack.summary != found.stack.summary


def _reference(found: Plan, wanted: Output, target: ExportOptions) -> str | None:
    """Return the image as its users fetch it, with its digest where one is known; None: the tag of the build."""
    if target.by_tag or (wanted.builds and not target.image):  # that one builds its image
        return target.image
    named = target.image or found.settings.tag
    why = "as far as this host knows, no registry has it"
    try:
        reference = api.pinned(
            named or found.tag, found.host.architecture, found.settings.network, remote=named is not None
        )
        if "@" in reference:
            return reference
    except BuildError as error:
        why = error.text
    log(f"note      the image is named by its tag alone: {why}")
    return target.image


def _log_gpu(order: Order) -> None:
    if order.stack.vendor is Vendor.CPU:
        log("note      this is the CPU's environment: no GPU is asked for, and none will be used")
    elif order.has_gpu:
        log(f"GPU       {order.access.method}: {_names(order)}")


def _names(order: Order) -> str:
    chosen = select(order.host, order.stack.vendor.row.maker, order.request.gpus)
    return ", ".join(sorted({gpu.name or gpu.vendor for _, gpu in chosen}))


def _place(wanted: Output, folder: Path | None) -> str | None:
    """Return where the first file goes: beside a file of that kind that is the project's own."""
    if not folder or not wanted.places:
        return None
    free = [names for names in wanted.places if not any(_is_own(folder / name) for name in names)]
    place = (free or wanted.places)[0][0]
    if place != wanted.places[0][0]:
        log(f"note      written to {place}: the project has a file of that kind of its own")
    return place


def _is_own(path: Path) -> bool:
    """Tell whether somebody's file is there, and not an export that was changed since."""
    try:
        return is_others(path) and b"kgpu-env" not in read_file(path)
    except OSError:  # not readable: whoever wrote it, it is kept
        return True


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError("KGE-911", f"{folder} is a file.", fix="name a folder: -o DIR")
    write_files({folder / path: text.encode() for path, text in files.items()}, force=force)


def _print(files: dict[str, str]) -> None:
    """Print the first file, and tell of the others, which -o writes."""
    first, *others = files
    print_result(files[first])
    if others:
        log(f"note      with -o DIR also: {', '.join(others)}")

"""`kgpu-env lock`."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json, say, write_file
from provision.cli.session import Plan, plan, tell_warnings
from provision.errors import BuildError, InputError, UsageError
from provision.model import encode

if TYPE_CHECKING:
    from provision.lock import Lock, Wheel

_AMD_GLIBC = "2.28"  # AMD's wheels are for manylinux_2_28; its own images have no row with their C library
Check = Annotated[bool, typer.Option("--check", help="Tell what has changed since the lock was written, and stop.")]


@command
def lock(*, check: Check = False, stack: o.StackOptions, as_json: o.Json = False) -> None:
    """Write kgpu.lock: the stack, its base by digest and every wheel by hash; `build --locked` builds it."""
    from provision.lock import LOCK_FILE, read_lock

    path = Path(LOCK_FILE)
    old = read_lock(path) if check else None
    found = plan(stack, as_json=as_json)
    tell_warnings(found.stack)
    now = _make(found)
    if old:
        _report(path, old, now, as_json=as_json)
        return
    write_file(path, (encode(now) + "\n").encode())
    say(f"wrote {path}: {len(now.wheels)} wheels, base digest {now.stack.base.digest or 'unknown'}")
    if as_json:
        answer_json(now)
    else:
        answer(now.stack.summary)


def _make(found: Plan) -> "Lock":
    from provision.lock import Pinned, make_lock, platform_of

    stack = found.stack
    if stack.framework_in_base and found.request.packages:
        raise UsageError(
            "KGE-907",
            f"{stack.base.image} brings its own Python environment: packages added to it cannot be locked.",
            fix="lock it without --package, or take a stack of wheels (kgpu-env resolve names its base)",
        )
    bases, cuda_bases = found.catalogue.images.bases, found.catalogue.images.cuda_bases
    known = {row.image: row.glibc for row in bases} | {row.image: row.glibc for row in cuda_bases}
    glibc = known.get(stack.base.image, _AMD_GLIBC)
    platform = platform_of(found.host.architecture, glibc)
    return make_lock(
        found.catalogue, stack, found.request, Pinned(_wheels(found, platform), platform, _base_digest(found))
    )


def _wheels(found: Plan, platform: str) -> "tuple[Wheel, ...]":
    from provision.engine.network import build_network
    from provision.lock import Uv, compile_wheels, find_uv, network_environment

    if not found.stack.packages:
        return ()
    network = found.settings.network
    with tempfile.TemporaryDirectory() as folder:
        files = build_network(network, os.environ).files
        environment = network_environment(files, os.environ, network.ca_bundle, Path(folder))
        return compile_wheels(found.stack, found.request, platform, Uv(find_uv(shutil.which), environment))


def _base_digest(found: Plan) -> str | None:
    """Return the digest of the base in its registry, or None with a word why."""
    from provision.build import rewrite
    from provision.registry import parse_reference, read_image
    from provision.registry.http import Http
    from provision.registry.token import stored_login

    network = found.settings.network
    reference = parse_reference(rewrite(found.stack.base.image, network.registries))
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    transport = Http(network.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"))
    try:
        return read_image(reference, found.host.architecture, transport, lambda name: stored_login(name, folder)).digest
    except BuildError as error:
        say(f"note      the base {found.stack.base.image} is locked by name only: {error.what}")
        return None
    finally:
        transport.close()


def _report(path: Path, old: "Lock", now: "Lock", *, as_json: bool) -> None:
    from provision.cli.documents import DriftDocument
    from provision.lock import drifts

    found = drifts(old, now)
    lines = [f"{one.what}: {one.locked} is now {one.now}" for one in found]
    if found:
        for line in lines:
            say(f"drift     {line}")
        fix = "build what was locked with kgpu-env build --locked, or lock anew with kgpu-env lock"
        raise InputError("KGE-624", f"{path} has drifted in {len(found)} points.", why="; ".join(lines[:5]), fix=fix)
    if as_json:
        answer_json(DriftDocument(lock=str(path)))
    else:
        answer(f"{path} is what would be locked now.")

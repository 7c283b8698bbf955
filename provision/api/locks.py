"""Locks: a stack with every wheel by its hash and the base by its digest."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import provision.catalogue as facts
from provision import model
from provision.api.images import look_up
from provision.errors import BuildError, UsageError

if TYPE_CHECKING:
    from provision.lock import Lock, Wheel

_AMD_GLIBC = "2.28"  # AMD's wheels are for manylinux_2_28; its own images have no row with their C library


def lock(
    stack: model.Stack,
    options: model.BuildOptions | None = None,
    *,
    machine: str = "x86_64",
    catalogue: facts.Catalogue | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> "Lock":
    """Return the lock of `stack`: uv pins its wheels by hash, and the base's registry tells its digest.

    uv is looked for on this process's PATH; it and the registry are reached as `build` and `look_up` say.

    Args:
        stack: what goes into the image.
        options: what is put in beside it, and the network: CA bundle, package indexes, proxy and registries.
        machine: the processor that the wheels are for, as the kernel names it.
        catalogue: the facts; by default those that ship.
        log: gets a line of text about why the base has no digest.

    Raises:
        UsageError: KGE-907, packages in an image with its own Python environment.
        InputError: KGE-621, there is no uv; KGE-622, the packages cannot be resolved together; KGE-623, uv's answer
            is no list of pinned packages.
    """
    from provision.lock import Pinned, make_lock, platform_of  # noqa: PLC0415 - 8 ms

    wanted, known = options or model.BuildOptions(), catalogue or facts.load()
    if stack.framework_in_base and wanted.request.packages:
        raise UsageError(
            "KGE-907",
            f"{stack.base.image} brings its own Python environment: packages added to it cannot be locked.",
            fix="lock it without --package, or take a stack of wheels (kgpu-env resolve names its base)",
        )
    bases, cuda_bases = known.images.bases, known.images.cuda_bases
    glibc = {row.image: row.glibc for row in bases} | {row.image: row.glibc for row in cuda_bases}
    platform = platform_of(machine, glibc.get(stack.base.image, _AMD_GLIBC))
    versions = {tool.id: tool.version for tool in known.images.tools}
    wheels, tools = _wheels(stack, wanted, platform, versions)
    digest = _base_digest(stack, machine, wanted.network, log)
    return make_lock(known, stack, wanted.request, Pinned(wheels, tools, platform, digest))


def _wheels(
    stack: model.Stack, options: model.BuildOptions, platform: str, tools: dict[str, str]
) -> "tuple[tuple[Wheel, ...], tuple[Wheel, ...]]":
    import tempfile  # noqa: PLC0415 - 1 ms

    from provision.engine.network import Surroundings, build_network  # noqa: PLC0415 - 3 ms
    from provision.lock import (  # noqa: PLC0415 - as above
        Uv,
        compile_tools,
        compile_wheels,
        find_uv,
        network_environment,
    )

    if not stack.packages:
        return (), ()
    with tempfile.TemporaryDirectory() as folder:
        # uv runs on this host, which reaches its own loopback.
        around = Surroundings(folder=Path.cwd(), on_host=True)
        files = build_network(options.network, os.environ, around).files
        environment = network_environment(files, os.environ, options.network.ca_bundle, Path(folder))
        uv = Uv(find_uv(shutil.which), environment)
        return compile_wheels(stack, options.request, platform, uv), compile_tools(stack, tools, platform, uv)


def _base_digest(stack: model.Stack, machine: str, network: model.Network, log: Callable[[str], None]) -> str | None:
    """Return the digest of the base in its registry, or None with a word why."""
    try:
        return look_up(stack.base.image, machine, network).digest
    except BuildError as error:
        log(f"the base {stack.base.image} is locked by name only: {error.text}")
        return None

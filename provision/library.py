"""The functions that `import provision` offers: the way from a host to a proof, for programs.

Each does what the command of its name does, and raises `provision.errors.KgpuError` where the command would end with
a code. Nothing is printed.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import provision.catalogue as facts
from provision import model
from provision.errors import EngineError

if TYPE_CHECKING:
    from provision.engine.protocol import BuildStep, Engine
    from provision.render import Plan


def probe_host(root: Path | None = None) -> model.Host:
    """Return this machine as probed, its container engine included; or the captured tree below `root`.

    Raises:
        KgpuError: `root` is no folder.
    """
    from provision.probe import Tables, probe_files  # noqa: PLC0415 - who resolves from a file does not probe
    from provision.probe import probe_host as probe  # noqa: PLC0415 - the same

    catalogue = facts.load()
    tables = Tables(
        amd_releases={version: row.release for row in catalogue.amd.drivers for version in row.sysfs},
        capabilities={device: chip.capability for chip in catalogue.chips for device in chip.devices},
    )
    return probe_files(root, tables) if root else probe(tables, engine=_describe)


def _describe() -> model.Engine | None:
    try:
        with _engine(None) as found:
            return found.describe()
    except EngineError:
        return None


def resolve(host: model.Host, request: model.Request | None = None) -> model.Stack:
    """Return the newest stack that is known to work on `host` and satisfies `request`.

    >>> from provision.model import DriverVersion, Driver, Gpu, Host, Request
    >>> v100 = Gpu(vendor="nvidia", architecture="sm_70", kernel_driver="nvidia")
    >>> host = Host(gpus=(v100,), drivers=(Driver(vendor="nvidia", version="580.95.05"),))
    >>> stack = resolve(host)
    >>> stack.vendor, stack.runtime.name, stack.gpus
    (<Vendor.CUDA: 'cuda'>, 'cuda', ('sm_70',))
    >>> [package for package in stack.packages if "cudnn" in package]  # today's cuDNN has no code for Volta
    ['nvidia-cudnn-cu12==9.10.2.21']

    Raises:
        NoStackError: no stack satisfies both; it tells the rules in conflict.
        InputError: KGE-610 or KGE-611, the request has a name or version that cannot be one.
    """
    from provision.render import check_request  # noqa: PLC0415 - brings the templates' engine
    from provision.resolve import resolve as pick  # noqa: PLC0415 - the same

    return pick(facts.load(), host, check_request(request or model.Request()))


def render(stack: model.Stack, request: model.Request | None = None) -> "Plan":
    """Return the Dockerfile and build context of `stack`, its digest and its tag.

    >>> from provision.model import Host, Request, Vendor
    >>> request = Request(vendor=Vendor.CPU, packages=("pandas",))
    >>> plan = render(resolve(Host(), request), request)
    >>> plan.tag.startswith("kgpu-env/cpu:tf"), plan.digest.startswith("sha256:"), list(plan.files)
    (True, True, ['Dockerfile'])
    >>> plan == render(resolve(Host(), request), request)
    True

    Raises:
        InputError: KGE-610 or KGE-611, the request has text that cannot stand in a Dockerfile.
    """
    from provision.render import check_request  # noqa: PLC0415 - brings the templates' engine
    from provision.render import render as write  # noqa: PLC0415 - the same

    return write(facts.load(), stack, check_request(request or model.Request()))


def build(  # noqa: PLR0913 - what an image is made of, and two ways to watch
    stack: model.Stack,
    request: model.Request | None = None,
    *,
    tag: str | None = None,
    network: model.Network | None = None,
    engine: "Engine | None" = None,
    on_step: "Callable[[BuildStep], None]" = lambda _: None,
) -> model.BuildResult:
    """Build and tag the image of `stack`. An unchanged plan takes a second or two.

    Args:
        stack: what goes into the image.
        request: packages, user, labels and environment.
        tag: the image's name; by default one that tells the stack.
        network: CA bundle, package index, proxy and registries; the host's own settings fill what is empty.
        engine: by default the first that answers.
        on_step: hears each step of the build, more than once while it runs.

    Raises:
        EngineError: no engine answers, or it has no BuildKit.
        BuildError: the base is not to be had, or a step failed; no tag is left behind.
        InputError: the request or the network settings cannot be used.
    """
    from provision.build import BuildOrder, build_image  # noqa: PLC0415 - most programs that resolve do not build
    from provision.engine.network import build_network  # noqa: PLC0415 - the same
    from provision.render import check_request  # noqa: PLC0415 - the same
    from provision.resolve.request import check_names  # noqa: PLC0415 - the same

    asked = network or model.Network()
    check_names(tag, asked.registries)
    order = BuildOrder(
        stack=stack,
        request=check_request(request or model.Request()),
        network=build_network(asked, os.environ),
        registries=asked.registries,
        tag=tag,
    )
    with _engine(engine) as connected:
        return build_image(connected, facts.load(), order, lambda _: None, on_step)


def verify(  # noqa: PLR0913 - what is proved, where, and within which limit
    image: str,
    *,
    host: model.Host | None = None,
    vendor: model.Vendor = model.Vendor.AUTO,
    gpus: str = "all",
    seconds: float = 600.0,
    engine: "Engine | None" = None,
) -> model.Proof:
    """Train in a container of `image` and return the proof; `verdict` is "proved" only if the GPU did the work.

    Args:
        image: a local image with TensorFlow, also one that this package did not build.
        host: this machine, if it was probed before.
        vendor: what is to be proved; auto: what the image was made for.
        gpus: "all", or the host's indexes and UUIDs: "0,1".
        seconds: ends the training after this time.
        engine: by default the first that answers.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        EngineError: no engine answers, or it stopped to.
        UsageError: KGE-306, the host has no such GPU.
    """
    from msgspec.structs import replace  # noqa: PLC0415 - most programs that resolve do not verify

    from provision.engine.access import device_access  # noqa: PLC0415 - the same
    from provision.prove import VerifyRequest, image_vendor  # noqa: PLC0415 - the same
    from provision.prove.verify import image_stack  # noqa: PLC0415 - the same
    from provision.prove.verify import verify as run  # noqa: PLC0415 - the same

    with _engine(engine) as connected:
        here = host or probe_host()
        here = replace(here, engine=here.engine or connected.describe())
        found = connected.image(image)
        wanted = image_vendor(found) if found and vendor is model.Vendor.AUTO else vendor
        request = VerifyRequest(vendor=wanted, gpus=gpus, seconds=seconds)
        stack = image_stack(found) if found else None
        if stack:
            request = replace(request, jit_compile=stack.settings.jit_compile)
        return run(
            connected,
            image,
            request,
            here,
            device_access(here, wanted, gpus),
            facts.load().errors,
            new_nonce=lambda: secrets.token_hex(16),
            clock=time.monotonic,
        )


@contextmanager
def _engine(given: "Engine | None") -> "Iterator[Engine]":
    """Lend the engine that was given, or connect to one and close the connection at the end."""
    from provision.engine.docker import connect  # noqa: PLC0415 - slow, and not needed to resolve

    found = given or connect()
    try:
        yield found
    finally:
        if given is None:
            found.close()

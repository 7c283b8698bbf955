"""From a host to a stack, and from a stack to a Dockerfile."""

import os
from typing import TYPE_CHECKING

import provision.catalogue as facts
from provision import model

if TYPE_CHECKING:
    from provision.render import Plan


def resolve(
    host: model.Host,
    request: model.Request | None = None,
    *,
    catalogue: facts.Catalogue | None = None,
    today: str | None = None,
) -> model.Stack:
    """Return the newest stack that is known to work on `host` and satisfies `request`.

    >>> from provision.model import DriverVersion, Driver, Gpu, Host, Request
    >>> v100 = Gpu(vendor="nvidia", architecture="sm_70", kernel_driver="nvidia")
    >>> host = Host(gpus=(v100,), drivers=(Driver(vendor="nvidia", version="580.95.05"),))
    >>> stack = resolve(host)
    >>> stack.vendor, stack.runtime.name, stack.gpus
    (<Vendor.CUDA: 'cuda'>, 'cuda', ('sm_70',))
    >>> [package for package in stack.packages if "cudnn" in package]  # today's cuDNN has no code for Volta
    ['nvidia-cudnn-cu12==9.10.2.21']

    Args:
        host: as probed, or from a file.
        request: what is asked for; by default nothing in particular.
        catalogue: the facts; by default those that ship.
        today: a date as "2026-11-23"; with it, the stack warns of a base or driver whose support has ended.

    Raises:
        NoStackError: no stack satisfies both; it tells the rules in conflict.
        InputError: KGE-610 or KGE-611, the request has a name or version that cannot be one.
    """
    from provision.resolve import resolve as pick  # noqa: PLC0415 - 5 ms
    from provision.resolve.request import check_request  # noqa: PLC0415 - as above

    return pick(catalogue or facts.load(), host, check_request(request or model.Request()), today=today)


def render(
    stack: model.Stack,
    options: model.BuildOptions | None = None,
    *,
    catalogue: facts.Catalogue | None = None,
) -> "Plan":
    """Return the Dockerfile and build context of `stack`, its digest and its tag.

    >>> from provision.model import BuildOptions, Host, Request, Vendor
    >>> request = Request(vendor=Vendor.CPU, packages=("pandas",))
    >>> options = BuildOptions(request=request)
    >>> plan = render(resolve(Host(), request), options)
    >>> plan.tag.startswith("kgpu-env/cpu:tf"), plan.digest.startswith("sha256:"), list(plan.files)
    (True, True, ['Dockerfile'])
    >>> plan == render(resolve(Host(), request), options)
    True

    Args:
        stack: what goes into the image.
        options: their request has packages, user, labels and environment; their network a CA bundle and package
            indexes that the context brings along (this host's own belong to `build`).
        catalogue: the facts; by default those that ship.

    Raises:
        InputError: KGE-610 or KGE-611, the request has text that cannot stand in a Dockerfile; KGE-601 or KGE-602,
            the network settings cannot be used.
    """
    from provision.render import render as write  # noqa: PLC0415 - 4 ms
    from provision.resolve.request import check_request  # noqa: PLC0415 - 5 ms

    wanted = options or model.BuildOptions()
    network, files = wanted.network, dict(wanted.context)
    if network.ca_bundle or network.index_url or network.extra_index_urls:
        from provision.engine.network import asked_network  # noqa: PLC0415 - 3 ms

        files |= asked_network(network).files
    return write(catalogue or facts.load(), stack, check_request(wanted.request), network=files, pins=wanted.pins)


def written_proxies(network: model.Network, engine: str = "") -> dict[str, str]:
    """Return the proxies by variable as a client's file may name them: without a login, or by whose environment has it.

    Args:
        network: what was asked for; without a proxy this process's environment holds.
        engine: its address, for which docker may have proxies of its own, which are left to docker.
    """
    from provision.engine.network import written_proxies as written  # noqa: PLC0415 - 3 ms

    return written(network, os.environ, engine)

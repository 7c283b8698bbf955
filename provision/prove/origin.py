"""Who made a proof, where and when: said in the proof itself, since a report travels."""

import hashlib
import hmac
import re

from msgspec.structs import replace

from provision import __version__
from provision.model import MAKERS, Check, Driver, Gpu, Host, Origin, Proof
from provision.prove.runner import VerifyRequest

LENGTH = 12  # hexadecimal digits of a name that stands for another


def with_origin(  # noqa: PLR0913 - the proof, and five facts that only its maker knows
    proof: Proof, host: Host, request: VerifyRequest, *, node: str, at: str, secret: bytes = b"", contained: bool
) -> Proof:
    """Return a proof that says where it comes from.

    Args:
        proof: of all runs together.
        host: as probed, with the engine that was used.
        request: as it was settled.
        node: the host's name.
        at: when it ended, ISO 8601, UTC.
        secret: what only this host has; with it an anonymous name cannot be guessed from a list of hosts.
        contained: it ran in a container.
    """
    name = alias(node, secret) if request.anonymous else node
    origin = Origin(
        node=name,
        at=at,
        kernel=host.kernel or "",
        architecture=host.architecture,
        distribution=host.distribution or "",
        drivers=tuple(_driver(one) for one in host.drivers),
        gpus=tuple(_gpu(one) for one in host.gpus),
        engine=f"{host.engine.name} {host.engine.version}" if contained and host.engine else "",
        options=_options(request),
        tool=f"kgpu-env {__version__}",
    )
    return replace(_renamed(proof, node, name), origin=origin)


def alias(node: str, secret: bytes) -> str:
    """Return a name that is always the same for a host, and does not tell which it is."""
    return f"node-{hmac.new(secret, node.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:LENGTH]}"


def _renamed(proof: Proof, node: str, name: str) -> Proof:
    """Return the proof with another name for the host in its sentences."""
    if not node or node == name:
        return proof
    word = re.compile(rf"(?<![\w.-]){re.escape(node)}(?![\w-])")

    def said(text: str) -> str:
        return word.sub(name, text)

    return replace(
        proof,
        reason=said(proof.reason),
        fix=said(proof.fix),
        seen=said(proof.seen),
        checks=tuple(Check(name=one.name, status=one.status, detail=said(one.detail)) for one in proof.checks),
        log=tuple(said(line) for line in proof.log),
    )


def _options(request: VerifyRequest) -> dict[str, str]:
    told = {
        "vendor": request.vendor.value,
        "gpus": request.gpus,
        "backend": request.backend or "",
        "level": request.level,
        "minutes": f"{request.minutes:g}" if request.minutes else "",
        "timeout": f"{request.seconds:g}",
        "jit_compile": str(request.jit_compile).lower(),
        "epochs": str(request.epochs),
        "seed": str(request.seed),
    }
    return {name: value for name, value in told.items() if value}


def _driver(driver: Driver) -> str:
    version = driver.version or driver.release or ""
    return " ".join(filter(None, (MAKERS[driver.vendor], version, f"({driver.flavour})" if driver.flavour else "")))


def _gpu(gpu: Gpu) -> str:
    state = None if gpu.usable else "not usable"
    return ", ".join(filter(None, (gpu.name or MAKERS[gpu.vendor], gpu.architecture, gpu.pci, gpu.partition, state)))

"""A record: the verdict about an image on a host, and everything it depends on."""

import json
from typing import Literal

import msgspec

from provision.model import Driver, Gpu, Host, Value
from provision.records.environment import Environment


class HostKey(Value):
    """What of a host a proof depends on, from files alone, so that it can be read again in milliseconds."""

    node: str  # the host's name: a home folder may be shared by many hosts
    kernel: str
    drivers: tuple[str, ...]  # "nvidia 580.95.05"
    gpus: tuple[str, ...]  # one for each GPU or partition, in PCI order
    layout: tuple[str, ...]  # the partitions, such as "0000:17:00.0 1g.10gb"


class Record(Value):
    """What is kept of a verification. No number in it has a fraction: see `canonical`."""

    schema: Literal["kgpu-env/record/2"] = "kgpu-env/record/2"
    tool: str  # version of kgpu-env
    host: HostKey
    image: str  # as it was named; for a proof without a container the title of its environment
    image_id: str  # empty for an environment
    environment: Environment | None = None  # instead of an image: the Python that was proved
    plan: str  # the digest of the plan on the image's label; empty for an image of another maker
    backend: str
    level: str
    requested: str
    verdict: str
    code: str
    reason: str
    at: str  # when it ended, ISO 8601, UTC
    controlled: str  # when the image was seen not to be proved without its GPU; empty: never
    proof: str  # SHA-256 of the whole proof's JSON


def host_key(host: Host, node: str) -> HostKey:
    """Return what a proof on `host` depends on."""
    return HostKey(
        node=node,
        kernel=host.kernel or "",
        drivers=tuple(map(_driver, host.drivers)),
        # One that nothing drives takes no part in a proof: a card may come from a virtual machine and go again.
        gpus=tuple(" ".join(filter(None, _identity(gpu))) for gpu in host.gpus if gpu.usable),
        layout=tuple(f"{gpu.pci} {gpu.partition}" for gpu in host.gpus if gpu.partition),
    )


def _driver(driver: Driver) -> str:
    return " ".join((driver.vendor, driver.version or driver.flavour or "", *driver.store)).strip()


def _identity(gpu: Gpu) -> tuple[str | None, ...]:
    return (gpu.vendor, gpu.name, gpu.architecture, gpu.pci, gpu.uuid, gpu.kernel_driver)


def canonical(value: object) -> bytes:
    """Return the canonical JSON of RFC 8785 of a value of text, whole numbers, lists and objects.

    For those, keys in the order of their UTF-16 code units, no white space and Python's escapes are the RFC's form; its
    rules about fractions do not come into play, and a fraction is refused.

    Raises:
        TypeError: a number with a fraction.
    """
    plain = _ordered(msgspec.to_builtins(value))
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _ordered(value: object) -> object:
    match value:
        case float():
            raise TypeError(f"{value!r} has a fraction, which a record must not hold")
        case dict():
            return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
        case list() | tuple():
            return [_ordered(item) for item in value]
        case _:
            return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")

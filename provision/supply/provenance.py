"""How an image was built, as a signed in-toto statement with the predicate "SLSA provenance v1".

Source: https://slsa.dev/spec/v1.0/provenance
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import msgspec

from provision import __version__
from provision.model import BuildResult, Pin, Request, Stack, Value
from provision.model.pins import INDEX
from provision.records import attest
from provision.records.record import canonical
from provision.records.statement import TYPE, Descriptor

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREDICATE: Final = "https://slsa.dev/provenance/v1"
MEDIA_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
_BUILD_TYPE: Final = "urn:kgpu-env:build:1"


class Built(Value):
    """What is told of a build."""

    result: BuildResult
    stack: Stack
    request: Request
    pins: tuple[Pin, ...] | None  # None: the build looked its packages up itself
    node: str  # the name of the host that built it
    finished: datetime
    manifest: str | None = None  # the image's digest in its registry, after a push


class _Statement(Value):
    type_: str = msgspec.field(name="_type")
    subject: tuple[Descriptor, ...]
    predicateType: str  # noqa: N815 - the specification's name
    predicate: dict[str, Any]


def provenance(built: Built, signer: "Ed25519PrivateKey") -> bytes:
    """Return the signed statement about a build, as JSON.

    Its subject is the image by its id and, after a push, by its digest in the registry.
    """
    result = built.result
    digests = dict.fromkeys(filter(None, (result.image_id, built.manifest)))
    subject = tuple(Descriptor(name=result.tag, digest=_digest(one)) for one in digests)
    predicate = {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {
                "stack": msgspec.to_builtins(built.stack),
                "request": msgspec.to_builtins(built.request),
            },
            "internalParameters": {"plan": result.plan_digest, "locked": built.pins is not None},
            "resolvedDependencies": msgspec.to_builtins(_materials(result, built.pins or ())),
        },
        "runDetails": {
            "builder": {"id": f"urn:kgpu-env:node:{built.node}", "version": {"kgpu-env": __version__}},
            "metadata": {
                "finishedOn": built.finished.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        },
    }
    made = _Statement(type_=TYPE, subject=subject, predicateType=PREDICATE, predicate=predicate)
    return canonical(attest.sign(attest.IN_TOTO, canonical(made), signer)) + b"\n"


def _materials(result: BuildResult, pins: Sequence[Pin]) -> list[Descriptor]:
    """Return the base and each distribution; of several files that a pin allows none is told as the one used."""
    base = Descriptor(name="base", uri=f"docker-image://{result.base}", digest=_digest(result.base_id))
    return [base, *(_material(pin) for pin in pins)]


def _material(pin: Pin) -> Descriptor:
    uri = f"pkg:pypi/{pin.name}@{pin.version}" if pin.origin == INDEX else pin.origin
    alone = _digest(pin.hashes[0]) if len(pin.hashes) == 1 else {}
    more = {} if alone or not pin.hashes else {"allowed": list(pin.hashes)}
    return Descriptor(name=pin.name, uri=uri, digest=alone, annotations={"use": pin.use, **more})


def _digest(text: str) -> dict[str, str]:
    kind, _, number = text.rpartition(":")
    return {kind or "sha256": number} if number else {}

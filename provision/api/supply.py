"""Where an image comes from: its bill of materials, its provenance, and what it tells of itself."""

import os
import platform
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from provision import model
from provision.api.hosts import engine as connection
from provision.api.records import Records, own_key
from provision.errors import BuildError, InputError
from provision.model import labels
from provision.model.inventory import Inspection
from provision.model.reference import parse_reference

if TYPE_CHECKING:
    from provision.engine.protocol import Engine


def inspect(image: str, *, engine: "Engine | None" = None) -> Inspection:
    """Return what an image that this tool built tells of itself, what is in it now, and how that differs from its pins.

    The packages are asked in a container, without network.

    Args:
        image: its reference, of an image that the engine has.
        engine: by default the first that answers.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        InputError: KGE-220, it was not built by this tool.
        EngineError: no engine answers, or the container does not tell.
    """
    from provision.engine.images import no_image  # noqa: PLC0415 - 140 ms, with the SDK
    from provision.supply import differences, is_locked, read_inventory  # noqa: PLC0415 - 30 ms

    with connection(engine) as connected:
        found = connected.image(image)
        if found is None:
            raise no_image(image)
        stack = labels.stack_of(found.labels)
        if stack is None:
            what = f"{image} was not built by kgpu-env, or tells nothing of it."
            fix = "kgpu-env size IMAGE lists the packages of any image"
            raise InputError("KGE-220", what, cause=f"it has no label {labels.STACK} that can be read", fix=fix)
        inventory = read_inventory(connected, image)
    return Inspection(
        image=image,
        image_id=found.image_id,
        version=found.labels.get(labels.VERSION, ""),
        plan_digest=labels.plan_of(found.labels),
        stack=stack,
        labels={key: value for key, value in sorted(found.labels.items()) if key != labels.STACK},
        locked=is_locked(inventory),
        inventory=inventory,
        drift=differences(inventory),
    )


def sbom(found: Inspection) -> bytes:
    """Return the bill of materials of an image in CycloneDX 1.6: the same image gives the same bytes.

    Raises:
        InputError: KGE-225, SOURCE_DATE_EPOCH is no time.
    """
    from provision.supply import bill, created  # noqa: PLC0415 - 30 ms

    return bill(found.image, found.image_id, found.inventory, created=created(os.environ))


def provenance(result: model.BuildResult, stack: model.Stack, options: model.BuildOptions, records: Records) -> bytes:
    """Return how an image was built, as an in-toto statement in an envelope that this node's key signed.

    Args:
        result: what `build` returned.
        stack: what was built.
        options: with which it was built.
        records: name the key; by default this node's own, made when first needed.

    Raises:
        InputError: KGE-591, the key cannot be used.
    """
    from provision.records import keys  # noqa: PLC0415 - 5 ms
    from provision.supply import Built, created  # noqa: PLC0415 - 30 ms
    from provision.supply import provenance as signed  # noqa: PLC0415 - as above

    path = own_key(records)
    signer = keys.read_private(path) if records.key else keys.read_or_make(path)
    built = Built(
        result=result,
        stack=stack,
        request=options.request,
        pins=options.pins,
        node=platform.node(),
        finished=created(os.environ) or datetime.now(timezone.utc),
        manifest=result.manifest,
    )
    return signed(built, signer)


def attach(
    result: model.BuildResult, documents: dict[str, bytes], network: model.Network | None = None
) -> tuple[str, ...]:
    """Attach documents to an image that was pushed, as OCI referrers; return the digests of their manifests.

    Args:
        result: what `build` returned for a push.
        documents: "sbom" and "provenance", or one of them.
        network: CA bundle and registries.

    Raises:
        BuildError: KGE-224, the registry does not answer or refuses.
    """
    from provision.engine.certificates import trusted_bundle  # noqa: PLC0415 - 3 ms
    from provision.engine.connection import config_folder  # noqa: PLC0415 - 14 ms
    from provision.engine.logins import stored_login  # noqa: PLC0415 - 140 ms, with the SDK
    from provision.registry import Artifact, http  # noqa: PLC0415 - 4 ms
    from provision.registry import attach as attach_to  # noqa: PLC0415 - as above
    from provision.supply import MEDIA_TYPES  # noqa: PLC0415 - 30 ms

    if result.manifest is None:
        what = "The engine does not tell by which digest the registry knows the image."
        raise BuildError("KGE-224", what, fix="push it again; the files that were written tell the same")
    artifacts = tuple(
        Artifact(media_type=MEDIA_TYPES[key], content=one, name=f"{key}.json") for key, one in documents.items()
    )
    reached = network or model.Network()
    transport = http.Http(trusted_bundle(reached.ca_bundle, os.environ))
    logins = config_folder(os.environ)
    name = f"{parse_reference(result.tag).name}@{result.manifest}"
    try:
        return attach_to(
            parse_reference(name), artifacts, transport.send, lambda host: stored_login(host, logins).basic
        )
    finally:
        transport.close()

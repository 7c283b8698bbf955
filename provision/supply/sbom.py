"""The software bill of materials of an image, in CycloneDX 1.6: what is installed, with the hashes of its pins.

Format: https://cyclonedx.org/docs/1.6/json/. The same inventory gives the same bytes: the serial number follows from
the image, and there is no time unless SOURCE_DATE_EPOCH gives one.
"""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Final

from provision import __version__
from provision.model.inventory import DebianPackage, Distribution, Inventory, PinnedFile

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_NAMESPACE: Final = uuid.UUID("6f1d8d5e-6f0b-5c1e-9c0a-4b1f0a7a2c11")


def bill(name: str, digest: str, found: Inventory, *, created: datetime | None = None) -> bytes:
    """Return the bill as JSON.

    Args:
        name: the image's, or the lock's.
        digest: "sha256:..." of what is described.
        found: what is installed.
        created: the document's time.
    """
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - 75 ms
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - as above

    made = Bom(serial_number=uuid.uuid5(_NAMESPACE, digest))
    # The library would take the present time, which is in no image.
    made.metadata.timestamp = created  # type: ignore[assignment] # the format has it as optional
    made.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=digest, bom_ref=digest)
    made.metadata.tools.components.add(
        Component(type=ComponentType.APPLICATION, name="kgpu-env", version=__version__, bom_ref="kgpu-env")
    )
    pins = {pin.name: pin for pin in found.pins}
    for one in found.python:
        made.components.add(_python(one, pins.get(one.name)))
    for package in found.debian:
        made.components.add(_debian(package, found.system or "debian"))
    made.register_dependency(made.metadata.component, made.components)
    return (JsonV1Dot6(made).output_as_string(indent=2) + "\n").encode()


def _python(one: Distribution, pin: PinnedFile | None) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    url = PackageURL("pypi", None, one.name, one.version)
    hashes = pin.hashes if pin and pin.version in {"", one.version} else ()
    told = {"kgpu-env:layer": pin.layer} if pin else {"kgpu-env:source": one.source} if one.source else {}
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        purl=url,
        bom_ref=str(url),
        # Of several files that a pin allows nobody knows which was installed.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=text.partition(":")[2]) for text in hashes[:1]]
        if len(hashes) == 1
        else [],
        properties=[
            *(Property(name=key, value=value) for key, value in told.items()),
            *(Property(name="kgpu-env:allowed", value=text) for text in hashes if len(hashes) > 1),
        ],
    )


def _debian(one: DebianPackage, system: str) -> "Component":
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    url = PackageURL("deb", system, one.name, one.version, {"arch": one.architecture})
    return Component(type=ComponentType.LIBRARY, name=one.name, version=one.version, purl=url, bom_ref=str(url))

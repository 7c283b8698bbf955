"""What a build left behind."""

from typing import Literal

from provision.model.base import Value


class BuildResult(Value):
    """An image that was built and tagged."""

    schema: Literal["kgpu-env/build/1"] = "kgpu-env/build/1"
    image_id: str
    tag: str
    plan_digest: str  # sha256 over the plan: stack, request and templates, nothing of the host's network
    seconds: float
    cached: bool  # no step had to run
    size_bytes: int
    steps_total: int = 0
    steps_cached: int = 0
    pushed: bool = False
    base_built_locally: bool = False
    base: str = ""  # the reference that it was built on
    base_id: str = ""  # the engine's id of that image
    manifest: str | None = None  # after a push: the image's digest in its registry
    sbom: str | None = None  # the file that its bill of materials was written to
    provenance: str | None = None  # the same of the signed statement how it was built
    attached: tuple[str, ...] = ()  # digests of the manifests that hold both in the registry

"""Image references, and their rewriting to a site's own registries."""

from collections.abc import Mapping


def split_registry(reference: str) -> tuple[str, str]:
    """Return registry and path as the engine reads them: "ubuntu:24.04" is docker.io, library/ubuntu:24.04.

    >>> split_registry("rocm/tensorflow:latest")
    ('docker.io', 'rocm/tensorflow:latest')
    >>> split_registry("localhost:5000/base")
    ('localhost:5000', 'base')
    """
    first, slash, rest = reference.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return first, rest
    return "docker.io", reference if slash else f"library/{reference}"


def rewrite(reference: str, registries: Mapping[str, str]) -> str:
    """Return `reference` with its registry replaced as `registries` says, "docker.io" to "mirror.example:5000"."""
    registry, path = split_registry(reference)
    mirror = registries.get(registry)
    return f"{mirror.rstrip('/')}/{path}" if mirror else reference

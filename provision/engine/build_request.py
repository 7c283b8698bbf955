"""What builds by BuildKit and by Podman's builder have in common: the request, the messages of its answer, the end."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import requests
from docker import APIClient

from provision.engine import images
from provision.engine.protocol import Built, Context
from provision.engine.sdk import words_of
from provision.errors import BuildError, EngineError
from provision.model.base import parse_json
from provision.model.reference import parse_reference


def start(api: APIClient, query: Mapping[str, str], body: IO[bytes] | bytes) -> requests.Response:
    """Send a build context; return the answer, whose messages come while the build runs.

    Raises:
        BuildError: KGE-401, the engine does not begin.
    """
    answer = api.post(
        f"{api.base_url}/v{api.api_version}/build",
        params=dict(query),
        data=body,
        headers={"Content-Type": "application/x-tar"},
        stream=True,
        timeout=None,  # a step may be silent for long, and the user can always press Ctrl-C
    )
    if answer.ok:
        return answer
    with answer:
        raise BuildError("KGE-401", "the engine did not start the build", cause=words_of(answer.text))


def network_mode(context: Context) -> dict[str, str]:
    """Return what a build's query says of the network of its steps."""
    mode = "none" if context.offline else "host" if context.host_network else ""
    return {"networkmode": mode} if mode else {}


def messages(answer: requests.Response) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of a build. Raises EngineError KGE-305 for what is none."""
    for line in answer.iter_lines(chunk_size=None):
        try:
            found = parse_json(line) if line else None
        except ValueError as error:
            raise unreadable(error) from error
        if isinstance(found, dict):
            yield found


def unreadable(error: Exception) -> EngineError:
    """Return the error for a message that no builder sends."""
    return EngineError("KGE-305", "the engine's build progress cannot be read", cause=str(error))


def needed(image_id: str) -> str:
    """Return the id that a build ended with. Raises EngineError KGE-305 when it told none."""
    if not image_id:
        raise EngineError("KGE-305", "the engine ended the build without an image", fix="look at its log")
    return image_id


def tagged(api: APIClient, image_id: str, tag: str, *, total: int, cached: int) -> Built:
    """Name what was built, which nothing did before it was whole."""
    named = parse_reference(tag)
    api.tag(image_id, named.name, named.version)
    found = images.inspect(api, image_id)
    # Of an image of its own store containerd tells the packed layers' size.
    size = max(found.size_bytes if found else 0, sum(one.bytes for one in images.layers(api, image_id)))
    return Built(image_id=image_id, size_bytes=size, steps_total=total, steps_cached=cached)

"""Images that this program built, told from those that others built on top of them, which have inherited the labels."""

import re
from collections.abc import Iterator
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from provision.engine.protocol import OwnImage
from provision.engine.sdk import explanation
from provision.errors import EngineError
from provision.model import labels

_CLASSIC: Final = "/bin/sh -c #(nop) "  # of an instruction, as builders before BuildKit write it
_END: Final = re.compile(r'CMD \["python3"\]\s*\n(USER [^\n]*\n)?(WORKDIR [^\n]*\n)?LABEL ')  # of our Dockerfiles


def own_images(api: APIClient) -> tuple[OwnImage, ...]:
    """Return the images of this program, the oldest first.

    Raises:
        EngineError: KGE-305, the engine's answer is not understood.
    """
    try:
        found = [one for one in api.images(filters={"label": labels.PLAN}) if _ends_as_ours(api, str(one["Id"]))]
        return tuple(sorted((_image(one) for one in found), key=lambda one: one.created))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = "the engine's list of images is not understood"
        raise EngineError("KGE-305", what, cause=f"{type(error).__name__}: {error}") from error


def discard(api: APIClient, image: OwnImage) -> str:
    """Remove an image with all its names; return why the engine keeps it, or ""."""
    for name in image.names or (image.image_id,):
        try:
            api.remove_image(name)
        except ImageNotFound:  # it went in between
            continue
        except APIError as error:
            return explanation(error)
    return ""


def _image(found: dict[str, Any]) -> OwnImage:
    names = tuple(sorted(one for one in found["RepoTags"] or () if "<none>" not in one))
    return OwnImage(
        image_id=str(found["Id"]),
        names=names,
        size_bytes=int(found["Size"]),
        created=int(found["Created"]),
        plan=str(found["Labels"][labels.PLAN]),
    )


def _ends_as_ours(api: APIClient, ident: str) -> bool:
    """Tell whether nothing came after what our Dockerfiles end with."""
    history = api.history(ident)  # type: ignore[no-untyped-call] # the SDK's stub leaves it open
    return bool(_END.match("".join(_instructions(history))))


def _instructions(history: Any) -> Iterator[str]:  # noqa: ANN401 - the engine's answer
    for one in history[:4]:
        words = " ".join(str(one["CreatedBy"]).removeprefix(_CLASSIC).split())
        yield f"{words.removesuffix(' # buildkit')}\n"

"""`kgpu-env gate`: does the last proof still hold?"""

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision import __version__
from provision.cli import options as o
from provision.cli.app import command
from provision.cli.output import answer, answer_json
from provision.errors import EngineError, Exit

if TYPE_CHECKING:
    from provision.records import Answer


@command
def gate(
    image: Annotated[
        str | None, typer.Argument(help="The image; by default the one verified last on this host.")
    ] = None,
    key: o.Key = None,
    as_json: o.Json = False,
) -> None:
    """Tell at once, from the record, whether an image is proved on this host as it is now."""
    from provision.records import State

    found = _answer(image, key)
    if as_json:
        answer_json(found)
    else:
        for line in _lines(found):
            answer(line)
    if found.state is not State.PROVED:
        raise typer.Exit(int(Exit.NOT_PROVED))


def _answer(image: str | None, key: Path | None) -> "Answer":
    from provision.cli.keeping import file_key, key_now
    from provision.records import Record, load, load_last, state_folder
    from provision.records import answer as judge

    secret = file_key(key)
    folder, node = state_folder(os.environ), platform.node()
    record = load(folder, node, image) if image else load_last(folder, node)
    name = image or (record.image if isinstance(record, Record) else "")
    ident = _image_id(name) if isinstance(record, Record) else None
    return judge(record, name, key_now(), ident, __version__, key=secret)


def _image_id(image: str) -> str | None:
    from provision.engine.connection import candidates
    from provision.engine.glance import image_id

    try:
        return image_id(image, candidates(os.environ, os.getuid()))
    except OSError as error:
        raise EngineError(
            "KGE-590",
            "The gate cannot see the image: no engine answers on this host.",
            why=str(error),
            fix="start the engine; DOCKER_HOST must name a local socket (unix://...)",
        ) from error


def _lines(found: "Answer") -> list[str]:
    word = found.state.value.upper()
    lines = [f"{word:<9} {found.image}: {found.reason}" if found.image else f"{word:<9} {found.reason}"]
    if found.fix:
        lines.append(f"          next      {found.fix}")
    return lines

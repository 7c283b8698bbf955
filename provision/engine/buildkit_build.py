"""One build through `POST /build?version=2`: BuildKit without CLI, buildx or session."""

import json
import re
import tempfile
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import requests
from docker import APIClient

from provision.engine import images
from provision.engine.build_request import messages, needed, network_mode, start, tagged, unreadable
from provision.engine.build_steps import step_words
from provision.engine.buildkit_progress import TAIL_LINES, Progress, ProgressError, Status, decode
from provision.engine.context import write_tar
from provision.engine.protocol import BuildStep, Built, Context
from provision.errors import BuildError
from provision.model.reference import parse_reference

CANCEL_SECONDS = 10
_INLINE = "BUILDKIT_INLINE_CACHE"
_END_CHARACTERS = 120  # of a long command, at its beginning and its end
# Of the system, of dpkg and apt, of quotas.
_FULL = r"(?i)no space left on device|don't have enough free space|not enough free disk space|disk quota exceeded"
EXIT_CODE = re.compile(r"exit (?:code:|status) (\d+)")  # BuildKit's words, Buildah's
BASE_STEP = re.compile(r"\[internal\] load metadata for (\S+)|\[(?:[^\]\s]+\s+)?\d+/\d+\] FROM (\S+)")


def run_build(
    api: APIClient,
    context: Context,
    tag: str,
    on_step: Callable[[BuildStep], None],
    arguments: Mapping[str, str],
) -> Built:
    """Build and, only when that worked, tag: a failed rebuild leaves the old tag where it was.

    Raises:
        BuildError: KGE-401 a step failed, KGE-402 a base image cannot be pulled, KGE-403 disk full.
    """
    parse_reference(tag)
    ident = uuid.uuid4().hex
    progress = Progress()
    finished = False
    with tempfile.TemporaryFile() as body:  # it may be larger than is welcome in memory
        write_tar(context, body)
        body.seek(0)
        try:
            image_id = _follow(start(api, _query(context, ident, arguments), body), progress, on_step)
            finished = True
        finally:
            if not finished:
                _cancel(api, ident)
    steps = progress.dockerfile_steps
    cached = sum(step.state == "cached" for step in steps)
    return tagged(api, image_id, tag, total=len(steps), cached=cached)


def _query(context: Context, ident: str, arguments: Mapping[str, str]) -> dict[str, str]:
    # An inline cache is all that the engine's request can export: registry and local caches are buildx's.
    given = dict(arguments) | ({_INLINE: "1"} if context.inline_cache else {})
    found = {"version": "2", "buildid": ident, "rm": "1", "buildargs": json.dumps(given)} | network_mode(context)
    found |= {"nocache": "1"} if context.no_cache else {}
    return found | ({"cachefrom": json.dumps(context.cache_from)} if context.cache_from else {})


def _follow(answer: requests.Response, progress: Progress, on_step: Callable[[BuildStep], None]) -> str:
    """Report every message; return the image's id."""
    image_id = ""
    with answer:
        for message in messages(answer):
            ident, aux = message.get("id"), message.get("aux")
            if ident == "moby.buildkit.trace" and isinstance(aux, str):
                for step in progress.update(_decode(aux)):
                    on_step(step)
            elif ident == "moby.image.id" and isinstance(aux, dict):
                image_id = str(aux.get("ID") or "")
            if message.get("errorDetail") or message.get("error"):
                raise failure(progress, message)
    return needed(image_id)


def _decode(aux: str) -> Status:
    try:
        return decode(aux)
    except ProgressError as error:
        raise unreadable(error) from error


def _cancel(api: APIClient, ident: str) -> None:
    """Stop the build's running step. Best effort: the error that led here matters more than this one's."""
    url = f"{api.base_url}/v{api.api_version}/build/cancel"
    try:
        api.post(url, params={"id": ident}, timeout=CANCEL_SECONDS).close()
    except (requests.RequestException, OSError):
        return


def failure(progress: Progress, message: Mapping[str, Any]) -> BuildError:
    """Return the error for a build whose stream ended with the error `message`."""
    detail = message.get("errorDetail")
    why = str((detail.get("message") if isinstance(detail, dict) else detail) or message.get("error") or "")
    step = progress.failed
    said = step.lines() if step else ()
    if step and (base := BASE_STEP.match(step.vertex.name)) and not _is_disk_full(why, said):
        error = images.pull_error(base.group(1) or base.group(2), step.vertex.error or why)
    elif step:
        error = step_error(step.vertex.name, step.vertex.error or why, said)
    elif _is_disk_full(why, said):
        error = images.disk_full(why)
    else:
        error = BuildError("KGE-401", "the build failed before its first step", cause=why)
    error.said, error.log = said, said[-TAIL_LINES:]
    return error


def step_error(name: str, why: str, said: tuple[str, ...]) -> BuildError:
    """Return the error for a step that failed.

    Args:
        name: with its command: "[2/9] RUN apt-get update".
        why: the builder's words.
        said: the step's last lines.
    """
    if _is_disk_full(why, said):
        return images.disk_full(why)
    code = EXIT_CODE.search(why)
    ending = f" with exit code {code.group(1)}" if code else ""
    words, mark = step_words(name)
    what = f"{words} failed: step {mark}" if words else f"the build step {_brief(name)} failed"
    return BuildError(
        "KGE-401",
        what + ending,
        cause=_brief(why),
        fix="the log's last lines name the cause; fix it and build again (finished steps are cached)",
    )


def _is_disk_full(why: str, said: tuple[str, ...]) -> bool:
    """Tell whether a step failed for want of space: in the engine's words, or in an installer's at its end."""
    return images.NO_SPACE in why.lower() or any(re.search(_FULL, line) for line in said[-TAIL_LINES:])


def _brief(text: str) -> str:
    """Return a text's two ends: BuildKit tells the whole command, and a locked one has a line for each wheel."""
    words = " ".join(text.split())
    return words if len(words) <= 2 * _END_CHARACTERS else f"{words[:_END_CHARACTERS]} ... {words[-_END_CHARACTERS:]}"

"""Images by name: inspect, pull, push, import. The login is what `provision.engine.logins` finds."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import requests
from docker import APIClient
from docker.auth import encode_header
from docker.errors import APIError, ImageNotFound

from provision.engine.logins import Login
from provision.engine.protocol import Image, Transfer
from provision.engine.sdk import ANSWER_SECONDS, explanation, words_of
from provision.engine.step_bytes import Parts
from provision.errors import BuildError, EngineError
from provision.model.base import parse_json
from provision.model.reference import Reference, parse_reference
from provision.model.size import LayerSize
from provision.render.quoting import quoted

NO_SPACE = "no space left on device"
SILENCE = 600.0  # seconds; the engine tells of each layer that moves or is unpacked, and of a large one's end late
_MOVED = frozenset({"Downloading", "Pushing"})  # of a layer's states those that tell bytes on the wire


def inspect(api: APIClient, reference: str) -> Image | None:
    """Return what the engine knows of a local image, or None. Raises EngineError KGE-305 for no description."""
    parse_reference(reference)
    try:
        found = api.inspect_image(reference)  # type: ignore[no-untyped-call] # the SDK's stub leaves it open
    except ImageNotFound:
        return None
    return described(found)


def described(found: Any) -> Image:  # noqa: ANN401 - whatever the engine answered
    """Return the image of an engine's answer to /images/NAME/json.

    Raises:
        EngineError: KGE-305, it describes none.
    """
    try:
        config = found.get("Config") or {}
        fields = {
            "image_id": found["Id"],
            "architecture": found.get("Architecture") or "",
            "size_bytes": found.get("Size") or 0,
            "labels": config.get("Labels") or {},
            "env": config.get("Env") or (),
            "user": config.get("User") or "",
            "digests": found.get("RepoDigests") or (),
        }
        return msgspec.convert(fields, Image)
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError, msgspec.ValidationError) as error:
        what = "the engine's description of an image is not understood"
        raise EngineError("KGE-305", what, cause=f"{type(error).__name__}: {error}") from error


def pull(api: APIClient, reference: str, login: Login, on_progress: Callable[[Transfer], None]) -> Image:
    """Fetch an image. Raises BuildError KGE-402 with the registry's answer, KGE-403 when the disk is full."""
    named = parse_reference(reference)
    query = {"fromImage": named.name, "tag": named.version}
    with _registry("KGE-402", f"the image {reference} cannot be pulled", login):
        for one in _statuses(_asked(api, "images/create", query, login)):
            on_progress(one)
    image = inspect(api, reference)
    if image is None:
        raise pull_error(reference, "the engine does not have it after the pull")
    return image


def push(api: APIClient, reference: str, login: Login, on_progress: Callable[[Transfer], None]) -> None:
    """Send a tagged image to its registry. Raises BuildError KGE-404 with the registry's answer."""
    named = parse_reference(reference)
    with _registry("KGE-404", f"the image {reference} cannot be pushed", login):
        for one in _statuses(_asked(api, f"images/{named.name}/push", {"tag": named.version}, login)):
            on_progress(one)


def _asked(api: APIClient, path: str, query: Mapping[str, str], login: Login) -> Iterator[Mapping[str, Any]]:
    """Yield what the engine tells of a pull or a push, which has no end where a registry takes a request and is silent.

    Raises:
        _RegistryAnswer: the engine refuses, or has nothing to tell for too long.
    """
    headers = {"X-Registry-Auth": encode_header(login.settings)}
    url = f"{api.base_url}/v{api.api_version}/{path}"
    try:
        with api.post(url, params=query, headers=headers, stream=True, timeout=(ANSWER_SECONDS, SILENCE)) as answer:
            if not answer.ok:
                raise _RegistryAnswer(words_of(answer.text))
            for line in answer.iter_lines():
                if line:
                    yield _message(line)
    except (requests.Timeout, requests.ConnectionError) as error:
        if "timed out" not in str(error).lower():
            raise
        raise _RegistryAnswer(f"nothing has moved for {SILENCE:g} s: operation timed out") from error


def import_archive(api: APIClient, archive: Path, tag: str, labels: Mapping[str, str]) -> Image:
    """Make an image from the root file system in `archive`. Raises BuildError KGE-410 or KGE-403.

    It is imported under a name of its own and tagged when that worked: Docker with containerd's image store was
    seen to name an image before it finds the archive broken, and to leave it.
    """
    named = parse_reference(tag)
    staging = Reference(name="kgpu-env-import", tag=uuid.uuid4().hex)
    try:
        _import(api, archive, staging, labels)
        api.tag(f"{staging.name}:{staging.tag}", named.name, named.version)
    finally:
        forget(api, f"{staging.name}:{staging.tag}")
    image = inspect(api, tag)
    if image is None:
        raise BuildError("KGE-410", f"{archive} cannot be imported", cause="the engine does not have it")
    return image


def _import(api: APIClient, archive: Path, named: Reference, labels: Mapping[str, str]) -> None:
    # Docker takes the tag in `repo`, too; Podman ignores `tag`.
    query: list[tuple[str, str]] = [("fromSrc", "-"), ("repo", f"{named.name}:{named.version}")]
    query += [("changes", label(key, value)) for key, value in labels.items()]
    url = f"{api.base_url}/v{api.api_version}/images/create"
    try:
        with archive.open("rb") as body:
            # The engine unpacks before it answers, so there is no limit on the time.
            answer = api.post(url, params=query, data=body, stream=True, timeout=None)
    except OSError as error:
        if error.errno is None:  # requests' errors are OSErrors too; only a file's has a number
            raise
        raise BuildError("KGE-410", f"{archive} cannot be imported", cause=error.strerror or "") from error
    with answer:
        messages = (_message(line) for line in answer.iter_lines() if line)
        problem = next((text for text in map(_problem, messages) if text), "")
    if problem or not answer.ok:
        raise _disk_full(problem) or BuildError("KGE-410", f"{archive} cannot be imported", cause=problem)


def _message(line: bytes) -> Mapping[str, Any]:
    try:
        found = parse_json(line)
    except ValueError as error:
        raise EngineError("KGE-305", "the engine's answer is not understood", cause=str(error)) from error
    return found if isinstance(found, dict) else {}


def forget(api: APIClient, tag: str) -> None:
    """Remove a name and, when it was its only one, the image. Best effort: what led here matters more."""
    with suppress(requests.RequestException):  # the SDK's APIError is one of them
        api.remove_image(tag)


def layers(api: APIClient, reference: str) -> tuple[LayerSize, ...]:
    """Return the layers of an image that have bytes, the lowest first. Raises BuildError KGE-408 for no image."""
    try:
        history = api.history(reference)  # type: ignore[no-untyped-call] # the SDK's stub leaves it open
    except ImageNotFound as error:
        raise no_image(reference) from error
    try:
        found = [(str(one["CreatedBy"] or one.get("Comment") or "imported"), int(one["Size"])) for one in history]
    except (KeyError, TypeError, ValueError) as error:
        what = "the engine's history of an image is not understood"
        raise EngineError("KGE-305", what, cause=f"{type(error).__name__}: {error}") from error
    return tuple(LayerSize(command=" ".join(text.split()), bytes=size) for text, size in reversed(found) if size)


def label(key: str, value: str) -> str:
    """Return a LABEL instruction in which no character of key or value has a meaning of its own.

    Raises:
        BuildError: KGE-410, a control character, which an instruction cannot hold.
    """
    if not (key + value).isprintable():
        raise BuildError("KGE-410", "a label has a control character", cause=repr(f"{key}={value}"))
    return f"LABEL {quoted(key)}={quoted(value)}"


def no_image(reference: str, why: str = "") -> BuildError:
    """Return the error for an image that the engine does not have."""
    return BuildError(
        "KGE-408",
        f"the engine has no image {reference}",
        cause=why,
        fix=f"build it (kgpu-env build), fetch it (docker pull {reference}) or name another",
    )


def pull_error(reference: str, why: str) -> BuildError:
    """Return the error for an image that a registry did not give."""
    return BuildError("KGE-402", f"the image {reference} cannot be pulled", cause=why, fix=_pull_fix(why))


def disk_full(why: str) -> BuildError:
    """Return the error for an engine without space."""
    return BuildError(
        "KGE-403",
        "the engine's disk is full",
        cause=why,
        fix="free space: docker builder prune, docker image prune (docker system df shows what takes it)",
    )


def _disk_full(why: str) -> BuildError | None:
    return disk_full(why) if NO_SPACE in why.lower() else None


def _pull_fix(why: str) -> str:
    words = why.lower()
    # With containerd's image store Docker 28 says "tag does not exist".
    if "does not exist locally" in words or "tag does not exist" in words:
        return "build and tag it first: kgpu-env build --tag NAME"
    if "denied" in words or "unauthorized" in words or "authentication" in words:
        return "check the name, or log in: docker login REGISTRY"
    if "not found" in words or "manifest unknown" in words:
        return "check name and tag: the registry answers, but does not have it"
    return "check that the engine reaches the registry, or use a mirror (registries in kgpu-env.yaml)"


@contextmanager
def _registry(code: str, what: str, login: Login) -> Iterator[None]:
    """Turn refused pulls and pushes into BuildErrors with the registry's own words."""
    try:
        yield
    except (APIError, _RegistryAnswer) as error:
        why = explanation(error)
        cause = "; ".join(filter(None, (why, login.problem)))
        raise _disk_full(why) or BuildError(code, what, cause=cause, fix=_pull_fix(why)) from error


class _RegistryAnswer(Exception):  # noqa: N818 - never leaves this module
    """The error line of a progress stream."""


def _statuses(messages: Iterable[Mapping[str, Any]]) -> Iterator[Transfer]:
    """Yield the progress; read on after an error, since only the stream's end closes its connection."""
    problem = ""
    parts = Parts()
    for one in messages:
        problem = problem or _problem(one)
        if one.get("status"):
            if one["status"] in _MOVED:
                parts.tell(str(one.get("id")), *_amount(one.get("progressDetail")))
            text = " ".join(str(one[key]) for key in ("id", "status") if one.get(key))
            yield Transfer(text=text, done_bytes=parts.done, total_bytes=parts.total)
    if problem:
        raise _RegistryAnswer(problem)


def _amount(detail: object) -> tuple[int, int]:
    """Return a layer's bytes that have moved, and all of them; 0 where they are not told."""
    found = detail if isinstance(detail, dict) else {}
    done, total = (found.get(key) for key in ("current", "total"))
    return done if isinstance(done, int) else 0, total if isinstance(total, int) else 0


def _problem(one: Mapping[str, Any]) -> str:
    detail = one.get("errorDetail")
    told = detail.get("message") if isinstance(detail, dict) else detail
    return str(told or one.get("error") or one.get("message") or "")

"""Images as files: what an engine saves, and what it loads."""

from pathlib import Path
from typing import IO

from docker import APIClient
from docker.errors import ImageNotFound

from provision.engine.images import disk_full, no_image
from provision.errors import BuildError
from provision.model.base import parse_json


def save(api: APIClient, reference: str, place: Path) -> None:
    """Write an image to a new file. Raises BuildError KGE-408 when there is none."""
    try:
        with place.open("xb") as file:
            for chunk in api.get_image(reference):
                file.write(chunk)
    except ImageNotFound as error:
        raise no_image(reference) from error


def load(api: APIClient, archive: IO[bytes]) -> None:
    """Load the images of an archive. Raises BuildError KGE-410, or KGE-403 when the disk is full."""
    # The engine unpacks before it answers, so there is no limit on the time.
    url = f"{api.base_url}/v{api.api_version}/images/load"
    headers = {"Content-Type": "application/x-tar"}
    with api.post(url, params={"quiet": "1"}, data=archive, headers=headers, stream=True, timeout=None) as answer:
        problem = "" if answer.ok else answer.text
        for line in answer.iter_lines() if answer.ok else ():
            problem = problem or _problem(line)
    if "no space left" in problem.lower():
        raise disk_full(problem)
    if problem:
        raise BuildError("KGE-410", "the image of a bundle cannot be loaded", cause=problem)


def _problem(line: bytes) -> str:
    try:
        found = parse_json(line) if line.strip() else {}
    except ValueError as error:
        return str(error)
    return str(found.get("error") or "") if isinstance(found, dict) else ""

"""The catalogue against what package indexes publish."""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Final

import provision.catalogue as facts
from provision import model
from provision.errors import InputError
from provision.model.published import FreshnessDocument, Published
from provision.redaction import redacted

if TYPE_CHECKING:
    from provision.registry.http import Http
    from provision.resolve.freshness import Place

_AT_ONCE: Final = 8  # requests
_SECONDS: Final = 20.0  # for uv to tell its options


def check_published(
    catalogue: facts.Catalogue | None = None,
    network: model.Network | None = None,
    *,
    log: Callable[[str], None] = lambda _: None,
) -> FreshnessDocument:
    """Return how the rows stand to what the package indexes of this host publish.

    Asked are the indexes of `network`, else those that pip and uv are set to by their files and this process's
    environment, else uv's own default; and for what a row says is elsewhere, the row's own.

    Args:
        catalogue: the facts; by default those that ship.
        network: CA bundle and package indexes.
        log: gets a line of text about what could not be asked.

    Raises:
        InputError: KGE-258, there is no index to ask; KGE-257, none of the configured ones answers: nothing is known.
    """
    from provision.index import indexes_of  # noqa: PLC0415 - 20 ms
    from provision.resolve.freshness import freshness, named  # noqa: PLC0415 - as above

    known, reached = catalogue or facts.load(), network or model.Network()
    indexes = indexes_of(reached, os.environ, help_of_uv)
    for what in dict.fromkeys(indexes.left_out):
        log(f"{what} is not asked")
    said = named(known)
    answers = _ask(list(said), indexes.urls, reached)
    shown = tuple(map(redacted, indexes.urls))
    own = [answer for place, answer in answers.items() if not place.indexes]
    if own and all(isinstance(answer, str) for answer in own):
        fix = "check the address and the network: network: index_url and ca_bundle in kgpu-env.yaml, or pip's settings"
        what = f"{', '.join(shown)} does not answer: nothing is known of what is published."
        raise InputError("KGE-257", what, cause=str(own[0]), fix=fix)
    return FreshnessDocument(
        indexes=shown,
        checked=max(row.checked for _, row in known.all_rows()),
        projects=tuple(freshness(place, said[place], answers[place]) for place in said),
    )


def _ask(places: "list[Place]", configured: tuple[str, ...], network: model.Network) -> "dict[Place, Published | str]":
    """Return what is published of each project, or why that is not known."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 4 ms

    from provision.index import NoAnswer, listing  # noqa: PLC0415 - as above

    def one(place: "Place") -> Published | str:
        try:
            return listing(place.project, place.indexes or configured, get)
        except NoAnswer as error:
            return str(error)

    with closing(_transport(network)) as get, ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(places, pool.map(one, places), strict=True))


def _transport(network: model.Network) -> "Http":
    from provision.engine.certificates import trusted_bundle  # noqa: PLC0415 - 3 ms
    from provision.registry.http import Http  # noqa: PLC0415 - 100 ms

    return Http(trusted_bundle(network.ca_bundle, os.environ))


def help_of_uv() -> str:
    """Return the words in which uv tells its options; nothing where it is not there."""
    from provision.lock import find_uv  # noqa: PLC0415 - 8 ms

    command = [find_uv(shutil.which), "pip", "compile", "--help"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env={**os.environ, "NO_COLOR": "1"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def draft_rows(
    file: str, document: FreshnessDocument, catalogue: facts.Catalogue, network: model.Network, today: str
) -> tuple[list[dict[str, object]], dict[str, str]]:
    """Return the rows of a site's `file` that follow from what was found, and why others do not, by release.

    Args:
        file: "tensorflow.yaml" or "keras.yaml".
        document: what `check_published` returned.
        catalogue: the facts.
        network: as for `check_published`.
        today: the date as "2026-11-29".
    """
    from provision.index import NoAnswer, indexes_of, listing, metadata  # noqa: PLC0415 - as above
    from provision.resolve.draft import NotDrafted, Release, drafted, wanted, wheel_of  # noqa: PLC0415 - as above

    found: list[dict[str, object]] = []
    why: dict[str, str] = {}
    urls = indexes_of(network, os.environ, help_of_uv).urls
    with closing(_transport(network)) as get:
        for project, version in wanted(file, document.projects):
            try:
                published = listing(project, urls, get)
                wheel = wheel_of(published, version)
                requires = tuple(metadata(wheel.url, get).get("requires_dist") or ()) if wheel else ()
                found.append(drafted(catalogue, Release(project, version, published, requires), today))
            except (NoAnswer, NotDrafted) as error:
                why[f"{project} {version}"] = str(error)
    return found, why

"""What `catalogue check --online` prints for people."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import yaml

from provision.model.published import Freshness, FreshnessDocument

_ORDER: Final = ("missing", "yanked", "newer", "unknown", "current")

_HEAD: Final = """\
# Written by kgpu-env catalogue check --online --draft, from the metadata of wheels: a draft, to be read before use.
# What GPU code is in them is not known from that: sass and ptx are those of the release before, and the rows are
# unconfirmed, so that they are taken only when they are asked for by name.
"""


def lines(document: FreshnessDocument) -> Iterator[str]:
    """Yield a summary, then a line for each project that there is something to say about."""
    counts = Counter(one.standing for one in document.projects)
    told = ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name])
    yield f"{len(document.projects)} projects: {told}. The newest row was checked on {document.checked}."
    for one in sorted(document.projects, key=lambda one: _ORDER.index(one.standing)):
        if one.text:
            yield f"{one.standing:<8} {_title(one)}: {one.text}"
    for release, why in document.not_drafted.items():
        yield f"no draft {release}: {why}"


def _title(one: Freshness) -> str:
    return f"{one.project} ({one.index})" if one.index else one.project


def draft_text(table: str, rows: list[dict[str, Any]]) -> str:
    """Return the rows as a file of a site's folder."""
    return _HEAD + yaml.safe_dump({table: rows}, sort_keys=False, width=120, allow_unicode=True)

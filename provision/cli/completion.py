"""What the shell's completion offers beside options: codes, rows of the catalogue, profiles, images of the engine."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout

ASKED = "_KGPU_ENV_COMPLETE"  # the variable that the shell asks with
_BASH = "complete_bash"


@contextmanager
def whole_words(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Complete the words as they were typed: bash takes a colon for the end of one, and images have colons.

    What is offered to bash is what follows the last colon, which is all that it replaces.
    """
    if environment.get(ASKED) != _BASH:
        yield
        return
    begun = _join(environment)
    with redirect_stdout(io.StringIO()) as offered:
        yield
    there = begun.rfind(":") + 1
    sys.stdout.writelines(f"{line[there:]}\n" for line in offered.getvalue().splitlines())


def _join(environment: MutableMapping[str, str]) -> str:
    """Put together what bash has split; return the word that is to be completed."""
    text, at = environment.get("COMP_WORDS", ""), int(environment.get("COMP_CWORD") or 0)
    words = text.split("\n" if "\n" in text else " ")
    joined: list[str] = []
    place = 0
    for number, word in enumerate(words):
        if joined and (word == ":" or joined[-1].endswith(":")):
            joined[-1] += word
        else:
            joined.append(word)
        place = len(joined) - 1 if number == at else place
    environment.update({"COMP_WORDS": "\n".join(joined), "COMP_CWORD": str(place)})
    return joined[place] if place else ""


def _offered(words: Iterable[str], begun: str) -> list[str]:
    return sorted({word for word in words if word.startswith(begun)})


def _quiet(find: Callable[[], Iterable[str]], begun: str) -> list[str]:
    """Return what begins so; nothing where it cannot be found out: a shell's prompt is no place for an error."""
    try:
        return _offered(find(), begun)
    except Exception:  # noqa: BLE001 - as above
        return []


def codes(incomplete: str) -> list[str]:
    """Return codes that begin so."""
    from provision.catalogue import load  # noqa: PLC0415 - 40 ms
    from provision.doctor.codes import MEANINGS  # noqa: PLC0415 - 9 ms

    return _quiet(lambda: [*MEANINGS, *(row.id for row in load().errors)], incomplete.upper())


def row_ids(incomplete: str) -> list[str]:
    """Return ids of rows of the catalogue that begin so."""
    from provision.catalogue import load  # noqa: PLC0415 - as above

    return _quiet(lambda: [row.id for _, row in load().all_rows()], incomplete)


def bases(incomplete: str) -> list[str]:
    """Return base images of the catalogue that begin so."""
    from provision.catalogue import load  # noqa: PLC0415 - as above

    return _quiet(lambda: [row.image for row in load().images.bases], incomplete)


def images(incomplete: str) -> list[str]:
    """Return names of images that begin so, of the engine that answers."""
    from provision import api  # noqa: PLC0415 - 10 ms

    return _quiet(api.image_names, incomplete)


def profiles(incomplete: str) -> list[str]:
    """Return profiles of the nearest project file."""
    from provision.config import nearest_project, read_project  # noqa: PLC0415 - 10 ms

    def find() -> Iterable[str]:
        path = nearest_project()
        return read_project(path).profiles if path else ()

    return _quiet(find, incomplete)

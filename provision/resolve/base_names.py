"""A base image that the catalogue does not have: the names near it, and how an image becomes a row of one's own."""

from provision.catalogue import Catalogue

_SHOWN = 2  # near names
_ROW = '{id: own, image: "%s", family: image, python: "3.12", glibc: "2.36", source: us, checked: "2026-01-31"}'


def base_fix(catalogue: Catalogue, asked: str | None, fix: str) -> str:
    """Return `fix` with what helps who asked for an image that no row has."""
    names = [str(name) for _, row in catalogue.all_rows() if (name := getattr(row, "image", None))]
    if asked is None or asked in names:
        return fix
    near = " or ".join(f"--base {name}" for name in _near(asked, names))
    row = _ROW % asked.replace('"', "")
    own = (
        f"to build on {asked} itself, make it a row: bases: [{row}] in the bases.yaml of a folder, which"
        " --catalogue DIR or catalogue: DIR in kgpu-env.yaml names"
    )
    return "; ".join(filter(None, (near and f"did you mean {near}?", fix, own)))


def _near(asked: str, names: list[str]) -> list[str]:
    """Return the names that complete or resemble what was asked for; what a registry's prefix adds does not count."""
    import difflib  # noqa: PLC0415 - only a name that no row has pays for it

    short = asked.removeprefix("docker.io/").removeprefix("library/")
    completed = [name for name in names if name.startswith(short)]
    return (completed or difflib.get_close_matches(short, names, n=_SHOWN, cutoff=0.75))[:_SHOWN]

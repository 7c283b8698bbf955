"""Why a build failed: the words of installers, engines and registries, held against the known messages."""

import provision.catalogue as facts
from provision.errors import BuildError

# A step failed; an image cannot be pulled, or not be pushed: why, the words of others tell.
_EXPLAINED = frozenset({"KGE-401", "KGE-402", "KGE-404"})


def explained(error: BuildError, catalogue: facts.Catalogue) -> BuildError:
    """Return a failed step's or a refused pull's error by the known message in what was said, if there is one."""
    if error.code not in _EXPLAINED:
        return error
    from provision.doctor.messages import recognise  # noqa: PLC0415 - 10 ms, for a build that failed

    said = "\n".join((*error.said, *error.cause.splitlines()))
    met = next((one for one in recognise(said, catalogue.errors) if one.row.severity == "error"), None)
    if met is None:
        return error
    text = f"{error.text[0].upper()}{error.text[1:]}"
    found = BuildError(met.code, text, cause=f"{met.text}: {met.line}", fix=met.fix, log=_with_line(error, met.line))
    found.said = error.said
    return found


def _with_line(error: BuildError, line: str) -> tuple[str, ...]:
    """Return the log's end, with the line that matters before it where it stands further up."""
    if not error.log or any(line in one for one in error.log):
        return error.log
    return (line, "...", *error.log[2:])

"""Every error that a user can meet: what happened, why, the next step, and the exit code."""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.model import Change, Rejection


class Exit(IntEnum):
    """Exit codes of the command line; scripts rely on them."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INPUT = 3
    NO_STACK = 4
    ENGINE = 5
    BUILD = 6
    NOT_PROVED = 7
    FLEET = 8
    INTERRUPTED = 130


def nearest(word: str, known: Sequence[str], prefix: str = "") -> str:
    """Return "did you mean X?" for a misspelt word, or nothing when none of the `known` is near.

    Args:
        word: what was written.
        known: what there is; upper and lower case count as the same.
        prefix: of both, left out of the comparison and told again.
    """
    import difflib  # noqa: PLC0415 - only a misspelling pays for it

    names = {one.lower(): one for one in known}
    near = difflib.get_close_matches(word.lower(), names, n=1)
    return f"did you mean {prefix}{names[near[0]]}?" if near else ""


class KgpuError(Exception):
    """An error that is reported without a traceback.

    Attributes:
        code: stable identifier such as ``KGE-301``; ``kgpu-env doctor CODE`` explains it.
        text: what happened, one sentence.
        cause: why it happened, or the evidence; may be empty.
        fix: the next step; may be empty.
        log: the last lines of the failed step's own output, oldest first.
        said: more of that output, in which a known message may stand.
    """

    exit_code: Exit = Exit.UNEXPECTED
    said: tuple[str, ...] = ()

    def __init__(self, code: str, text: str, *, cause: str = "", fix: str = "", log: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.cause = cause
        self.fix = fix
        self.log = log


class UsageError(KgpuError):
    """An option or argument that cannot be understood."""

    exit_code = Exit.USAGE


class InputError(KgpuError):
    """A configuration, host, catalogue or template file that cannot be used."""

    exit_code = Exit.INPUT


class NoStackError(KgpuError):
    """No stack of the catalogue satisfies the host and the request.

    Attributes:
        rejected: every candidate with the rule that removed it (`provision.model.Rejection`), newest first.
        conflict: a smallest set of rules that together remove every candidate.
        changes: the smallest changes that lead to a stack (`provision.model.Change`).
    """

    exit_code = Exit.NO_STACK
    rejected: tuple["Rejection", ...] = ()
    conflict: tuple[str, ...] = ()
    changes: tuple["Change", ...] = ()

    def __init__(
        self, code: str, text: str, *, cause: str = "", fix: str = "", rejected: tuple["Rejection", ...] = ()
    ) -> None:
        super().__init__(code, text, cause=cause, fix=fix)
        self.rejected = rejected


class EngineError(KgpuError):
    """No container engine answers, or it cannot do what is asked of it."""

    exit_code = Exit.ENGINE


class BuildError(KgpuError):
    """The image could not be built, pulled or pushed."""

    exit_code = Exit.BUILD


class InterruptError(KgpuError):
    """The user, or a signal, stopped the work."""

    exit_code = Exit.INTERRUPTED

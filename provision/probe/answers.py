"""What the vendors' tools said on a machine when its capture was made; see `provision.probe.collector`."""

from pathlib import Path
from typing import Final

import msgspec

from provision.files import read_file
from provision.probe import command
from provision.probe.collector import ANSWERS

_LIMIT: Final = 16 << 20  # bytes; the collector bounds what each of some ten tools says


class Answer(msgspec.Struct, frozen=True):
    """What one command said."""

    command: tuple[str, ...]  # the program's name and its arguments
    path: str
    code: int = 0
    output: str = ""
    errors: str = ""
    reason: str = ""  # why there is no answer at all


class Answers:
    """The tools of a capture, asked as `provision.probe.command` asks those of this machine."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self._answers = {one.command: one for one in answers if one.command}

    def find(self, tool: str, /, *_more: str) -> str | None:
        """Return the path that `tool` had, or None."""
        return next((one.path for words, one in self._answers.items() if words[0] == tool), None)

    def run(self, *words: str) -> str | command.Failed:
        """Return the standard output, or why there is none."""
        found = self._answers.get((words[0].rpartition("/")[2], *words[1:]))
        if found is None or found.reason:
            return command.Failed(found.reason if found else "it was not asked when this was captured")
        return command.answered(found.code, found.output, found.errors)


def answers_of(root: Path) -> Answers | None:
    """Return what tools said on the machine of a captured tree; None: nothing was kept, or not in this form."""
    try:
        return Answers(msgspec.json.decode(read_file(root / ANSWERS[1:], _LIMIT), type=tuple[Answer, ...]))
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None

"""What a look at a host found: a ladder from the bus to the framework, and the one cause to fix first."""

from typing import Literal

from provision.model.base import Value
from provision.model.host import Finding
from provision.model.ladder import Rung

State = Literal["ok", "broken", "not known"]


class Step(Value):
    """A rung of the ladder, from the bus up."""

    rung: Rung
    state: State
    detail: str = ""


class Start(Value):
    """What became of a small container that was really started."""

    image: str
    started: bool | None = None  # None: nothing was started, or no end came; `text` says why
    text: str = ""  # the engine's words where it did not
    is_absent: bool = False  # the engine has no such image


class Message(Value):
    """A message of a log that was recognised."""

    code: str
    line: str
    cause: str
    fix: str
    severity: Literal["error", "warning", "harmless"] = "error"
    speaker: str = ""  # whose words these are
    findings: tuple[str, ...] = ()  # codes of the host's findings that are the cause


class Examination(Value):
    """What is wrong with a host."""

    findings: tuple[Finding, ...] = ()  # the gravest first, without the general ones that another explains
    primary: Finding | None = None  # None: nothing has to be fixed
    steps: tuple[Step, ...] = ()
    commands: tuple[str, ...] = ()  # that fix `primary` on this distribution
    check: str = ""  # shows whether it helped
    messages: tuple[Message, ...] = ()  # of the log, its cause first, harmless ones last
    start: Start | None = None  # of the container that was tried, if one was

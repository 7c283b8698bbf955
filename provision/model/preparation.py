"""What makes a bare node ready for containers with GPUs: steps that are shown first, then carried out."""

from typing import Literal

from provision.model.base import Value

StepState = Literal["to do", "already", "done", "not done"]


class PrepareStep(Value):
    """One step: a command, or a file that is written. Each is carried out by root."""

    name: str  # "packages", "key", "repository", "register", ...
    text: str  # what it does and why, for people
    state: StepState = "to do"
    command: tuple[str, ...] = ()
    path: str = ""  # of the file that is written
    content: str = ""  # of that file; empty for a key, which is fetched
    key: str = ""  # the address of a key
    fingerprints: tuple[str, ...] = ()  # of all primary keys that the file at `key` may hold
    undo: str = ""  # a shell command that takes it back


class Preparation(Value):
    """The steps for one node, in order."""

    schema: Literal["kgpu-env/prepare/1"] = "kgpu-env/prepare/1"
    distribution: str = ""
    steps: tuple[PrepareStep, ...] = ()
    notes: tuple[str, ...] = ()  # what is left to a person, and why
    applied: bool = False

    @property
    def open(self) -> tuple[PrepareStep, ...]:
        """What is to be done."""
        return tuple(step for step in self.steps if step.state == "to do")

    @property
    def undo(self) -> tuple[str, ...]:
        """Commands that take back what was done, or would be: the last step first."""
        changed = [step.undo for step in self.steps if step.state in {"to do", "done"} and step.undo]
        return tuple(dict.fromkeys(reversed(changed)))

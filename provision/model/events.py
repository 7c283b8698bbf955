"""What long work says of itself while it runs. For people to watch: nothing is ever decided by it."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, get_args

from provision.model.base import Value

# What the workload inside tells; all other phases are told by this program itself.
Inside = Literal["import", "training", "product", "profile", "speed", "libraries", "soak"]
INSIDE: Final[tuple[Inside, ...]] = get_args(Inside)
_TITLES: Final = {
    "start": "starting",
    "import": "importing the framework",
    "product": "comparing a product",
    "profile": "profiling",
    "speed": "measuring the speed",
    "libraries": "trying the libraries",
    "soak": "soaking",
}


# Of a step that runs beside others. Without one an event is all that is done, until the next begins.
State = Literal["", "running", "done", "cached", "failed"]


class Event(Value):
    """One thing that has begun, goes on or has ended. Numbers count from 1; 0 is "not counted"."""

    phase: str  # "training", "judging"; of a build the name of its step
    within: str = ""  # the larger part that it belongs to: "control"
    subject: str = ""  # what it is about: "/GPU:0"
    number: int = 0
    total: int = 0
    epoch: int = 0  # of a training
    epochs: int = 0
    state: State = ""
    key: str = ""  # tells a step from others that run beside it
    seconds: float = 0.0  # that a step took, once it has ended
    done_bytes: int = 0  # of what is fetched
    total_bytes: int = 0  # 0: not told
    said: str = ""  # the last line that a step wrote

    @property
    def title(self) -> str:
        """It in words, as it stays while it goes on: "training 2 of 3 on /GPU:0", "3 of 6  installing 44 wheels"."""
        counted = f"{self.number} of {self.total}" if self.number and self.total else ""
        if self.state:
            return f"{counted}  {self.phase}" if counted else self.phase
        counted = f" {counted}" if counted else ""
        subject = f" on {self.subject}" if self.subject else " by fit" if self.phase == "training" else ""
        within = f"{self.within}: " if self.within else ""
        return f"{within}{_TITLES.get(self.phase, self.phase)}{counted}{subject}"

    @property
    def words(self) -> str:
        """It in words: "training 2 of 3 on /GPU:0, epoch 4 of 6"."""
        return f"{self.title}, epoch {self.epoch} of {self.epochs}" if self.epoch and self.epochs else self.title


OnEvent: TypeAlias = Callable[[Event], None]


def unheard(_: Event) -> None:
    """Take an event that nobody listens to."""

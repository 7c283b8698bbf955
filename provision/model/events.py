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


class Event(Value):
    """One thing that has begun. Numbers count from 1; 0 is "not counted"."""

    phase: str  # "training", "judging"; of a build the name of its step
    within: str = ""  # the larger part that it belongs to: "control"
    subject: str = ""  # what it is about: "/GPU:0"
    number: int = 0
    total: int = 0
    epoch: int = 0  # of a training
    epochs: int = 0

    @property
    def words(self) -> str:
        """It in words: "training 2 of 3 on /GPU:0, epoch 4 of 6"."""
        counted = f" {self.number} of {self.total}" if self.number and self.total else ""
        subject = f" on {self.subject}" if self.subject else " by fit" if self.phase == "training" else ""
        epoch = f", epoch {self.epoch} of {self.epochs}" if self.epoch and self.epochs else ""
        within = f"{self.within}: " if self.within else ""
        return f"{within}{_TITLES.get(self.phase, self.phase)}{counted}{subject}{epoch}"


OnEvent: TypeAlias = Callable[[Event], None]


def unheard(_: Event) -> None:
    """Take an event that nobody listens to."""

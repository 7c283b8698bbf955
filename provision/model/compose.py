"""What `export compose` writes beside the environment itself; read as people write it."""

from typing import Annotated, Final, Literal, get_args

from provision.model.base import Value
from provision.model.option import Option
from provision.model.reference import reference_of

ServiceName = Literal["tensorboard", "mlflow"]
_SERVICES: Final[tuple[ServiceName, ...]] = get_args(ServiceName)


class Compose(Value):
    """What runs beside the environment."""

    services: Annotated[
        tuple[str, ...],
        Option(
            flag="--service",
            help="Compose: service beside, tensorboard or mlflow; in the environment's image, which then needs its "
            "package, or in an IMAGE of its own; repeatable.",
            metavar="NAME[=IMAGE]",
        ),
    ] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that were asked for."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name))

    @property
    def beside(self) -> dict[ServiceName, str | None]:
        """The services by name, each with its image; None: the environment's."""
        return dict(map(_service, self.services))

    def check(self) -> None:
        """Raise ValueError, with the words that people need, where a part cannot be read."""
        _ = self.beside


def _service(text: str) -> tuple[ServiceName, str | None]:
    """Return a service's name and image.

    >>> _service("mlflow=team.example/mlflow:3")
    ('mlflow', 'team.example/mlflow:3')
    """
    word, sign, image = text.partition("=")
    name = next((one for one in _SERVICES if one == word), None)
    if name is None:
        raise ValueError(f"{text!r} is no service: write {' or '.join(_SERVICES)}, alone or as NAME=IMAGE.")
    if sign and reference_of(image) is None:
        raise ValueError(f"{text!r}: {image!r} is no name of an image.")
    return name, image or None

"""Really starts a small container with the host's GPUs, of an image that is already there."""

from typing import Final, Protocol

from provision.engine.access import device_access
from provision.engine.protocol import Image, Ran, Run
from provision.errors import KgpuError
from provision.model import GPU_VENDORS, VENDORS, Host
from provision.model.examination import Start

SECONDS: Final = 20.0
_COMMAND: Final = ("/bin/sh", "-c", "exit 0")
_RAN_NOT: Final = {126, 127}  # an image without a shell; the engine had started it all the same


class Starter(Protocol):
    """What is needed of an engine."""

    def image(self, reference: str) -> Image | None:
        """Return a local image."""

    def run(self, run: Run) -> Ran:
        """Run a command to its end or its limit."""


def try_start(engine: Starter, image: str, host: Host) -> Start | None:
    """Start `image` once with the host's GPUs, for 20 s at most, and return what the engine said.

    Nothing is pulled: None where the image is not local, where the host has no GPU, or no answer came.
    """
    maker = next((row.maker for row in GPU_VENDORS.values() if host.gpus_of(row.maker)), None)
    try:
        if maker is None or engine.image(image) is None:
            return None
        run = Run(image=image, command=_COMMAND, access=device_access(host, VENDORS[maker]), seconds=SECONDS)
        ran = engine.run(run)
    except KgpuError as error:
        return Start(image=image, started=False, text=error.text)
    if ran.timed_out:
        return None
    is_started = not ran.refused and (ran.exit_code == 0 or ran.exit_code in _RAN_NOT)
    return Start(image=image, started=is_started, text=ran.refused or ran.stderr.strip())

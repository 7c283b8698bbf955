"""Really starts a small container with the host's GPUs, of an image that is already there."""

from typing import Final, Protocol

from provision.engine.access import device_access
from provision.engine.protocol import Image, Ran, Run
from provision.errors import KgpuError
from provision.model import GPU_VENDORS, VENDORS, Host, Vendor
from provision.model.examination import Start

SECONDS: Final = 20.0
ABSENT: Final = "it is not a local image, so nothing was started; build it, or pull it first"
_COMMAND: Final = ("/bin/sh", "-c", "exit 0")
_RAN_NOT: Final = {126, 127}  # an image without a shell; the engine had started it all the same
_NO_FORMAT: Final = "exec format error"  # engines give it one of these exit codes, or another


class Starter(Protocol):
    """What is needed of an engine."""

    def image(self, reference: str) -> Image | None:
        """Return a local image."""

    def run(self, run: Run) -> Ran:
        """Run a command to its end or its limit; the container is always removed."""


def try_start(engine: Starter, image: str, host: Host) -> Start:
    """Start `image` once with the host's GPUs, as `verify` hands them in, and return what became of it.

    It takes 20 s at most. Nothing is pulled, and the container is removed.
    """
    vendor = next((VENDORS[row.maker] for row in GPU_VENDORS.values() if host.gpus_of(row.maker)), Vendor.CPU)
    try:
        if engine.image(image) is None:
            return Start(image=image, text=ABSENT, is_absent=True)
        ran = engine.run(Run(image=image, command=_COMMAND, access=device_access(host, vendor), seconds=SECONDS))
    except KgpuError as error:
        return Start(image=image, started=False, text=" ".join(filter(None, (error.text, error.cause))))
    if ran.timed_out:
        return Start(image=image, text=f"it did not end within {SECONDS:g} s")
    text = ran.refused or ran.stderr.strip()
    is_started = not ran.refused and ran.exit_code in {0, *_RAN_NOT} and _NO_FORMAT not in text.lower()
    return Start(image=image, started=is_started, text="" if is_started else text or f"exit code {ran.exit_code}")

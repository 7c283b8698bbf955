"""What is wrong with a host: its ladder, its primary cause, and what fixes it."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import provision.catalogue as facts
from provision.api.hosts import engine as lent
from provision.api.stacks import resolve
from provision.errors import KgpuError
from provision.model import Finding, Host, Request, Severity

if TYPE_CHECKING:
    from provision.doctor import Silence
    from provision.engine.protocol import Engine
    from provision.model.examination import Examination, Start

PROGRAMS = os.pathsep.join(("/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"))


def examine_host(
    host: Host,
    *,
    captured: bool = False,
    log: str = "",
    image: str | None = None,
    catalogue: facts.Catalogue | None = None,
    engine: "Engine | None" = None,
) -> "Examination":
    """Return the ladder of `host` from the bus to the framework, and the one cause to fix first.

    Args:
        host: as probed, or read from a file.
        captured: it is another machine: nothing is tried, and its engine is not known.
        log: a log of whichever program, whose known messages are explained by what this host is.
        image: a local image to start once with the GPUs; by default the one of the host's own stack, if it is there.
        catalogue: explains messages; by default the one that ships.
        engine: by default the first that answers.
    """
    from provision.doctor import examination, examine  # noqa: PLC0415 - 6 ms
    from provision.doctor.log import messages  # noqa: PLC0415 - 10 ms: rows and conditions of messages

    known = catalogue or facts.load()
    silence = _silence(engine) if host.engine is None and not captured else None
    start = _start(host, image, known, engine) if host.engine and not captured else None
    said = "\n".join([log, start.text if start and start.started is False else ""]).strip()
    found = examine(host, captured=captured, silence=silence)
    told = messages(said, msgspec.structs.replace(host, findings=found), known.errors) if said else ()
    found += _refused(start) if start and not told else ()
    return examination(host, found, messages=told, start=start)


def _silence(engine: "Engine | None") -> "Silence | None":
    """Return why no engine answers; None where one does by now."""
    from provision.doctor import Silence  # noqa: PLC0415 - as above

    try:
        with lent(engine) as connected:
            connected.describe()
    except KgpuError as error:
        return Silence(error, shutil.which("dockerd", path=PROGRAMS) or "", Path("/run/systemd/system").is_dir())
    return None


def _start(host: Host, image: str | None, catalogue: facts.Catalogue, engine: "Engine | None") -> "Start | None":
    """Start the image that was named; or, where there is a GPU, that of the host's own stack if it is there."""
    from provision.doctor.start import try_start  # noqa: PLC0415 - 6 ms: the engine's room

    name = image or (_own_image(host, catalogue) if host.gpus else None)
    if not name:
        return None
    try:
        with lent(engine) as connected:
            start = try_start(connected, name, host)
    except KgpuError:  # the engine answered the probe and no longer does: its own finding is there
        return None
    return start if image or start.started is not None or not start.is_absent else None


def _own_image(host: Host, catalogue: facts.Catalogue) -> str | None:
    from provision.render.dockerfile import default_tag  # noqa: PLC0415 - 8 ms: the templates

    try:
        return default_tag(resolve(host, Request(), catalogue=catalogue))
    except KgpuError:
        return None


def _refused(start: "Start") -> tuple[Finding, ...]:
    if start.started is not False:
        return ()
    text = f"The engine did not start {start.image} with the GPU: {start.text}"
    return (
        Finding(code="KGE-308", severity=Severity.ERROR, text=text, fix="See the engine's log: journalctl -u docker"),
    )

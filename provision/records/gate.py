"""Does a kept proof still hold? Pure: a record, the host and image or environment of now, and one of four answers."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from provision.compat import StrEnum
from provision.model import Value
from provision.records.attest import UntrustedError
from provision.records.environment import Environment, differences
from provision.records.record import HostKey, Record
from provision.records.store import Kept, Refused, trusted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PROVED = "proved"
Subject: TypeAlias = str | Environment | None  # what a record is about, as it is now


class State(StrEnum):
    """The four answers; only the first opens the gate."""

    PROVED = "proved"
    STALE = "stale"  # proved once, and what it depends on has changed
    NEVER = "never"  # not proved: no record, or the last verification did not prove it
    REFUSED = "refused"  # there is a record that must not be trusted


class Answer(Value):
    """What `gate` prints."""

    schema: Literal["kgpu-env/gate/1"] = "kgpu-env/gate/1"
    state: State
    image: str
    reason: str
    changed: tuple[str, ...] = ()  # the parts that changed: "driver: nvidia 570.1 -> nvidia 580.2"
    code: str = ""
    fix: str = ""
    at: str = ""  # when it was proved
    backend: str = ""
    record: str = ""  # the file that it was read from


def answer(  # noqa: PLR0913 - the record's case against the present; every argument is one value of it
    kept: Kept | Refused | None,
    image: str,
    host: HostKey,
    subject: Subject,
    tool: str,
    *,
    keys: "Iterable[Ed25519PublicKey]",
) -> Answer:
    """Return whether the gate opens.

    Args:
        kept: as loaded.
        image: the image asked for, or the title of an environment.
        host: the host as it is now.
        subject: the image's id or the environment as it is now; None when the engine has no such image.
        tool: this program's version.
        keys: one of them must have signed the record.
    """
    again = f"kgpu-env verify {image}".rstrip()
    if isinstance(subject, Environment):
        again = f"kgpu-env verify --here --python {subject.path}"
    if kept is None:
        text = "it was never verified on this host" if image else "nothing was verified on this host yet"
        return Answer(state=State.NEVER, image=image, reason=text, code="KGE-586", fix=again)
    try:
        record = trusted(kept, image, keys)
    except UntrustedError as error:
        text, code = f"the record is refused: {error}", kept.code if isinstance(kept, Refused) else "KGE-588"
        return Answer(state=State.REFUSED, image=image, reason=text, code=code, fix=again)
    if record.verdict != PROVED:
        text = f"the last verification ended {record.verdict}: {record.reason}"
        return Answer(state=State.NEVER, image=image, reason=text, code=record.code or "KGE-586", fix=again)
    changed = changes(record, host, subject, tool)
    if changed:
        text = f"proved on {record.at}, but since then {'; '.join(changed)}"
        return Answer(state=State.STALE, image=image, reason=text, changed=changed, code="KGE-587", fix=again)
    text = f"{record.reason}, on {record.at}"
    return Answer(state=State.PROVED, image=image, reason=text, at=record.at, backend=record.backend)


def changes(record: Record, host: HostKey, subject: Subject, tool: str) -> tuple[str, ...]:
    """Return every part that is not as it was when the record was written."""
    then = record.host
    parts = (
        ("host", then.node, host.node),
        ("kernel", then.kernel, host.kernel),
        ("driver", _list(then.drivers), _list(host.drivers)),
        ("GPUs", _list(then.gpus), _list(host.gpus)),
        ("partitions", _list(then.layout), _list(host.layout)),
        *_of_subject(record, subject),
        ("kgpu-env", record.tool, tool),
    )
    return tuple(f"{name}: {old or 'none'} -> {new or 'none'}" for name, old, new in parts if old != new)


def _of_subject(record: Record, subject: Subject) -> Iterator[tuple[str, str, str]]:
    if isinstance(subject, Environment) and record.environment:
        yield from differences(record.environment, subject)
    else:
        now = subject.path if isinstance(subject, Environment) else subject
        yield "image", record.image_id, now or "gone"


def _list(items: tuple[str, ...]) -> str:
    return ", ".join(items)

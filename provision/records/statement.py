"""What is signed of a proof: an in-toto Statement v1 with the predicate "test result", and the record in it.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and, for the predicate,
https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from provision.model import Check, Status, Value, Verdict, decode
from provision.records.record import Record, canonical

TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
VERDICT: Final = "verdict"  # the test whose result is the verdict: it can fail where no single check does
Result: TypeAlias = Literal["PASSED", "WARNED", "FAILED"]


class Descriptor(Value, omit_defaults=True):
    """A resource: the subject, or what the test was configured with."""

    name: str
    uri: str = ""
    digest: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, Any] = msgspec.field(default_factory=dict)


class Predicate(Value):
    """The predicate "test result", with one field of our own."""

    result: Result  # passed or warned: only where the GPU was proved to do the work
    configuration: tuple[Descriptor, ...]
    passedTests: tuple[str, ...]  # noqa: N815 - the specification's names
    warnedTests: tuple[str, ...]  # noqa: N815
    failedTests: tuple[str, ...]  # noqa: N815
    kgpuEnv: Record  # noqa: N815 - an extension field, which others ignore


class Statement(Value):
    """An in-toto Statement."""

    type_: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: tuple[Descriptor, ...]
    predicateType: Literal["https://in-toto.io/attestation/test-result/v0.1"]  # noqa: N815 - as above
    predicate: Predicate


def subject(record: Record) -> Descriptor:
    """Return what a record is about: an image by its id, an environment by the SHA-256 of its canonical JSON."""
    if record.environment is not None:
        return Descriptor(name=record.image, digest={"sha256": _sha256(canonical(record.environment))})
    kind, _, number = record.image_id.rpartition(":")
    return Descriptor(name=record.image, digest={kind or "sha256": number})


def statement(record: Record, checks: Iterable[Check] = ()) -> bytes:
    """Return the statement about a record, as the bytes that are signed.

    Args:
        record: what is kept of the proof.
        checks: of the proof; those that were skipped or are unknown are in none of the lists.
    """
    good = record.verdict == Verdict.PROVED
    rows = (*checks, Check(name=VERDICT, status=Status.PASS if good else Status.FAIL, detail=""))
    names = {status: tuple(row.name for row in rows if row.status is status) for status in Status}
    predicate = Predicate(
        result=_result(good=good, warned=bool(names[Status.WARN])),
        configuration=(_configuration(record),),
        passedTests=names[Status.PASS],
        warnedTests=names[Status.WARN],
        failedTests=names[Status.FAIL],
        kgpuEnv=record,
    )
    made = Statement(type_=TYPE, subject=(subject(record),), predicateType=PREDICATE, predicate=predicate)
    return canonical(made)


def read(payload: bytes) -> Record:
    """Return the record in a statement.

    Raises:
        ValueError: it is no such statement, or contradicts itself: what others read in it must be what we do.
    """
    found = decode(payload, Statement)  # whatever is wrong with it is a ValueError
    record, predicate = found.predicate.kgpuEnv, found.predicate
    if found.subject != (subject(record),):
        raise ValueError("its subject is another than that of its record")
    good = VERDICT in predicate.passedTests and VERDICT not in predicate.failedTests
    expected = _result(good=record.verdict == Verdict.PROVED, warned=bool(predicate.warnedTests))
    if predicate.result != expected or good != (record.verdict == Verdict.PROVED):
        raise ValueError(f"its result is {predicate.result}, and its record says {record.verdict}")
    return record


def _result(*, good: bool, warned: bool) -> Result:
    return "FAILED" if not good else "WARNED" if warned else "PASSED"


def _configuration(record: Record) -> Descriptor:
    """Return how it was tested: by which version, for what, and the digest of the whole proof."""
    asked = {"level": record.level, "backend": record.backend, "requested": record.requested}
    digest = {"sha256": record.proof.rpartition(":")[2]}
    return Descriptor(name="proof.json", digest=digest, annotations={"tool": f"kgpu-env {record.tool}", **asked})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""The control: the same image without its GPU must not be proved. A proof that cannot fail is none."""

import msgspec

from provision.model import GPU_VENDORS, Check, Proof, Status, Verdict
from provision.prove.checks.row import CONTROL_PASSED, DISTRUST, NOT_CONTROLLED, PASSED_WITHOUT_GPU, READ_LOG

NAME = "control"
# Every maker's, whatever was asked for: an image may hold another maker's framework, too.
WITHHELD = {name: value for row in GPU_VENDORS.values() for name, value in row.withheld.items()}
UNDONE = "Find what sets CUDA_VISIBLE_DEVICES or its like again inside, such as an entry point: it undoes the control."


def with_control(proof: Proof, control: Proof, subject: str) -> Proof:
    """Return a proof as its control leaves it.

    Args:
        proof: a proof with the verdict `proved`.
        control: the same training and the same judge, with the GPU withheld.
        subject: what it is of, in words: "the image".

    Returns:
        The proof with a check `control`: passed when the control is not proved; `invalid` when it is proved; not
        proved when it did not report, for then nothing was controlled.
    """
    status = {item.name: item.status for item in control.checks}
    if control.verdict is Verdict.PROVED:
        return _overturned(proof, Verdict.INVALID, CONTROL_PASSED.id, PASSED_WITHOUT_GPU, DISTRUST)
    if status.get("reported") is not Status.PASS:
        text = f"the control run without the GPU did not report: {control.reason}"
        return _overturned(proof, Verdict.NOT_PROVED, NOT_CONTROLLED.id, text, READ_LOG)
    if status.get("visible") is not Status.FAIL:
        text = f"the control run still saw the GPU, so nothing was controlled: {control.reason}"
        return _overturned(proof, Verdict.NOT_PROVED, NOT_CONTROLLED.id, text, UNDONE)
    return _with_check(proof, Status.PASS, f"without the GPU {subject} is not proved: {control.reason}")


def with_known_control(proof: Proof, when: str, subject: str) -> Proof:
    """Return a proof whose control was seen to fail earlier, for the same image on the same host."""
    detail = f"without the GPU {subject} was not proved on {when}; --level standard tries again"
    return _with_check(proof, Status.PASS, detail)


def _overturned(proof: Proof, verdict: Verdict, code: str, text: str, fix: str) -> Proof:
    status = Status.FAIL if verdict is Verdict.INVALID else Status.UNKNOWN
    found = _with_check(proof, status, text)
    return msgspec.structs.replace(found, verdict=verdict, code=code, reason=text, fix=fix, seen=text)


def _with_check(proof: Proof, status: Status, detail: str) -> Proof:
    return msgspec.structs.replace(proof, checks=(*proof.checks, Check(name=NAME, status=status, detail=detail)))

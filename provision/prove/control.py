"""The control: the same image without its GPU must not be proved. A proof that cannot fail is none."""

import msgspec

from provision.model import Check, Proof, Status, Verdict
from provision.prove.checks import check
from provision.prove.reason import FIX_CONTROL, FIX_LOG, FIX_WITHHELD

# Every vendor's way to hide a GPU from a process. NVIDIA_VISIBLE_DEVICES is read by the NVIDIA runtime, which as the
# engine's default would hand in all GPUs because an image asks for it.
WITHHELD = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "HIP_VISIBLE_DEVICES": "-1",
    "ROCR_VISIBLE_DEVICES": "-1",
    "NVIDIA_VISIBLE_DEVICES": "void",
    "AMD_VISIBLE_DEVICES": "void",
}


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
        text = "the control run without the GPU passed as well: this proof shows nothing"
        return _overturned(proof, Verdict.INVALID, "KGE-584", text, FIX_CONTROL)
    if status.get("reported") is not Status.PASS:
        text = f"the control run without the GPU did not report: {control.reason}"
        return _overturned(proof, Verdict.NOT_PROVED, "KGE-585", text, FIX_LOG)
    if status.get("visible") is not Status.FAIL:
        text = f"the control run still saw the GPU, so nothing was controlled: {control.reason}"
        return _overturned(proof, Verdict.NOT_PROVED, "KGE-585", text, FIX_WITHHELD)
    detail = f"without the GPU {subject} is not proved: {control.reason}"
    return _with_check(proof, check("control", Status.PASS, detail))


def with_known_control(proof: Proof, when: str, subject: str) -> Proof:
    """Return a proof whose control was seen to fail earlier, for the same image on the same host."""
    detail = f"without the GPU {subject} was not proved on {when}; --level standard tries again"
    return _with_check(proof, check("control", Status.PASS, detail))


def _overturned(proof: Proof, verdict: Verdict, code: str, text: str, fix: str) -> Proof:
    status = Status.FAIL if verdict is Verdict.INVALID else Status.UNKNOWN
    found = _with_check(proof, check("control", status, text))
    return msgspec.structs.replace(found, verdict=verdict, code=code, reason=text, fix=fix, seen=text)


def _with_check(proof: Proof, item: Check) -> Proof:
    return msgspec.structs.replace(proof, checks=(*proof.checks, item))

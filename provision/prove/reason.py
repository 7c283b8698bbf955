"""The most basic true cause of a verdict: one sentence, a code, a mend and the words it was recognised by."""

import re

from provision.engine.protocol import Ran
from provision.model import Check, ExpectedDevice, Status, Value, Vendor, Verdict
from provision.prove.checks import ending, hiding
from provision.prove.devices import counted
from provision.prove.diagnose import Diagnosis, Pattern, diagnose
from provision.prove.evidence import Evidence, Problem
from provision.prove.expectation import Expectation
from provision.prove.placement import implicit_of, learned_on_cpu

NO_PYTHON = re.compile(
    r"python3?\W*:?\s*(executable file not found|no such file|not found)|executable file \W?python", re.IGNORECASE
)
NO_FRAMEWORK = re.compile(r"No module named '(tensorflow|keras|jax|torch|numpy)'")
ON_CPU = "no pass-through was proved"  # what a training on the CPU never means
FIX_HOST = "kgpu-env doctor names what the host lacks; --vendor cpu verifies without a GPU."
FIX_IMAGE = "Name an image that has Python and TensorFlow inside, or make one: kgpu-env build."
FIX_HERE = "Name the Python that has Keras and its backend with --python, and the backend with --backend."
FIX_TIME = "Give it more time with --timeout; a GPU may compile its kernels for minutes at the first start."
FIX_MEMORY = "Give the container more memory."
FIX_DRIVER = "Upgrade driver and firmware, or take another stack: kgpu-env resolve --explain."
FIX_IMPLICIT = "Unset the variable or setting by which models that name no device go to the CPU."
FIX_LIBRARY = (
    "A missing library: install it in the version that the stack pins. A wrong result: kgpu-env resolve --explain."
)
FIX_CONTROL = "Do not trust its results: it says GPU where there is none. Report it with --report."
FIX_WITHHELD = (
    "Find what sets CUDA_VISIBLE_DEVICES or its like again inside, such as an entry point: it undoes the control."
)
FIX_BUILD_HERE = "Install the framework's build for that maker into this Python: kgpu-env resolve names its packages."
FIX_HIDDEN = "Unset it in this shell, service or job; a scheduler that sets it has given this job no GPU."
FIX_HIDDEN_IMAGE = "Take it out of the image's ENV or entry point, or out of the container's environment."
FIX_IDENTITY = "Name it by its UUID (--gpus GPU-...): the numbers count in PCI order."
FIX_TRAINING = "Run it again; if it stays so, try another GPU of the host, then upgrade driver and firmware."
FIX_LOG = "Read the last lines of the log below; kgpu-env doctor checks the host."


class Reason(Value):
    """Why the verdict is what it is."""

    text: str
    code: str = ""
    fix: str = ""
    seen: str = ""  # the line or detail it was recognised by


def with_missing(text: str, expected: tuple[ExpectedDevice, ...]) -> str:
    """Return a reason that begins with the devices that are missing, where others are there."""
    states = {item.seen for item in expected}
    return f"{counted(expected)}; {text}" if False in states and len(states) > 1 else text


def reason_of(  # noqa: PLR0913 - the judge's whole case; every argument is one value of it
    expectation: Expectation,
    ran: Ran,
    evidence: Evidence | Problem,
    *,
    found: tuple[Check, ...],
    verdict: Verdict,
    patterns: tuple[Pattern, ...],
) -> Reason:
    """Return the reason of `verdict`: of several causes the one that must be mended first."""
    if verdict is Verdict.PROVED:
        return Reason(text=f"the model trained and learned on {expectation.requested}")
    if verdict is Verdict.CPU:
        return Reason(text=f"the model trained and learned on the CPU, as asked; {ON_CPU}")
    known = diagnose(_words(ran, evidence), expectation.vendor, patterns)
    detail = {item.name: item.detail for item in found if item.status is not Status.PASS}
    if "started" in detail:
        return _not_started(ran, known)
    if isinstance(evidence, Problem) or "reported" in detail:
        return _not_reported(expectation, ran, evidence, detail["reported"], known)
    return _not_on_device(expectation, evidence, {item.name: item for item in found}, known)


def _words(ran: Ran, evidence: Evidence | Problem) -> str:
    """Return everything that was said and may be recognised."""
    said = [ran.refused, ran.stderr]
    if isinstance(evidence, Evidence):
        failures = [evidence.import_error, evidence.listing_error, *(record.error for record in evidence.trainings)]
        said += [failure.text for failure in failures if failure]
    return "\n".join(said)


def _known(headline: str, known: Diagnosis) -> Reason:
    row = known.pattern
    return Reason(text=f"{headline}: {row.cause}", code=row.id, fix=row.fix, seen=known.line)


def _not_started(ran: Ran, known: Diagnosis | None) -> Reason:
    if NO_PYTHON.search(ran.refused):
        return Reason(text="the image has no Python", code="KGE-504", fix=FIX_IMAGE, seen=ran.refused)
    if known:
        return _known("the engine did not start the container", known)
    text = "the engine did not start the container"
    return Reason(text=text, code="KGE-502", fix="kgpu-env doctor checks engine and devices.", seen=ran.refused)


def _not_reported(
    expectation: Expectation, ran: Ran, evidence: Evidence | Problem, detail: str, known: Diagnosis | None
) -> Reason:
    if isinstance(evidence, Evidence) and evidence.import_error:
        seen = f"{evidence.import_error.type}: {evidence.import_error.text}"
        return _not_imported(expectation, seen, known)
    if ran.timed_out or ran.out_of_memory:
        fix = FIX_TIME if ran.timed_out else FIX_MEMORY
        return Reason(text=f"the workload was {ending(ran)}", code="KGE-503", fix=fix, seen=detail)
    headline = "the workload did not report" if isinstance(evidence, Problem) else "the workload did not end well"
    if known:
        return _known(headline, known)
    return Reason(text=f"{headline}: {detail}", code="KGE-503", fix=FIX_LOG, seen=detail)


def _not_imported(expectation: Expectation, seen: str, known: Diagnosis | None) -> Reason:
    framework = expectation.framework
    fix = FIX_HERE if expectation.here else FIX_IMAGE
    if NO_FRAMEWORK.search(seen):
        return Reason(text=f"{expectation.subject} has no {framework}", code="KGE-505", fix=fix, seen=seen)
    if known:
        return _known(f"{framework} cannot be imported", known)
    return Reason(text=f"{framework} cannot be imported", code="KGE-505", fix=fix, seen=seen)


def _not_on_device(
    expectation: Expectation, evidence: Evidence, found: dict[str, Check], known: Diagnosis | None
) -> Reason:
    on_cpu = "; the model trained on the CPU" if learned_on_cpu(evidence) else ""
    unseen = found["visible"].status is Status.FAIL
    absent = unseen or found["placement"].status is Status.FAIL
    if expectation.vendor is not Vendor.CPU and not expectation.host_has_gpu and absent:
        seen = found["visible"].detail
        return Reason(text=f"{expectation.host_reason}{on_cpu}", code="KGE-501", fix=FIX_HOST, seen=seen)
    if found["build"].status is Status.FAIL:
        build = f"Build the image with kgpu-env build --vendor {expectation.vendor}."
        fix = FIX_BUILD_HERE if expectation.here else build
        framework = f"{expectation.subject}'s {expectation.framework}"
        text = f"{framework} is not built for {expectation.vendor.maker} GPUs{on_cpu}"
        return Reason(text=text, code="KGE-506", fix=fix, seen=found["build"].detail)
    if unseen and (hidden := next(hiding(expectation, evidence), "")):
        fix = FIX_HIDDEN if expectation.here else FIX_HIDDEN_IMAGE
        code = known.pattern.id if known else "KGE-507"
        return Reason(text=f"{hidden}{on_cpu}", code=code, fix=fix, seen=found["visible"].detail)
    # A message explains what failed, not where a training ran that came to its end.
    broken = unseen or any(record.error for record in evidence.trainings)
    if broken and known:
        return _known(f"the GPU was not used{on_cpu}" if absent else "the training on the GPU failed", known)
    return _failed(expectation, evidence, found, on_cpu)


def _failed(expectation: Expectation, evidence: Evidence, found: dict[str, Check], on_cpu: str) -> Reason:
    headlines = {
        "visible": ("KGE-507", f"the GPU is not usable {expectation.inside}{on_cpu}"),
        "identity": ("KGE-508", "it trained on another GPU than the one asked for"),
        "placement": ("KGE-508", f"not every part of the training was on the device asked for{on_cpu}"),
        "implicit": ("KGE-508", f"a model that names no device does not train on the device asked for{on_cpu}"),
        "training": ("KGE-509", "the model did not learn"),
        "numerics": ("KGE-580", "the GPU does not compute what the CPU computes"),
        "work": ("KGE-581", "the GPU was named, but it did not hold the model"),
        "libraries": ("KGE-582", "a GPU library is missing or computes wrong"),
        "soak": ("KGE-583", "the GPU did not keep up under load"),
    }
    failed = (record := implicit_of(evidence)) is not None and record.error
    fixes = {
        "identity": FIX_IDENTITY,
        "training": FIX_TRAINING,
        "implicit": FIX_LOG if failed else FIX_IMPLICIT,
        "numerics": FIX_DRIVER,
        "libraries": FIX_LIBRARY,
        "soak": FIX_DRIVER,
    }
    optional = {"identity", "work", "libraries"}  # unknown stops nothing: the host or the level does not tell
    for name, (code, text) in headlines.items():
        status = found[name].status
        if status is Status.UNKNOWN and name not in optional:
            return Reason(text=f"{name} could not be judged", code=code, fix=FIX_LOG, seen=found[name].detail)
        if status is Status.FAIL:
            return Reason(text=text, code=code, fix=fixes.get(name, FIX_LOG), seen=found[name].detail)
    detail = "; ".join(f"{item.name}: {item.detail}" for item in found.values() if item.status is not Status.PASS)
    return Reason(text="a required check did not pass", code="KGE-508", fix=FIX_LOG, seen=detail)

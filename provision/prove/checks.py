"""The witnesses around the training: did it start and report, is it the right build, is a GPU inside."""

import re
from collections.abc import Iterator

from provision.engine.protocol import Ran
from provision.model import Check, Status, Vendor
from provision.prove.evidence import Evidence, Listed, Node, Problem
from provision.prove.expectation import Expectation

SIGNALS = {134: "aborted", 135: "bus error", 137: "killed", 139: "crashed (segmentation fault)", 143: "terminated"}
NODE = {Vendor.CUDA: re.compile(r"/dev/(nvidia\d+|dxg)"), Vendor.ROCM: re.compile(r"/dev/(kfd|dxg)")}
LIBRARY = {Vendor.CUDA: "libcuda.so", Vendor.ROCM: "libamdhip64"}
# Variables that hide GPUs from a framework, and the values that hide all of them.
HIDING = {
    Vendor.CUDA: ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
    Vendor.ROCM: ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"),
}
HIDDEN = {"", "-1", "none", "void", "NoDevFiles"}
CLOCK_SECONDS = 5.0  # how much longer than its container a workload may believe to have run
CLOSED = {"Operation not permitted", "Permission denied"}  # by a cgroup or by its mode
BUILD_KEY = {Vendor.CUDA: "is_cuda_build", Vendor.ROCM: "is_rocm_build"}


def check(name: str, status: Status, detail: str) -> Check:
    """Return one named check."""
    return Check(name=name, status=status, detail=detail)


def started(ran: Ran) -> Check:
    """Did the engine start the container?"""
    if ran.refused:
        return check("started", Status.FAIL, ran.refused)
    return check("started", Status.PASS, f"the workload ran for {ran.seconds:.1f} s")


def ending(ran: Ran) -> str:
    """Return how the workload's process ended, in words; empty when it ended well."""
    if ran.timed_out or ran.exit_code is None:
        return f"stopped at the time limit, after {ran.seconds:.0f} s"
    if ran.out_of_memory:
        return "killed, because it used more memory than the container may have"
    if ran.exit_code == 0:
        return ""
    return f"ended with code {ran.exit_code}" + (f", {SIGNALS[ran.exit_code]}" if ran.exit_code in SIGNALS else "")


def reported(expectation: Expectation, ran: Ran, evidence: Evidence | Problem) -> Check:
    """Did the workload come to its end and say what it saw?"""
    ended = ending(ran)
    if isinstance(evidence, Problem):
        return check("reported", Status.FAIL, "; ".join(part for part in (ended, evidence.what) if part))
    if ended or evidence.stopped:
        return check("reported", Status.FAIL, ended or "stopped by SIGTERM before its end")
    if evidence.import_error:
        error = evidence.import_error
        return check("reported", Status.FAIL, f"{expectation.framework} cannot be imported: {error.type}: {error.text}")
    trained = [record.seconds for record in evidence.trainings if record.seconds is not None]
    if min(trained, default=0) < 0 or not sum(trained) <= evidence.seconds <= ran.seconds + CLOCK_SECONDS:
        detail = (
            f"its clock cannot be right: {sum(trained):.1f} s of training, {evidence.seconds:.1f} s inside, "
            f"{ran.seconds:.1f} s outside"
        )
        return check("reported", Status.FAIL, detail)
    return check("reported", Status.PASS, f"one result line, {len(evidence.trainings)} trainings recorded")


def build(expectation: Expectation, evidence: Evidence) -> Check:
    """Is the framework a build for that vendor, and the version that the image's labels promise?"""
    if expectation.vendor is Vendor.CPU:
        return check("build", Status.SKIP, "every build trains on a CPU")
    key = BUILD_KEY[expectation.vendor]
    value = evidence.build.get(key)
    if expectation.backend not in evidence.versions:
        return check("build", Status.FAIL, f"{expectation.framework} is not what ran: {', '.join(evidence.versions)}")
    version = evidence.versions[expectation.backend]
    name = f"{expectation.framework} {version}"
    if value is None:
        return check("build", Status.UNKNOWN, f"{name} does not tell {key}")
    if value != "True":
        return check("build", Status.FAIL, f"{name} is not a {expectation.vendor} build: {key} is {value}")
    promised = expectation.versions.get(expectation.backend)
    # AMD names a build 2.21, which inside says 2.21.0; torch adds what it was built for: 2.10.0+cu128.
    if promised and not f"{version.partition('+')[0]}.".startswith(f"{promised}."):
        return check("build", Status.WARN, f"{name} inside, {promised} on the image's label")
    return check("build", Status.PASS, f"{name}, {key}")


def listed_gpus(evidence: Evidence) -> tuple[Listed, ...]:
    """Return the GPUs that the framework lists."""
    return tuple(device for device in evidence.listing if device.type == "GPU")


def wanted(expectation: Expectation, evidence: Evidence) -> tuple[int, ...]:
    """Return the framework's indices that must have trained; never empty."""
    return expectation.indices or tuple(range(len(listed_gpus(evidence)))) or (0,)


def visible(expectation: Expectation, evidence: Evidence) -> Check:
    """Is the GPU inside: device nodes that open, a driver library that loads, and the framework's listing?"""
    if expectation.vendor is Vendor.CPU:
        return check("visible", Status.SKIP, "no GPU was asked for")
    missing = "; ".join(_invisible(expectation, evidence))
    if missing:
        return check("visible", Status.FAIL, missing)
    names = ", ".join(device.description or device.name for device in listed_gpus(evidence))
    return check("visible", Status.PASS, f"{len(listed_gpus(evidence))} listed: {names}")


def unasked(expectation: Expectation, evidence: Evidence) -> Check:
    """What of the GPU is inside, when the framework could not be asked? Never enough for a pass."""
    if expectation.vendor is Vendor.CPU:
        return check("visible", Status.SKIP, "no GPU was asked for")
    told = (_closed(node) if node.error else f"{node.path} opens" for node in _nodes(expectation, evidence))
    inside = "; ".join(told) or f"no {expectation.vendor.maker} device node is {expectation.inside}"
    return check("visible", Status.UNKNOWN, f"{inside}; {expectation.framework} could not be asked")


def _nodes(expectation: Expectation, evidence: Evidence) -> list[Node]:
    return [node for node in evidence.environment.nodes if NODE[expectation.vendor].fullmatch(node.path)]


def _closed(node: Node) -> str:
    return f"{node.path} cannot be opened: {node.error}"


def _invisible(expectation: Expectation, evidence: Evidence) -> Iterator[str]:
    need, seen = len(wanted(expectation, evidence)), len(listed_gpus(evidence))
    if evidence.listing_error:
        yield f"{expectation.framework} fails when it lists its devices: {evidence.listing_error.text}"
    if seen < need:
        yield from hiding(expectation, evidence)
    nodes = _nodes(expectation, evidence)
    if not nodes:
        yield f"no {expectation.vendor.maker} device node is {expectation.inside}"
    elif all(node.error for node in nodes):
        yield _closed(nodes[0])
    elif not expectation.indices:  # every one that is shown: a right that is missing hides it, another error does not
        yield from (_closed(node) for node in nodes if node.error not in {None, *CLOSED})
    library = LIBRARY[expectation.vendor]
    asked = [item for item in evidence.environment.libraries if item.name.startswith(library)]
    mapped = any(library in path.rsplit("/", 1)[-1] for path in evidence.mapped)
    if not mapped and all(item.error for item in asked):
        yield asked[0].error or library if asked else f"{library} was not tried"
    if seen < need:
        yield f"{expectation.framework} lists {seen} GPU(s), {need} asked for"
    elif not expectation.indices and seen < len(evidence.driver):
        yield f"{expectation.framework} lists {seen} GPU(s), the driver library {len(evidence.driver)}"


def hiding(expectation: Expectation, evidence: Evidence) -> Iterator[str]:
    """Yield each variable that hides all GPUs from the framework."""
    for name in HIDING.get(expectation.vendor, ()):
        value = evidence.environment.variables.get(name)
        # NVIDIA's base images set NVIDIA_VISIBLE_DEVICES to void or nothing on purpose; only the runtime reads it.
        if value is not None and value in HIDDEN and not (name.startswith("NVIDIA") and evidence.environment.nodes):
            yield f"{name}={value} hides the GPUs"

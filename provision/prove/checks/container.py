"""The witnesses around the training: did it start and report, is it the right build, is a GPU inside."""

import re
from collections.abc import Iterator

from provision.engine.protocol import Ran
from provision.model import Status, Vendor
from provision.prove.checks.case import Case, Outcome, nothing
from provision.prove.evidence import SCHEMA, Evidence, Listed, Node, Problem
from provision.prove.expectation import Expectation

SIGNALS = {
    132: "illegal instruction",
    134: "aborted",
    135: "bus error",
    137: "killed",
    139: "crashed (segmentation fault)",
    143: "terminated",
}
HIDDEN = {"", "-1", "none", "void", "NoDevFiles"}  # values by which a variable hides all GPUs from a framework
CLOCK_SECONDS = 5.0  # how much longer than its container a workload may believe to have run
FIX_HOST = "kgpu-env doctor names what the host lacks; --vendor cpu verifies without a GPU."
CLOSED = {"Operation not permitted", "Permission denied"}  # by a cgroup or by its mode


def started(case: Case) -> Outcome:
    """Did the engine start the container?"""
    if case.ran.refused:
        return Status.FAIL, case.ran.refused
    return Status.PASS, f"the workload ran for {case.ran.seconds:.1f} s"


def ending(ran: Ran) -> str:
    """Return how the workload's process ended, in words; empty when it ended well."""
    if ran.timed_out or ran.exit_code is None:
        return f"stopped at the time limit, after {ran.seconds:.0f} s"
    if ran.out_of_memory:
        return "killed, because it used more memory than the container may have"
    if ran.exit_code == 0:
        return ""
    return f"ended with code {ran.exit_code}" + (f", {SIGNALS[ran.exit_code]}" if ran.exit_code in SIGNALS else "")


def reported(case: Case) -> Outcome:
    """Did the workload come to its end and say what it saw?"""
    ran, evidence, ended = case.ran, case.found, ending(case.ran)
    if isinstance(evidence, Problem):
        return Status.FAIL, "; ".join(part for part in (ended, evidence.what) if part)
    if ended or evidence.stopped:
        return Status.FAIL, ended or "stopped by SIGTERM before its end"
    if evidence.import_error:
        error = evidence.import_error
        return Status.FAIL, f"{case.expectation.framework} cannot be imported: {error.type}: {error.text}"
    if other := next(_of_another_run(case.expectation, evidence), ""):
        return Status.FAIL, other
    trained = [record.seconds for record in evidence.trainings if record.seconds is not None]
    untimed = [record for record in evidence.trainings if record.seconds is None and not record.error]
    possible = min(trained, default=1) > 0 and sum(trained) <= evidence.seconds <= ran.seconds + CLOCK_SECONDS
    if untimed or not possible:
        detail = (
            f"its clock cannot be right: {sum(trained):.1f} s of training, {evidence.seconds:.1f} s inside, "
            f"{ran.seconds:.1f} s outside" + (f", {len(untimed)} trainings without a time" if untimed else "")
        )
        return Status.FAIL, detail
    return Status.PASS, f"one result line, {len(evidence.trainings)} trainings recorded"


def _of_another_run(expectation: Expectation, evidence: Evidence) -> Iterator[str]:
    """Yield why the evidence is not that of this workload, sent as it was sent."""
    if evidence.schema != SCHEMA:
        yield f"its evidence is of the schema {evidence.schema!r}, not {SCHEMA}"
    if expectation.sent:
        seen = evidence.spec or {}
        other = [name for name, value in expectation.sent.items() if name not in seen or seen[name] != value]
        if other:
            yield f"it did something else than it was sent: another value of {', '.join(other)}"


def host(case: Case) -> Outcome:
    """Has this host the GPU, and was it handed in? What an image says does not outweigh that."""
    expectation = case.expectation
    if not expectation.host_has_gpu:
        return Status.FAIL, expectation.host_reason or f"no usable {expectation.vendor.maker} GPU on this host"
    if not (expectation.here or expectation.handed_in):
        return Status.FAIL, "no GPU was handed to the container"
    return Status.PASS, "the host has it" if expectation.here else "the host has it, and the container was given it"


def host_fix(case: Case) -> str:
    """Return how the host gets its GPU, or the container."""
    if case.expectation.host_has_gpu:
        return "kgpu-env doctor says how this engine hands GPUs to containers."
    return FIX_HOST


def machine(case: Case) -> Outcome:
    """Did it train on this machine, and not on an engine's other one? Unknown where neither side tells."""
    expectation, seen = case.expectation, case.outside
    inside = case.evidence.environment.boot_id
    if inside and inside == expectation.boot_id:
        return Status.PASS, "the kernel that trained is this host's: it has the same boot id"
    if seen is not None and seen.pid is not None:
        return Status.PASS, f"its process was seen on this host: {seen.pid}"
    if inside and expectation.boot_id:
        by = f": {expectation.engine}" if expectation.engine else ""
        return Status.FAIL, f"it trained under another kernel than this host's{by}"
    return Status.UNKNOWN, "the boot id of the kernel is not known on both sides"


def build(case: Case) -> Outcome:
    """Is the framework a build for that vendor?"""
    expectation, evidence = case.expectation, case.evidence
    key = expectation.vendor.row.build_key
    value = evidence.build.get(key)
    if expectation.backend not in evidence.versions:
        return Status.FAIL, f"{expectation.framework} is not what ran: {', '.join(evidence.versions)}"
    version = evidence.versions[expectation.backend]
    name = f"{expectation.framework} {version}"
    if value is None:
        return Status.UNKNOWN, f"{name} does not tell {key}"
    if value != "True":
        return Status.FAIL, f"{name} is not a {expectation.vendor} build: {key} is {value}"
    return Status.PASS, f"{name}, {key}"


def label(case: Case) -> Outcome:
    """Is the framework of the version that the image's label promises?"""
    expectation, evidence = case.expectation, case.evidence
    promised, version = expectation.versions.get(expectation.backend), evidence.versions.get(expectation.backend)
    if promised is None:
        return Status.SKIP, "no label tells a version"
    if version is None:
        return Status.FAIL, f"{expectation.framework} is not what ran: {', '.join(evidence.versions)}"
    name = f"{expectation.framework} {version}"
    # AMD names a build 2.21, which inside says 2.21.0; torch adds what it was built for: 2.10.0+cu128.
    inside, told = version.partition("+")[0], promised.partition("+")[0]
    if not f"{inside}.".startswith(f"{told}."):
        return Status.FAIL, f"{name} inside, {promised} on the image's label"
    return Status.PASS, name


def build_fix(case: Case) -> str:
    """Return how the right build gets there."""
    if case.expectation.here:
        return "Install the framework's build for that maker into this Python: kgpu-env resolve names its packages."
    return f"Build the image with kgpu-env build --vendor {case.expectation.vendor}."


def listed_gpus(evidence: Evidence) -> tuple[Listed, ...]:
    """Return the GPUs that the framework lists."""
    return tuple(device for device in evidence.listing if device.type == "GPU")


def wanted(expectation: Expectation, evidence: Evidence) -> tuple[int, ...]:
    """Return the framework's indices that must have trained; never empty."""
    return expectation.indices or tuple(range(len(listed_gpus(evidence)))) or (0,)


def visible(case: Case) -> Outcome:
    """Is the GPU inside: device nodes that open, a driver library that loads, and the framework's listing?"""
    missing = "; ".join(_invisible(case.expectation, case.evidence))
    if missing:
        return Status.FAIL, missing
    gpus = listed_gpus(case.evidence)
    return Status.PASS, f"{len(gpus)} listed: {', '.join(device.description or device.name for device in gpus)}"


def unasked(case: Case) -> Outcome:
    """What of the GPU is inside, when the framework could not be asked? Never enough for a pass."""
    expectation = case.expectation
    if isinstance(case.found, Problem):
        return nothing(case)
    if expectation.vendor is Vendor.CPU:
        return Status.SKIP, "no GPU was asked for"
    told = (_closed(node) if node.error else f"{node.path} opens" for node in nodes_inside(expectation, case.found))
    inside = "; ".join(told) or f"no {expectation.vendor.maker} device node is {expectation.inside}"
    return Status.UNKNOWN, f"{inside}; {expectation.framework} could not be asked"


def nodes_inside(expectation: Expectation, evidence: Evidence) -> list[Node]:
    """Return the maker's device nodes that are where it ran."""
    pattern = re.compile(expectation.vendor.row.node)
    return [node for node in evidence.environment.nodes if pattern.fullmatch(node.path)]


def _closed(node: Node) -> str:
    return f"{node.path} cannot be opened: {node.error}"


def _invisible(expectation: Expectation, evidence: Evidence) -> Iterator[str]:
    need, seen = len(wanted(expectation, evidence)), len(listed_gpus(evidence))
    if evidence.listing_error:
        yield f"{expectation.framework} fails when it lists its devices: {evidence.listing_error.text}"
    if seen < need:
        yield from hiding(expectation, evidence)
    nodes = nodes_inside(expectation, evidence)
    if not nodes:
        yield f"no {expectation.vendor.maker} device node is {expectation.inside}"
    elif all(node.error for node in nodes):
        yield _closed(nodes[0])
    elif not expectation.indices:  # every one that is shown: a right that is missing hides it, another error does not
        yield from (_closed(node) for node in nodes if node.error not in {None, *CLOSED})
    library = expectation.vendor.row.library
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
    row = expectation.vendor.row
    for name in row.hiding:
        value = evidence.environment.variables.get(name)
        # NVIDIA's base images set NVIDIA_VISIBLE_DEVICES to void or nothing on purpose; only the runtime reads it.
        unread = name == row.container_runtime_devices and evidence.environment.nodes
        if value is not None and value in HIDDEN and not unread:
            yield f"{name}={value} hides the GPUs"

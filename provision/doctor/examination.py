"""The ladder of one host: each rung ok, broken or not known, and the one cause to fix first."""

from collections.abc import Iterable
from typing import Final

from provision.doctor.commands import check, commands
from provision.doctor.words import as_finding, cause_of, faults
from provision.model import GPU_VENDORS, Finding, GpuVendor, Host, Severity
from provision.model.examination import Examination, Message, Start, State, Step
from provision.model.ladder import LADDER, RUNGS, Rung, primary, without_explained

_UNKNOWN: Final[State] = "not known"


def examination(
    host: Host,
    findings: Iterable[Finding],
    *,
    messages: tuple[Message, ...] = (),
    start: Start | None = None,
) -> Examination:
    """Return the ladder of a host, its primary cause and what fixes it.

    Args:
        host: as probed, or read from a file.
        findings: what is wrong with it, those about its engine included.
        messages: what was recognised in a log.
        start: the container that was tried, if one was.
    """
    found = without_explained(findings)
    first = _primary(found, messages)
    return Examination(
        findings=found,
        primary=first,
        steps=tuple(_step(host, rung, found, first, start) for rung in RUNGS),
        commands=commands(first, host) if first else (),
        check=check(first) if first else "",
        messages=messages,
        start=start,
    )


def _primary(found: tuple[Finding, ...], messages: tuple[Message, ...]) -> Finding | None:
    """Return the cause: what of this host explains the log, an error of the host, the log's own, a warning."""
    of_host = primary(found)
    cause = cause_of(messages, found)
    if cause:
        return cause
    said = next(faults(messages), None)
    if said and (of_host is None or of_host.severity is not Severity.ERROR):
        return as_finding(said)
    return of_host


def is_broken(found: Examination, *, strict: bool = False) -> bool:
    """Tell whether there is an error finding; `strict`: or a warning."""
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    told = (*(one.severity for one in found.messages), *(one.severity for one in found.findings))
    return any(severity in bad for severity in told)


def _step(host: Host, rung: Rung, found: tuple[Finding, ...], first: Finding | None, start: Start | None) -> Step:
    here = [finding for finding in found if finding.code in LADDER and LADDER[finding.code].rung == rung]
    wrong = [finding for finding in here if finding.severity is Severity.ERROR or finding is first]
    if wrong:
        return Step(rung=rung, state="broken", detail=", ".join(dict.fromkeys(finding.code for finding in wrong)))
    if first and first.code not in LADDER and rung == "framework":
        return Step(rung=rung, state="broken", detail=f"{first.code}, in the log")
    state, detail = _KNOWN[rung](host, start)
    below = [finding for finding in found if finding.code in LADDER and finding.severity is Severity.ERROR]
    lower = any(RUNGS.index(LADDER[finding.code].rung) < RUNGS.index(rung) for finding in below)
    is_above = state == "ok" and lower and rung in {"nodes", "framework"}
    return Step(rung=rung, state=_UNKNOWN if is_above else state, detail=detail)


def _makers(host: Host) -> list[GpuVendor]:
    return [row for row in GPU_VENDORS.values() if host.gpus_of(row.maker)]


def _bus(host: Host, _: Start | None) -> tuple[State, str]:
    if not host.gpus:
        return _UNKNOWN, "no GPU seen"
    counts = [f"{len(host.gpus_of(row.maker))} x {row.title}" for row in _makers(host)]
    return "ok", ", ".join(counts)


def _driver(host: Host, _: Start | None) -> tuple[State, str]:
    drivers = [driver for driver in host.drivers if host.gpus_of(driver.vendor)]
    if not drivers:
        return _UNKNOWN, ""
    return "ok", ", ".join(" ".join(filter(None, (one.vendor, one.version, one.flavour))) for one in drivers)


def _nodes(host: Host, _: Start | None) -> tuple[State, str]:
    paths = [node.path for node in (*host.nodes, *(node for gpu in host.gpus for node in gpu.nodes))]
    return ("ok", f"{len(set(paths))} device nodes") if paths else (_UNKNOWN, "")


def _toolkit(host: Host, _: Start | None) -> tuple[State, str]:
    needing = [row for row in _makers(host) if row.access == "runtime"]
    if not needing:
        return ("ok", "none is needed: device nodes are handed over") if _makers(host) else (_UNKNOWN, "")
    names = [toolkit.name for toolkit in host.toolkits]
    cdi = host.engine.cdi if host.engine else ()
    return ("ok", ", ".join([*dict.fromkeys(names), *cdi[:1]])) if names or cdi else (_UNKNOWN, "")


def _engine(host: Host, start: Start | None) -> tuple[State, str]:
    if start and start.started is False:
        return "broken", f"{start.image}: {start.text}"
    if not host.engine:
        return _UNKNOWN, "a captured host tells no engine"
    name = f"{host.engine.name} {host.engine.version}"
    if start is None:
        return "ok", name
    if start.started is None:
        return _UNKNOWN, f"{name}; {start.image}: {start.text}"
    return "ok", f"{name}, started {start.image}{' with the GPU' if _makers(host) else ''}"


def _framework(_: Host, __: Start | None) -> tuple[State, str]:
    return _UNKNOWN, "kgpu-env verify IMAGE proves it"


_KNOWN: Final = {
    "bus": _bus,
    "driver": _driver,
    "nodes": _nodes,
    "toolkit": _toolkit,
    "engine": _engine,
    "framework": _framework,
}

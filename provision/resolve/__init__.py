"""From a host and a request to the newest stack that satisfies every rule, and why nothing newer does."""

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.errors import NoStackError
from provision.model import Change, Host, Request, Stack, StackWarning, Vendor
from provision.resolve.ageing import end_of_life
from provision.resolve.outcome import Failure, told
from provision.resolve.vendors import resolve_vendor

__all__ = ["resolve", "upgrades"]


def resolve(catalogue: Catalogue, host: Host, request: Request, *, today: str | None = None) -> Stack:
    """Return the stack for `host` that `request` asks for.

    With vendor auto, the vendor is the one whose GPU is there and has a stack; NVIDIA when both have.

    Args:
        catalogue: the facts.
        host: as probed, or from a file.
        request: what the user asks for.
        today: a date as "2026-11-23"; with it, the stack warns of a base or driver branch whose support has ended.

    Raises:
        NoStackError: nothing fits. The error names a smallest set of rules in conflict, and the smallest changes
            that would help.
    """
    stack = _resolve(catalogue, host, request)
    more = _unheeded(request, stack) + (end_of_life(catalogue, host, stack, today) if today else ())
    return replace(stack, warnings=stack.warnings + more) if more else stack


def upgrades(catalogue: Catalogue, host: Host, request: Request, stack: Stack) -> tuple[Change, ...]:
    """Return the newer drivers that would each give a newer framework than `stack`, the oldest first."""
    from provision.resolve import advice  # noqa: PLC0415 - only an explanation pays for it

    found = advice.upgrades(catalogue, host, request, stack.vendor, better_than=stack)
    return tuple(Change(change=f"driver {one.driver} or newer", gives=one.stack.summary) for one in found)


def _unheeded(request: Request, stack: Stack) -> tuple[StackWarning, ...]:
    """Return a warning for a version of the other maker's runtime: it says nothing about this stack."""
    asked = {"cuda": request.cuda, "rocm": request.rocm}
    return tuple(
        StackWarning(code="wish-unheeded", text=f"--{name} {version} says nothing about a stack for {stack.vendor}")
        for name, version in asked.items()
        if version and name != stack.vendor
    )


def _resolve(catalogue: Catalogue, host: Host, request: Request) -> Stack:
    if request.vendor is not Vendor.AUTO:
        return _stack(catalogue, host, request, request.vendor)
    present = [vendor for vendor in (Vendor.CUDA, Vendor.ROCM) if host.gpus_of(vendor.gpu or "")]
    outcomes = [resolve_vendor(catalogue, host, request, vendor) for vendor in present]
    stacks = [outcome for outcome in outcomes if isinstance(outcome, Stack)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if stacks:
        # What was asked for comes before what stands in for it.
        return _noting_others(sorted(stacks, key=lambda stack: stack.backend != (request.backend or "tensorflow")))
    if request.fallback == "cpu":
        return _stack(catalogue, host, request, Vendor.CPU)
    if failures:
        raise _no_stack(catalogue, host, replace(request, vendor=present[0]), failures[0])
    raise _no_gpu(host)


def _stack(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Stack:
    match resolve_vendor(catalogue, host, request, vendor):
        case Stack() as stack:
            return stack
        case Failure() as failure:
            raise _no_stack(catalogue, host, replace(request, vendor=vendor), failure)


def _no_stack(catalogue: Catalogue, host: Host, request: Request, failure: Failure) -> NoStackError:
    from provision.resolve import advice, conflict  # noqa: PLC0415 - only a failure pays for them

    rules = conflict.smallest_cover(failure.broken())
    found = () if failure.fix else advice.changes(catalogue, host, request, request.vendor)
    words = f". {conflict.in_words(rules)}" if rules else ""
    # The newest that breaks one of them; what was asked for is told where nothing else stands in the way.
    telling = [one for one in failure.rejected if one.rule in rules]
    telling.sort(key=lambda one: one.rule.startswith("requested-"))
    why = told(telling[0]) if telling else failure.why
    error = NoStackError(
        failure.code,
        failure.what,
        cause=why + words,
        fix=failure.fix or advice.in_words(found),
        rejected=failure.rejected,
    )
    error.conflict, error.changes = tuple(rule.value for rule in rules), found
    return error


def _noting_others(stacks: list[Stack]) -> Stack:
    first, *others = stacks
    notes = tuple(
        StackWarning(
            code="mixed-vendors",
            text=f"this host has GPUs of two makers; for the other one: --vendor {other.vendor} ({other.summary})",
        )
        for other in others
    )
    return replace(first, warnings=first.warnings + notes)


def _no_gpu(host: Host) -> NoStackError:
    looked = ", ".join(host.looked_at) or "the host file"
    return NoStackError(
        "KGE-210",
        "The host has no GPU.",
        cause=f"looked at: {looked}",
        fix=(
            "ask for a CPU environment with --vendor cpu (or --fallback cpu), "
            "or for another machine's with --host FILE (kgpu-env probe --json, run there)"
        ),
    )

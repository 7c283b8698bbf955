"""From a host and a request to the newest stack that satisfies every rule, and why nothing newer does."""

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.errors import NoStackError
from provision.model import Host, Request, Stack, StackWarning, Vendor
from provision.resolve.advice import Upgrade, advise, upgrade
from provision.resolve.outcome import Failure
from provision.resolve.vendors import resolve_vendor

__all__ = ["Upgrade", "resolve", "smallest_upgrade"]


def resolve(catalogue: Catalogue, host: Host, request: Request) -> Stack:
    """Return the stack for `host` that `request` asks for.

    With vendor auto, the vendor is the one whose GPU is there and has a stack; NVIDIA when both have.

    Raises:
        NoStackError: nothing fits. The error names the rule, and the smallest changes that would help.
    """
    if request.vendor is not Vendor.AUTO:
        return _stack(catalogue, host, request, request.vendor)
    present = [vendor for vendor in (Vendor.CUDA, Vendor.ROCM) if host.gpus_of(vendor.gpu or "")]
    outcomes = [resolve_vendor(catalogue, host, request, vendor) for vendor in present]
    stacks = [outcome for outcome in outcomes if isinstance(outcome, Stack)]
    if stacks:
        return _noting_others(stacks)
    if request.fallback == "cpu":
        return _stack(catalogue, host, request, Vendor.CPU)
    if present:
        return _stack(catalogue, host, request, present[0])
    raise _no_gpu(host)


def smallest_upgrade(catalogue: Catalogue, host: Host, request: Request, stack: Stack) -> Upgrade | None:
    """Return the oldest newer driver that would give a newer framework than `stack`, or None."""
    return upgrade(catalogue, host, request, stack.vendor, better_than=stack)


def _stack(catalogue: Catalogue, host: Host, request: Request, vendor: Vendor) -> Stack:
    match resolve_vendor(catalogue, host, request, vendor):
        case Stack() as stack:
            return stack
        case Failure() as failure:
            raise NoStackError(
                failure.code,
                failure.what,
                why=failure.why,
                fix=failure.fix or advise(catalogue, host, request, vendor),
                rejected=failure.rejected,
            )


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
        "No GPU found on this host.",
        why=f"looked at: {looked}",
        fix=(
            "ask for a CPU environment with --vendor cpu (or --fallback cpu), "
            "or for another machine's with --host FILE (kgpu-env probe --json, run there)"
        ),
    )

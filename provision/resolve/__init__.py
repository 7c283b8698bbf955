"""From a host and a request to the newest stack that satisfies every rule, and why nothing newer does."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.errors import NoStackError
from provision.model import (
    GPU_VENDORS,
    TITLES,
    Change,
    Host,
    Rejection,
    Request,
    Severity,
    Stack,
    StackWarning,
    Vendor,
)
from provision.model.selection import is_all
from provision.resolve import suggestions
from provision.resolve.base_names import base_fix
from provision.resolve.candidate import Wishes, wishes_of
from provision.resolve.end_of_life import support_warnings
from provision.resolve.explain import conflict, smallest_cover, told
from provision.resolve.facts import Failure, class_of
from provision.resolve.knowledge_gap import absent, age, next_step
from provision.resolve.rule_names import REQUESTED, RuleName
from provision.resolve.search import broken_by, find, find_all
from provision.resolve.vendors import matches
from provision.resolve.working import cause_of, narrowed, warnings_of

__all__ = ["Refusal", "feasible", "resolve", "upgrades"]

PACKAGES = "requested-packages"  # the rule that is broken by a stack which packages do not go with


Refusal = Callable[[Stack], str | None]  # why packages that are added do not go with a stack, from what is known


def resolve(
    catalogue: Catalogue,
    host: Host,
    request: Request,
    *,
    today: str | None = None,
    refusal: Refusal | None = None,
) -> Stack:
    """Return the stack for `host` that `request` asks for.

    With vendor auto, the vendor is the one whose GPU is usable and has a stack; NVIDIA when both have. The stack is
    for the usable GPUs, or those that the request names; what was left out, and what the probe found about the others,
    are among its warnings.

    Args:
        catalogue: the facts.
        host: as probed, or from a file.
        request: what the user asks for.
        today: a date as "2026-11-23"; with it, the stack warns of a base or driver branch whose support has ended.
        refusal: the answers about packages that are added; by default every stack goes with them.

    Raises:
        NoStackError: nothing fits. The error names a smallest set of rules in conflict, and the smallest changes
            that would help; or, KGE-215, the reason why the newest stack does not go with the packages.
        UsageError: KGE-306, the request names a GPU that the host does not have, or that nothing drives.
    """
    stacks, failures = _by_vendor(catalogue, host, request)
    if not stacks:
        raise _no_stack(catalogue, request, *failures[0]) if failures else _no_gpu(host)
    stack = with_packages(catalogue, host, request, stacks, refusal) if refusal else stacks[0]
    more = (
        *_notes(stacks),
        *_unheeded(request, stack),
        *_other_patch(request, stack),
        *_one_gpu(catalogue, host, request, stack),
        *warnings_of(host, stack.vendor, request.gpus),
        *(support_warnings(catalogue, host, stack, today) if today else ()),
    )
    return replace(stack, warnings=stack.warnings + more) if more else stack


def feasible(catalogue: Catalogue, host: Host, request: Request, *, every_base: bool = True) -> Iterator[Stack]:
    """Yield every stack for `host` that satisfies `request`, the preferred first: that one is what `resolve` returns.

    Builds come in the order of preference, each with every runtime and every base image that fits. Where TensorFlow has
    a stack, no other backend is among them unless it is asked for. Nothing is yielded where nothing fits.

    Args:
        catalogue: the facts.
        host: as probed, or from a file.
        request: what the user asks for.
        every_base: without it each build with each runtime comes once, on the preferred base.
    """
    chosen, _ = _by_vendor(catalogue, host, request)
    notes = _notes(chosen)
    for first in chosen:
        on, _ = narrowed(host, (first.vendor,), request.gpus)
        for stack in find_all(catalogue, on, wishes_of(request), first.vendor, every_base=every_base):
            more = (*notes, *_unheeded(request, stack))
            yield replace(stack, warnings=stack.warnings + more) if more else stack
        notes = ()


def with_packages(catalogue: Catalogue, host: Host, request: Request, stacks: list[Stack], refusal: Refusal) -> Stack:
    """Return the first stack that nothing of what is added refuses, with those before it among the rejected ones.

    Raises:
        NoStackError: KGE-215, each is refused.
    """
    refused: dict[tuple[str, str], Rejection] = {}
    for first in stacks:
        on, _ = narrowed(host, (first.vendor,), request.gpus)
        for stack in find_all(catalogue, on, wishes_of(request), first.vendor):
            why = refusal(stack)
            if why is None:
                rejected = (*stack.rejected, *refused.values())
                told_why = _why_packages(tuple(refused.values())) or stack.why
                return replace(stack, rejected=rejected, why=told_why)
            label = _label(stack)
            refused.setdefault((label, why), Rejection(candidate=label, rule=PACKAGES, reason=why, source=REQUESTED))
    reasons = tuple(refused.values())
    error = NoStackError(
        "KGE-215",
        "No stack goes with the packages that were asked for.",
        cause=f"{reasons[0].candidate}: {reasons[0].reason}" if reasons else "",
        fix=f"loosen what is named there; without it the stack is {stacks[0].summary}",
        rejected=reasons,
    )
    error.conflict = (PACKAGES,)
    raise error


def _label(stack: Stack) -> str:
    runtime = "" if stack.vendor is Vendor.CPU else f", {stack.vendor.row.runtime_title} {stack.runtime.version}"
    return f"{TITLES[stack.backend]} {stack.framework.version}{runtime}, Python {stack.python}"


def _why_packages(refused: tuple[Rejection, ...]) -> str:
    return f"not {refused[0].candidate}: {refused[0].reason}" if refused else ""


def upgrades(catalogue: Catalogue, host: Host, request: Request, stack: Stack) -> tuple[Change, ...]:
    """Return the newer drivers that would each give a newer framework than `stack`, the oldest first."""
    on, _ = narrowed(host, (stack.vendor,), request.gpus)
    found = suggestions.upgrades(catalogue, class_of(on, stack.vendor), wishes_of(request), stack.vendor, stack)
    return tuple(Change(change=f"driver {driver} or newer", gives=newer.summary) for driver, newer in found)


def _by_vendor(
    catalogue: Catalogue, host: Host, request: Request
) -> tuple[list[Stack], list[tuple[Vendor, Host, Failure]]]:
    """Return the stack of each vendor in question, the preferred first, and the vendors that have none, with the host.

    The host is the one that was resolved for: with the GPUs that the request names.
    """
    wishes, auto = wishes_of(request), request.vendor is Vendor.AUTO
    host, vendors = narrowed(host, _of_host(host, request.gpus) if auto else (request.vendor,), request.gpus)
    outcomes = [(vendor, find(catalogue, host, wishes, vendor)) for vendor in vendors]
    if auto and request.fallback == "cpu" and not any(isinstance(outcome, Stack) for _, outcome in outcomes):
        outcomes = [(Vendor.CPU, find(catalogue, host, wishes, Vendor.CPU))]
    stacks = [outcome for _, outcome in outcomes if isinstance(outcome, Stack)]
    # What was asked for comes before what replaces it.
    stacks.sort(key=lambda stack: stack.backend != (wishes.backend or "tensorflow"))
    return stacks, [(vendor, host, outcome) for vendor, outcome in outcomes if isinstance(outcome, Failure)]


def _of_host(host: Host, words: str) -> tuple[Vendor, ...]:
    """Return the vendors whose GPUs are usable; where none are, or some are named, those that have any."""
    usable = tuple(vendor for vendor in GPU_VENDORS if host.usable_of(vendor.row.maker))
    return (is_all(words) and usable) or tuple(vendor for vendor in GPU_VENDORS if host.gpus_of(vendor.row.maker))


def _notes(stacks: list[Stack]) -> tuple[StackWarning, ...]:
    """Return a warning for each other vendor that has a stack, too."""
    return tuple(
        StackWarning(
            code="mixed-vendors",
            text=f"this host has GPUs of two makers; for the other one: --vendor {other.vendor} ({other.summary})",
        )
        for other in stacks[1:]
    )


def _unheeded(request: Request, stack: Stack) -> tuple[StackWarning, ...]:
    """Return a warning for a version of another maker's runtime: it says nothing about this stack."""
    wishes = wishes_of(request)
    asked = {vendor: wishes.runtime(vendor) for vendor in GPU_VENDORS if vendor is not stack.vendor}
    return tuple(
        StackWarning(code="wish-unheeded", text=f"--{vendor} {version} says nothing about a stack for {stack.vendor}")
        for vendor, version in asked.items()
        if version
    )


def _other_patch(request: Request, stack: Stack) -> tuple[StackWarning, ...]:
    """Return a warning where another patch release is taken than the one that was asked for."""
    asked, have = request.tensorflow, stack.framework.version
    if asked is None or stack.backend != "tensorflow" or asked.count(".") < have.count(".") or matches(have, asked):
        return ()
    text = f"TensorFlow {asked} was asked for; of its series the catalogue has {have}"
    return (StackWarning(code="other-patch", text=text),)


def _one_gpu(catalogue: Catalogue, host: Host, request: Request, stack: Stack) -> tuple[StackWarning, ...]:
    """Return a warning where an image for one GPU is asked for, and that is nothing less, or there are more GPUs."""
    if request.contents != "one-gpu" or stack.vendor not in GPU_VENDORS:
        return ()
    of = (stack.backend, stack.framework.version)
    cuts = [cut for cut in catalogue.contents.cuts if cut.holds("one-gpu", *of) and not cut.holds("runtime", *of)]
    layers = [row for row in catalogue.contents.layers if any(row.id in cut.layers for cut in cuts)]
    less = any(row.holds(package.partition("==")[0]) for row in layers for package in stack.packages)
    on, _ = narrowed(host, (stack.vendor,), request.gpus)
    count, library = len(on.usable_of(stack.vendor.row.maker)), stack.vendor.row.operations["collective"]
    if not less:
        text = f"--contents one-gpu is the same as runtime: {_label(stack)} cannot do without {library}"
    elif count > 1:
        text = f"--contents one-gpu leaves out {library}, without which {count} GPUs do not work together"
    else:
        return ()
    return (StackWarning(code="one-gpu", text=text),)


def _no_stack(catalogue: Catalogue, request: Request, vendor: Vendor, host: Host, failure: Failure) -> NoStackError:
    if failure.facts is None:  # the host lacks something, whatever is asked for
        fix = failure.fix or "kgpu-env doctor tells what is wrong with this host"
        return NoStackError(failure.code, failure.text, cause=failure.cause, fix=fix)
    wishes = wishes_of(request)
    rules, why, found = _reasons(catalogue, class_of(host, vendor), wishes, vendor)
    unknown = absent(failure.facts)
    if unknown:
        why = f"the catalogue does not know {' and '.join(unknown)}: {age(catalogue)}. {why}"
    fix = next_step(failure.facts, suggestions.in_words(found), unknown)
    if RuleName.REQUESTED_BASE.value in rules:
        fix = base_fix(catalogue, wishes.base, fix)
    if finding := cause_of(host, vendor):  # it may keep the GPUs from a stack as well
        why = f"{why}. The probe also found {finding.code}: {finding.text.rstrip('.')}"
        fix = f"{fix}; for {finding.code}: {finding.fix.rstrip('.')}" if finding.fix else fix
    error = NoStackError(failure.code, failure.text, cause=why, fix=fix, rejected=failure.rejected)
    error.conflict, error.changes = rules, found
    return error


@lru_cache(maxsize=1024)
def _reasons(
    catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor
) -> tuple[tuple[str, ...], str, tuple[Change, ...]]:
    """Return the rules in conflict, the same in words, and the changes that would help, for a class of hosts."""
    failure = find(catalogue, host, wishes, vendor)
    if isinstance(failure, Stack):
        raise TypeError("there is a stack")
    broken = broken_by(failure)
    rules = smallest_cover(broken)
    # The newest that breaks one of them; what was asked for is told where nothing else stands in the way.
    telling = [one for one in failure.rejected if one.rule in rules]
    telling.sort(key=lambda one: one.rule.startswith("requested-"))
    why = told(telling[0]) if telling else failure.cause
    why = f"{why}. {conflict(rules, vendor)}" if rules else why
    return tuple(rule.value for rule in rules), why, suggestions.changes(catalogue, host, wishes, vendor, broken)


def _no_gpu(host: Host) -> NoStackError:
    looked, cause = ", ".join(host.looked_at) or "the host file", cause_of(host)
    if cause and cause.severity is Severity.ERROR:
        why = f"the probe found {cause.code}; looked at: {looked}"
        return NoStackError("KGE-210", cause.text, cause=why, fix=cause.fix)
    return NoStackError(
        "KGE-210",
        "The host has no GPU.",
        cause=f"looked at: {looked}",
        fix=(
            "ask for a CPU environment with --vendor cpu (or --fallback cpu), "
            "or for another machine's with --host FILE (kgpu-env probe --json, run there)"
        ),
    )

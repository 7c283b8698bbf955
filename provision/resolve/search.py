"""The search: builds in the order of preference, until one breaks no rule; and what may take TensorFlow's place."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.catalogue.rows import Row
from provision.model import TITLES, Backend, Host, Rejection, Stack, StackWarning, Vendor
from provision.resolve.candidate import Build, Candidate, Facts, Wishes
from provision.resolve.explain import smallest_cover, telling, told, why_not_newer
from provision.resolve.facts import Failure, class_of, facts_of, lacking, names
from provision.resolve.rule_names import REQUESTED, Broken, Of, RuleName
from provision.resolve.rules import OF_PART, Asked, Part, Rules
from provision.resolve.stack import assemble
from provision.resolve.vendors import ALTERNATIVES, KNOWLEDGE, builds_of, plain_images, runtime_images

_NO_BASE: Final = Broken(RuleName.REQUESTED_BASE, "the catalogue has no plain base image", REQUESTED)
Outcome = Stack | Failure


class Attempt:
    """The rules, asked of a build part by part: each once, and only as far as somebody wants to know.

    Attributes:
        build: what is tried.
    """

    __slots__ = ("_bases", "_facts", "_rejection", "_runtimes", "_start", "build")

    def __init__(self, facts: Facts, build: Build) -> None:
        self.build, self._facts = build, facts
        self._start = Asked(OF_PART["build"], Candidate(facts, build, build.runtimes[0]))
        self._runtimes: list[Asked] = []  # those that were asked, in the build's order
        self._bases: list[Asked] = []  # the same
        self._rejection: Rejection | None = None

    def candidates(self, *, every_base: bool = True) -> Iterator[Candidate]:
        """Yield the candidates that break no rule, the preferred first; or of each runtime the first one alone."""
        if self._start.first:
            return
        for asked in self._each_runtime():
            if asked.first is None:
                fitting = (base.candidate.image for base in self._each_base() if base.first is None)
                for image in fitting if every_base else islice(fitting, 1):
                    yield Candidate(self._facts, self.build, asked.candidate.runtime, image)

    @property
    def serves(self) -> bool:
        """Whether some candidate of the build breaks no rule."""
        return next(self.candidates(every_base=False), None) is not None

    @property
    def rejection(self) -> Rejection:
        """The rule that the build is told by: of several runtimes or bases, of the one that comes furthest."""
        if self._rejection is None:
            candidate, broken = self._told_by()
            self._rejection = Rejection(
                candidate=candidate.label, rule=broken.rule.value, reason=broken.reason, source=broken.source
            )
        return self._rejection

    def broken(self) -> Iterator[Rules]:
        """Yield all rules that the build breaks, for each of its runtimes."""
        base = self._broken_by_bases()
        shared = self._start.broken | {base.rule} if base else self._start.broken
        return (shared | asked.broken for asked in self._each_runtime())

    def breaks_only(self, subjects: set[Of]) -> bool:
        """Tell whether with one of its runtimes the build breaks rules about some subjects alone."""
        if any(rule.of not in subjects for rule in self._start.broken):
            return False
        return any({rule.of for rule in rules} <= subjects for rules in self.broken())

    def _told_by(self) -> tuple[Candidate, Broken]:
        if self._start.first:
            return self._start.candidate, self._start.first
        runtimes = list(self._each_runtime())
        fitting = next((asked for asked in runtimes if asked.first is None), None)
        if fitting:
            return fitting.candidate, self._broken_by_bases() or _NO_BASE
        furthest = max(runtimes, key=lambda asked: asked.place)
        return furthest.candidate, furthest.first or _NO_BASE

    def _broken_by_bases(self) -> Broken | None:
        """Return the rule that the base breaks which comes furthest; None where one breaks none."""
        furthest, why = -1, _NO_BASE
        for asked in self._each_base():
            if asked.first is None:
                return None
            if asked.place > furthest:
                furthest, why = asked.place, asked.first
        return why

    def _each_runtime(self) -> Iterator[Asked]:
        every = (Candidate(self._facts, self.build, runtime) for runtime in self.build.runtimes)
        return self._each("runtime", self._runtimes, every)

    def _each_base(self) -> Iterator[Asked]:
        facts, build, runtime = self._facts, self.build, self.build.runtimes[0]
        only = runtime.image or build.image
        images = (only,) if only else plain_images(facts.catalogue, build.backend)
        return self._each("base", self._bases, (Candidate(facts, build, runtime, image) for image in images))

    def _each(self, part: Part, asked: list[Asked], candidates: Iterator[Candidate]) -> Iterator[Asked]:
        """Yield what each candidate was told; it is asked where it was not yet."""
        for place, candidate in enumerate(candidates):
            if place == len(asked):
                asked.append(Asked(OF_PART[part], candidate))
            yield asked[place]


def find(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> Outcome:
    """Return the preferred stack of a vendor for a host, or why there is none. Kept for each class of hosts.

    It is one of TensorFlow, unless another backend is asked for, or no build of TensorFlow serves the host's GPUs.
    """
    return lacking(host, vendor) or _find(catalogue, class_of(host, vendor), wishes, vendor)


def find_all(
    catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor, *, every_base: bool = True
) -> Iterator[Stack]:
    """Yield every stack of a vendor for a host, the one that `find` returns first; none where it lacks something.

    Without `every_base` each build with each runtime comes once, on the preferred base.
    """
    if lacking(host, vendor) is None:
        yield from _stacks(facts_of(catalogue, class_of(host, vendor), wishes, vendor), [], every_base=every_base)


def attempts(
    catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor, row: Row | None = None
) -> Iterator[Attempt]:
    """Yield an attempt for each build of the backend that is asked for, or for those of one row of the catalogue.

    It costs less than `find` where nobody asks why there is none.
    """
    if lacking(host, vendor) is None:
        facts = facts_of(catalogue, class_of(host, vendor), wishes, vendor)
        for build in builds_of(catalogue, vendor, wishes.backend or "tensorflow", wishes.base):
            if row is None or build.row is row:
                yield Attempt(facts, build)


def broken_by(failure: Failure) -> list[Rules]:
    """Return all rules that each build breaks, for each of its runtimes; none where the host lacks something."""
    facts = failure.facts
    return [rules for build in failure.builds for rules in Attempt(facts, build).broken()] if facts else []


@lru_cache(maxsize=4096)  # some hundreds of classes a fleet, and those with other drivers that suggestions ask for
def _find(catalogue: Catalogue, host: Host, wishes: Wishes, vendor: Vendor) -> Outcome:
    facts, refused = facts_of(catalogue, host, wishes, vendor), list[Attempt]()
    return next(_stacks(facts, refused), None) or _failure(facts, host, refused)


def _stacks(facts: Facts, refused: list[Attempt], *, every_base: bool = True) -> Iterator[Stack]:
    """Yield the stacks in the order of preference; what is refused on the way is added to `refused`."""
    found = False
    for stack in _of_backend(facts, facts.wishes.backend or "tensorflow", refused, every_base=every_base):
        found = True
        yield stack
    if found or not _may_be_replaced(facts, refused):
        return
    replaced = tuple(refused)
    rejected = tuple(one.rejection for one in replaced)
    for backend in ALTERNATIVES:
        warning: StackWarning | None = None
        for stack in _of_backend(facts, backend, refused, every_base=every_base):
            warning = warning or _replacement(facts, backend, replaced)
            yield replace(stack, why=why_not_newer(rejected), warnings=(warning, *stack.warnings))


def _of_backend(facts: Facts, backend: Backend, refused: list[Attempt], *, every_base: bool) -> Iterator[Stack]:
    for build in builds_of(facts.catalogue, facts.vendor, backend, facts.wishes.base):
        attempt, found = Attempt(facts, build), False
        for candidate in attempt.candidates(every_base=every_base):
            found = True
            newer = [one.build for one in refused if one.build.backend == backend]
            yield assemble(candidate, tuple(one.rejection for one in refused), newer)
        if not found:
            refused.append(attempt)


def _may_be_replaced(facts: Facts, refused: list[Attempt]) -> bool:
    """Tell whether TensorFlow failed for reasons of the GPU, and another backend may be taken.

    Not where a build of TensorFlow breaks rules about the request or the site alone: then these are to give way.
    """
    wishes = facts.wishes
    if not facts.gpus or wishes.backend or wishes.tensorflow:
        return False
    if not (any(wishes) or facts.catalogue.site_policy):
        return True
    given_up = {Of.WISH, Of.BASE} if wishes.base else {Of.WISH}
    return not any(one.breaks_only(given_up) for one in refused)


def _replacement(facts: Facts, backend: Backend, replaced: tuple[Attempt, ...]) -> StackWarning:
    """Return the warning that a backend runs in place of TensorFlow: by which rules, and on which image not."""
    broken, rejected = [rules for one in replaced for rules in one.broken()], [one.rejection for one in replaced]
    rules = sorted(smallest_cover(broken), key=lambda rule: -sum(rule in each for each in broken))
    runs = f"Keras runs on {TITLES[backend]} here, since no TensorFlow build serves this host"
    if on_image := _on_image(facts):
        text = f"{runs} on a plain base ({', '.join(rules)}); --base {on_image.base.image} gives {on_image.summary}"
        return StackWarning(code="keras-fallback", text=text)
    ended = next((one for rule in rules for one in rejected if one.rule == rule), rejected[0])
    newer = any(rule.of is Of.DRIVER for rule in rules)
    hint = "; --explain tells whether a newer driver changes this" if newer else ""
    return StackWarning(code="keras-fallback", text=f"{runs} ({', '.join(rules)}): {told(ended)}{hint}")


def _on_image(facts: Facts) -> Stack | None:
    """Return the TensorFlow that the hosts get with its runtime from a base image: some wheels have it nowhere else."""
    if facts.wishes.base or facts.driver is None:
        return None
    host = Host(gpus=facts.gpus, drivers=(facts.driver,), wsl=facts.wsl, architecture=facts.architecture)
    for image in runtime_images(facts.catalogue, facts.vendor, None):
        found = _find(facts.catalogue, host, facts.wishes.having(base=image, backend="tensorflow"), facts.vendor)
        if isinstance(found, Stack):
            return found
    return None


def _failure(facts: Facts, host: Host, refused: list[Attempt]) -> Failure:
    """Return the failure that tells the most: the newest candidate that the request itself does not exclude."""
    asked = facts.wishes.backend or "tensorflow"
    own = [one.rejection for one in refused if one.build.backend == asked]
    what = "this host"
    if facts.driver and asked == "tensorflow":
        what = f"{KNOWLEDGE[facts.vendor].driver_name(facts.driver)} with {names(facts.gpus)}"
    elif facts.gpus:
        what = f"this host with {names(host.gpus)}"
    chosen = telling(own) or next(iter(own), None)
    return Failure(
        "KGE-212",
        f"No stack of the catalogue satisfies {what}{' and what was asked for' if any(facts.wishes) else ''}.",
        cause=told(chosen) if chosen else f"the catalogue has no build of {TITLES[asked]} for it",
        rejected=tuple(one.rejection for one in refused),
        builds=tuple(one.build for one in refused),
        facts=facts,
    )

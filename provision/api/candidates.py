"""The search for the newest stack that goes with what is added: uv answers, the resolver stays pure."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

import provision.catalogue as facts
from provision import model
from provision.api.local_code import as_folders
from provision.errors import NoStackError
from provision.model.wanted import Wanted

if TYPE_CHECKING:
    from provision.lock import Question, Uv, Wheel

_AMD_GLIBC: Final = "2.28"  # AMD's wheels are for manylinux_2_28; its own images have no row with their C library
_MOST: Final = 60  # questions about stacks; each takes seconds
_SECONDS: Final = 180.0  # for all of them


class Choice(NamedTuple):
    """A stack that goes with what is added."""

    stack: model.Stack
    wheels: "tuple[Wheel, ...] | None" = None  # all that is installed; None: no index was asked
    wanted: Wanted = Wanted()
    notes: tuple[str, ...] = ()
    tools: "tuple[Wheel, ...]" = ()  # what installs them


class Search:
    """The search for a stack that goes with what is added."""

    def __init__(
        self,
        catalogue: facts.Catalogue,
        host: model.Host,
        request: model.Request,
        wanted: Wanted,
        today: str | None,
    ) -> None:
        self._catalogue, self._host, self._request, self._wanted, self._today = catalogue, host, request, wanted, today
        self._refused: dict[tuple[tuple[str, ...], str], str] = {}  # by packages and Python, or any Python
        self._newest: dict[tuple[str, str], tuple[str, str]] = {}  # by backend and Python: a version, and why no newer
        self._majors: dict[str, str] = {}  # by GPU runtime: why the GPU libraries among the packages do not fit
        self.held: tuple[str, ...] = ()  # exact requirements that stay where everything can
        self._fix = ""  # what to ask for instead of these
        self._freely: dict[tuple[str, str], dict[str, str]] = {}  # by backend and Python: without a stack

    def by_names(self) -> model.Stack:
        """Return the newest stack that nothing refuses, as far as it was asked."""
        from provision.resolve import resolve  # noqa: PLC0415 - 5 ms

        return resolve(self._catalogue, self._host, self._request, today=self._today, refusal=self._refusal)

    def asking(self, uv: "Uv", log: Callable[[str], None]) -> Choice:
        """Return the newest stack for which uv finds all that is needed."""
        from provision.lock import ConflictError, conflict_in_short  # noqa: PLC0415 - as above
        from provision.resolve.added import about_gpu  # noqa: PLC0415 - 25 ms

        end, reasons = time.monotonic() + _SECONDS, list[str]()
        for _ in range(_MOST):
            stack = self._newest_left(uv)
            try:
                return self.complete(stack, uv)
            except ConflictError as error:
                if self._wanted == Wanted():
                    raise  # the stack's own packages: nothing that was asked for is to blame
                reasons.append(conflict_in_short(error.cause))
                python = "" if about_gpu(self._catalogue, reasons[-1]) else stack.python
                self._refused[stack.packages, python] = reasons[-1]
            if len(reasons) == 1:
                log(f"{stack.summary} does not go with the packages: {reasons[0]}; asking for others")
            if not self._newest and not self._majors:
                self._bound(reasons[0], uv)
            if time.monotonic() > end:
                break
        raise NoStackError(
            "KGE-215",
            "No stack that goes with the packages that were asked for was found in time.",
            cause="; ".join(list(dict.fromkeys(reasons))[:3]),
            fix="loosen what is named there, or name the version: --tensorflow 2.19",
        )

    def complete(self, stack: model.Stack, uv: "Uv") -> Choice:
        """Return all that a stack installs, or raise ConflictError where it does not go with what is added."""
        return self._complete(stack, uv)._replace(tools=self._tools(stack, uv))

    def _newest_left(self, uv: "Uv") -> model.Stack:
        """Return the newest stack that nothing refuses so far, or tell the nearest one beside what was asked for."""
        try:
            return self.by_names()
        except NoStackError as error:
            if error.code != "KGE-215":
                raise
            if self._fix:
                error.fix = self._fix
            free = replace(self._request, tensorflow=None, python=None, base=None, cuda=None, rocm=None)
            if free != self._request:
                other = Search(self._catalogue, self._host, free, self._wanted, self._today)
                with contextlib.suppress(NoStackError):
                    nearest = other.asking(uv, lambda _: None).stack.summary
                    error.fix = f"loosen what is named there, or take what goes with it: {nearest}"
            raise

    def _refusal(self, stack: model.Stack) -> str | None:
        from provision.resolve.packages import conflict  # noqa: PLC0415 - 25 ms

        told = self._refused.get((stack.packages, stack.python)) or self._refused.get((stack.packages, ""))
        told = told or self._majors.get(_major(stack))
        if told:
            return told
        newest, why = self._newest.get((stack.backend, stack.python), ("", ""))
        if newest and model.version_key(stack.framework.version) > model.version_key(newest):
            return why
        return conflict(self._catalogue, stack, self._wanted)

    def _bound(self, why: str, uv: "Uv") -> None:
        """Ask for the newest framework that the packages allow on each Python: nobody need ask about newer ones."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 4 ms

        from provision.resolve import feasible  # noqa: PLC0415 - as above

        first: dict[tuple[str, str], model.Stack] = {}
        for stack in feasible(self._catalogue, self._host, self._request):
            first.setdefault((stack.backend, stack.python), stack)
        with ThreadPoolExecutor(max_workers=4) as pool:
            answers = pool.map(lambda stack: self._newest_for(stack, uv), first.values())
            self._newest = {
                key: (version, other or why) for key, (version, other) in zip(first, answers, strict=True) if version
            }

    def _newest_for(self, stack: model.Stack, uv: "Uv") -> tuple[str, str]:
        """Return the newest framework for a Python; "0" and the reason where there is none."""
        from provision.lock import ConflictError, conflict_in_short  # noqa: PLC0415 - as above
        from provision.resolve.packages import group_of  # noqa: PLC0415 - as above

        row = group_of(self._catalogue, stack.backend)
        try:
            return self._free(stack, uv).get(row.names[0] if row else stack.backend, ""), ""
        except ConflictError as error:
            return "0", conflict_in_short(error.cause)

    def _free(self, stack: model.Stack, uv: "Uv") -> dict[str, str]:
        """Return what the packages would be, by name and version, if nothing but the Python were given.

        Raises:
            ConflictError: no framework goes with them.
        """
        from provision.lock import ask, of_framework, parse  # noqa: PLC0415 - as above

        key = (stack.backend, stack.python)
        if key not in self._freely:
            with as_folders(self._wanted.local) as code:
                question = of_framework(self._catalogue, stack, self._platform(stack), self._wanted, code)
                self._freely[key] = {one.name: one.version for one in parse(ask(question, uv))}
        return self._freely[key]

    def _check_libraries(self, stack: model.Stack, uv: "Uv") -> None:
        """Raise ConflictError where the GPU libraries that the packages bring along are not those of the stack."""
        from provision.lock import ConflictError  # noqa: PLC0415 - as above
        from provision.resolve.added import misfit  # noqa: PLC0415 - as above

        if self._wanted == Wanted() or not stack.packages or stack.vendor is model.Vendor.CPU:
            return
        free = self._free(stack, uv)
        if found := misfit(self._catalogue, stack, free.items()):
            self._misfits(stack, *found)
        if why := self._refusal(stack):
            raise ConflictError("KGE-622", "The packages do not go with the stack.", cause=why)

    def _misfits(self, stack: model.Stack, why: str, fix: str) -> None:
        """Keep why no stack with this GPU runtime goes; the first one's next step is told."""
        if not self._refused and not self._majors:
            self._fix = fix
        self._majors[_major(stack)] = why

    def _check_answer(self, stack: model.Stack, kept: "Sequence[Wheel]") -> None:
        """Raise ConflictError where what was found for a stack brings GPU libraries that are not its own."""
        from provision.lock import ConflictError  # noqa: PLC0415 - as above
        from provision.resolve.added import misfit  # noqa: PLC0415 - as above

        what = "The packages do not go with the stack."
        added = ((one.name, one.version) for one in kept if one.use == "added")
        if found := misfit(self._catalogue, stack, added):
            self._misfits(stack, *found)
            raise ConflictError("KGE-622", what, cause=found[0])

    def _complete(self, stack: model.Stack, uv: "Uv") -> Choice:
        """Return the choice of a stack, or raise ConflictError."""
        from provision.lock import heeded, of_stack  # noqa: PLC0415 - as above

        self._check_libraries(stack, uv)
        platform = self._platform(stack)
        free = self._free(stack, uv) if self._wanted != Wanted() and stack.packages else {}
        # What was asked for does not go back to a release from before it named its framework or GPU libraries:
        # tf_keras 2.15.0 names no TensorFlow, and does not start with 2.21.
        newest = tuple(
            f"{name}=={free[name]}" for name in sorted(self._asked()) if name in free and name != stack.backend
        )
        with as_folders(self._wanted.local) as code:
            question = of_stack(self._catalogue, stack, platform, self._wanted, code)
            compiled = self._compiled(question, newest, uv) if question.requirements else ()
            found = heeded(compiled, self._wanted.entries)
        added = self._added(stack, platform, found, uv)
        kept, notes = self._single(
            stack, tuple(replace(one, use="added") if one.name in added else one for one in found)
        )
        if stack.framework_in_base:
            asked = self._asked()
            kept = tuple(replace(one, use="added") for one in kept if one.use == "added" or one.name in asked)
        self._check_answer(stack, kept)
        return Choice(stack, kept, self._wanted, notes)

    def _compiled(self, question: "Question", newest: Sequence[str], uv: "Uv") -> "tuple[Wheel, ...]":
        """Return all that is needed: what is held stays where it can, all else of what was asked for is the newest."""
        from provision.lock import ConflictError, compile_wheels  # noqa: PLC0415 - as above

        if self.held:
            names = {one.partition("==")[0] for one in self.held}
            free = [one for one in newest if one.partition("==")[0] not in names]
            with contextlib.suppress(ConflictError):
                return compile_wheels(question._replace(constraints=(*question.constraints, *free, *self.held)), uv)
        return compile_wheels(question._replace(constraints=(*question.constraints, *newest)), uv)

    def _added(self, stack: model.Stack, platform: str, found: "Sequence[Wheel]", uv: "Uv") -> set[str]:
        """Return the names of what the framework does not need itself."""
        from provision.lock import ConflictError, compile_wheels, of_stack  # noqa: PLC0415 - as above

        if self._wanted == Wanted():
            return set()
        question = of_stack(self._catalogue, stack, platform)
        if stack.framework_in_base:
            version = stack.framework.version.partition("+")[0]
            question = question._replace(requirements=(f"{stack.framework.name}=={version}",))
        pins = tuple(f"{one.name}=={one.version}" for one in found if one.origin == "index")
        try:
            own = compile_wheels(question._replace(constraints=pins), uv)
        except ConflictError:
            return set()
        return {one.name for one in found} - {one.name for one in own}

    def _single(self, stack: model.Stack, found: "tuple[Wheel, ...]") -> "tuple[tuple[Wheel, ...], tuple[str, ...]]":
        """Return the distributions without those that another one stands for, and a word about each of both."""
        from provision.lock import is_source  # noqa: PLC0415 - as above
        from provision.resolve.packages import doubles, parsed  # noqa: PLC0415 - as above

        own = [one.name for one in map(parsed, stack.packages) if one]
        gone = dict(doubles(self._catalogue, (one.name for one in found), (*own, *sorted(self._asked()))))
        kept = tuple(one for one in found if one.name not in gone)
        notes = [f"{kept_one} stands for {name}" for name, kept_one in gone.items() if kept_one not in own]
        notes += [
            f"{one.name} {one.version} is built in the image: there is no wheel" for one in kept if is_source(one)
        ]
        return kept, tuple(notes)

    def _tools(self, stack: model.Stack, uv: "Uv") -> "tuple[Wheel, ...]":
        """Return what installs a stack of wheels during its build: the uv of the catalogue."""
        from provision.lock import compile_wheels, of_tools  # noqa: PLC0415 - as above

        versions = {tool.id: tool.version for tool in self._catalogue.images.tools}
        return compile_wheels(of_tools(stack, versions, self._platform(stack)), uv)

    def _asked(self) -> set[str]:
        from provision.lock import name_of  # noqa: PLC0415 - as above

        return {name for one in self._wanted.entries if (name := name_of(one))}

    def _platform(self, stack: model.Stack) -> str:
        return platform(self._catalogue, stack, self._host.architecture)


def _major(stack: model.Stack) -> str:
    """Return the GPU runtime of a stack as packages name it: "cuda 12"; of all for the CPU the same."""
    version = "" if stack.vendor is model.Vendor.CPU else stack.runtime.version.partition(".")[0]
    return f"{stack.vendor} {version}".strip()


def platform(catalogue: facts.Catalogue, stack: model.Stack, machine: str) -> str:
    """Return uv's name of the platform of a stack's base image."""
    from provision.lock import platform_of  # noqa: PLC0415 - as above

    bases, cuda_bases = catalogue.images.bases, catalogue.images.cuda_bases
    glibc = {row.image: row.glibc for row in bases} | {row.image: row.glibc for row in cuda_bases}
    return platform_of(machine, glibc.get(stack.base.image, _AMD_GLIBC))

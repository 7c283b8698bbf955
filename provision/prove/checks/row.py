"""What a row of the table of checks must tell. No field has a default: a row that lacks one fails at import."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from string import Formatter
from typing import Final, NamedTuple

from provision.model import LEVELS, Level, Vendor, Verdict
from provision.prove.checks.case import Case, Judged
from provision.prove.expectation import Expectation

# What a headline may name in braces; `reason.words` has the values.
WORDS: Final = frozenset({"subject", "framework", "inside", "maker", "on_cpu", "report", "detail"})


class Code(NamedTuple):
    """A stable code, and what `kgpu-env doctor CODE` says of it."""

    id: str
    meaning: str


class Failure(NamedTuple):
    """What is said when a check failed and nothing more basic explains it."""

    code: Code
    headline: str  # a template of `WORDS`
    fix: str | Callable[[Case], str]

    def fix_of(self, case: Case) -> str:
        """Return the fix, which may depend on the case."""
        return self.fix if isinstance(self.fix, str) else self.fix(case)


class Asked(NamedTuple):
    """When a check is asked, and what is said where it is not."""

    only_gpus: bool
    levels: tuple[Level, ...]
    otherwise: str

    def of(self, expectation: Expectation) -> bool:
        """Tell whether it is asked of this proof."""
        return expectation.level in self.levels and not (self.only_gpus and expectation.vendor is Vendor.CPU)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check. A dataclass, so that mypy and the import both see what a row lacks."""

    name: str
    question: str  # for people: on the page
    looks_at: str  # for people: in docs/proof.md
    judged: Judged | None  # None: a further run decides, see `control`
    unrecorded: Judged  # what is said when the framework recorded nothing
    asked: Asked
    verdicts: frozenset[Verdict]  # those that rest on its passing; a check that fails ends every proof
    failure: Failure | None  # None: it may warn, and never fails
    told: bool  # the summary tells it when it passed, too

    def __new__(cls, **given: object) -> "Row":  # noqa: PYI034 - a row has no subclass
        """Name the row that is incomplete.

        Raises:
            TypeError: a field is missing.
        """
        if lacking := [field.name for field in fields(cls) if field.name not in given]:
            raise TypeError(f"the check {given.get('name') or 'without a name'} lacks: {', '.join(lacking)}")
        return object.__new__(cls)

    def __post_init__(self) -> None:
        """Hold what a type cannot.

        Raises:
            ValueError: a text is empty, a headline names an unknown word, or a proof rests on what is not always asked.
        """
        texts = {"name": self.name, "question": self.question, "looks_at": self.looks_at}
        if self.failure:
            texts |= {"code": self.failure.code.id, "meaning": self.failure.code.meaning}
            texts |= {"headline": self.failure.headline, "fix": self.failure.fix and "given"}
        faults = [f"no {name}" for name, text in texts.items() if not text]
        if self.failure:
            named = {name for _, name, _, _ in Formatter().parse(self.failure.headline) if name is not None}
            faults += [f"{{{name}}} in its headline is no word" for name in sorted(named - WORDS)]
        some_levels = set(self.asked.levels) != set(LEVELS)
        if (self.asked.only_gpus or some_levels) and not self.asked.otherwise:
            faults.append("no word for where it is not asked")
        if self.verdicts and self.failure is None:
            faults.append("a verdict rests on it, and it has no code for when it fails")
        if (self.verdicts and some_levels) or (Verdict.CPU in self.verdicts and self.asked.only_gpus):
            faults.append("a verdict rests on it, and it is not always asked")
        if faults:
            raise ValueError(f"the check {self.name or 'without a name'}: {'; '.join(faults)}")

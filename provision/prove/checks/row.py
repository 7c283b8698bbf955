"""What a row of the table of checks must tell. No field has a default: a row that lacks one fails at import."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from string import Formatter
from typing import Final, NamedTuple

from provision.model import LEVELS, Level, Vendor, Verdict
from provision.prove.checks.case import Case, CheckFunction
from provision.prove.expectation import Expectation

# What a headline may name in braces; `reason.Findings.words` has the values.
WORDS: Final = frozenset({"subject", "framework", "inside", "maker", "on_cpu", "report", "detail"})
NO_VERDICT: Final = frozenset[Verdict]()
GPU: Final = frozenset({Verdict.PROVED})
BOTH: Final = frozenset({Verdict.PROVED, Verdict.CPU})
# Words that several rows share, or a row and another module.
READ_LOG: Final = "Read the last lines of the log below; kgpu-env doctor checks the host."
DISTRUST: Final = "Do not trust its results: it says GPU where there is none. Report it with --report."
UPGRADE: Final = "Upgrade driver and firmware, or take another stack: kgpu-env resolve --explain."
PASSED_WITHOUT_GPU: Final = "the control run without the GPU passed as well: this proof shows nothing"


class Code(NamedTuple):
    """A stable code, and what `kgpu-env doctor CODE` says of it."""

    id: str
    meaning: str


# Codes of causes that are no check, and those that several causes share.
NO_GPU: Final = Code(
    "KGE-501", "Not proved: the host has no usable GPU of that vendor, so the model trained on the CPU."
)
NO_REPORT: Final = Code(
    "KGE-503", "Not proved: the workload was killed, timed out, ran out of memory, or did not report."
)
NO_PYTHON: Final = Code("KGE-504", "Not proved: the image has no Python.")
NO_FRAMEWORK: Final = Code("KGE-505", "Not proved: the image has no framework to train with.")
NOT_VISIBLE: Final = Code("KGE-507", "Not proved: the GPU is not visible or not usable where the workload ran.")
ELSEWHERE: Final = Code("KGE-508", "Not proved: part of the training ran elsewhere than on the GPU asked for.")
CONTROL_PASSED: Final = Code(
    "KGE-584", "Invalid: the control run without the GPU passed too, so that the proof says nothing."
)
NOT_CONTROLLED: Final = Code("KGE-585", "Not proved: the control run without the GPU did not report.")
OTHER_CODES: Final = (NO_PYTHON, NO_FRAMEWORK, NOT_CONTROLLED)  # of causes that have no row


class Scope(NamedTuple):
    """When a check is asked, and what is said where it is not."""

    only_gpus: bool
    levels: tuple[Level, ...]
    otherwise: str

    def includes(self, expectation: Expectation) -> bool:
        """Tell whether it is asked of this proof."""
        return expectation.level in self.levels and not (self.only_gpus and expectation.vendor is Vendor.CPU)


ALWAYS: Final = Scope(only_gpus=False, levels=LEVELS, otherwise="")
ON_GPUS: Final = Scope(only_gpus=True, levels=LEVELS, otherwise="no GPU was asked for")
ON_GPUS_WITH_TIME: Final = Scope(
    only_gpus=True, levels=("standard", "soak"), otherwise="tried on GPUs at the levels standard and soak"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check. A dataclass, so that mypy and the import both see what a row lacks."""

    name: str
    question: str  # for people: on the page
    description: str  # for people: in docs/proof.md
    function: CheckFunction | None  # None: a further run decides, see `control`
    without_record: CheckFunction  # what is said when the framework recorded nothing
    scope: Scope
    required_for: frozenset[Verdict]  # those that rest on its passing; a check that fails ends every proof
    code: Code | None  # of its failure; None: it may warn, and never fails
    headline: str  # what is said when it failed and nothing more basic explains that; a template of `WORDS`
    fix: str | Callable[[Case], str]
    in_summary: bool  # the summary tells it when it passed, too

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
        texts = {"name": self.name, "question": self.question, "description": self.description}
        if self.code:
            texts |= {"meaning": self.code.meaning, "headline": self.headline, "fix": self.fix and "given"}
        faults = [f"no {name}" for name, text in texts.items() if not text]
        named = {name for _, name, _, _ in Formatter().parse(self.headline) if name is not None}
        faults += [f"{{{name}}} in its headline is no word" for name in sorted(named - WORDS)]
        some_levels = set(self.scope.levels) != set(LEVELS)
        if (self.scope.only_gpus or some_levels) and not self.scope.otherwise:
            faults.append("no word for where it is not asked")
        if self.required_for and self.code is None:
            faults.append("a verdict rests on it, and it has no code for when it fails")
        if (self.required_for and some_levels) or (Verdict.CPU in self.required_for and self.scope.only_gpus):
            faults.append("a verdict rests on it, and it is not always asked")
        if faults:
            raise ValueError(f"the check {self.name or 'without a name'}: {'; '.join(faults)}")

    def fix_of(self, case: Case) -> str:
        """Return the fix of its failure, which may depend on the case."""
        return self.fix if isinstance(self.fix, str) else self.fix(case)


def table_of(*rows: Row) -> tuple[Row, ...]:
    """Return the rows as a table.

    Raises:
        ValueError: two checks have one name, or two codes one number.
    """
    meanings: dict[str, Code] = {}
    names: set[str] = set()
    for row in rows:
        if row.name in names:
            raise ValueError(f"the check {row.name} is in the table twice")
        if row.code and meanings.setdefault(row.code.id, row.code) != row.code:
            raise ValueError(f"the check {row.name}: {row.code.id} has another meaning already")
        names.add(row.name)
    return rows

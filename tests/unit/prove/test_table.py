"""The table of checks: a check is one row and its function, and a row that is incomplete fails where it is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trees import script

from provision.catalogue import load
from provision.doctor import explain
from provision.engine.protocol import Ran
from provision.model import GPU_VENDORS, Proof, Status, Vendor, Verdict
from provision.model.complete import complete
from provision.prove import Evidence, Expectation, Problem
from provision.prove.checks import table
from provision.prove.checks.case import Case, Outcome, nothing
from provision.prove.checks.row import ALWAYS, ELSEWHERE, GPU, ON_GPUS, WORDS, Code, Row, Scope, table_of
from provision.prove.host_monitor import MONITORS
from provision.prove.judge import judge
from provision.prove.reason import Findings
from provision.prove.report.page import page
from provision.prove.report.summary import summary
from provision.prove.workload import container

ROOT = Path(__file__).parents[3]
SOURCE = Path(table.__file__)


def moon(status: Status) -> Callable[[Case], Outcome]:
    return lambda case: (status, f"the moon of {case.expectation.requested}")


def made_up(status: Status = Status.PASS) -> Row:
    """A check that nobody needs."""
    return Row(
        name="moon",
        question="Is the moon full?",
        description="the moon",
        function=moon(status),
        without_record=nothing,
        scope=ON_GPUS,
        required_for=GPU,
        code=Code("KGE-598", "Not proved: the moon was not full."),
        headline="the moon over {subject} is not full",
        fix="Wait for two weeks.",
        in_summary=True,
    )


def with_row(monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    monkeypatch.setattr(table, "CHECKS", table_of(*table.CHECKS, row))


def of(proof: Proof, name: str) -> tuple[Status, str]:
    return next((check.status, check.detail) for check in proof.checks if check.name == name)


def test_one_row_is_a_whole_check(
    monkeypatch: pytest.MonkeyPatch, cuda: Expectation, done: Ran, gpu_evidence: Evidence, cpu_evidence: Evidence
) -> None:
    assert explain("KGE-598", load()) == ""
    monkeypatch.syspath_prepend(ROOT / "tests")  # regenerate.py imports what lies beside it
    with_row(monkeypatch, made_up())
    proof = judge(cuda, done, gpu_evidence)
    assert proof.verdict is Verdict.PROVED
    assert of(proof, "moon") == (Status.PASS, "the moon of cuda GPU 0")
    assert "      moon      the moon of cuda GPU 0" in summary(proof)
    assert 'moon<span class="asks">Is the moon full?</span>' in page(proof)
    told = explain("KGE-598", load()).splitlines()
    assert told[:2] == ["KGE-598", "  cause     Not proved: the moon was not full."]
    assert [line.split()[0] for line in told[2:]] == ["looks", "fix", "source"]
    assert "| moon | the moon | yes |" in script(ROOT / "tests" / "regenerate.py").checks_table()
    on_cpu = judge(Expectation(vendor=Vendor.CPU, indices=(0,)), done, cpu_evidence)
    assert (on_cpu.verdict, of(on_cpu, "moon")) == (Verdict.CPU, (Status.SKIP, "no GPU was asked for"))


@pytest.mark.parametrize("status", [Status.FAIL, Status.UNKNOWN, Status.SKIP, Status.WARN])
def test_a_verdict_that_rests_on_it_needs_it(
    status: Status, monkeypatch: pytest.MonkeyPatch, cuda: Expectation, done: Ran, gpu_evidence: Evidence
) -> None:
    with_row(monkeypatch, made_up(status))
    proof = judge(cuda, done, gpu_evidence)
    assert proof.verdict is Verdict.NOT_PROVED
    reasons = {
        Status.FAIL: ("KGE-598", "the moon over the image is not full", "Wait for two weeks."),
        Status.UNKNOWN: ("KGE-598", "moon could not be judged", proof.fix),
    }
    told = (proof.code, proof.reason, proof.fix)
    assert told == reasons.get(status, (ELSEWHERE.id, "a required check did not pass", proof.fix))
    assert "the moon of cuda GPU 0" in proof.seen


def test_without_a_record_it_is_not_asked(monkeypatch: pytest.MonkeyPatch, cuda: Expectation, done: Ran) -> None:
    with_row(monkeypatch, made_up())
    proof = judge(cuda, done, Problem(what="no result line"))
    assert of(proof, "moon") == (Status.UNKNOWN, "nothing was recorded")


def test_a_check_of_a_level_is_skipped_at_the_others(
    monkeypatch: pytest.MonkeyPatch, cuda: Expectation, done: Ran, gpu_evidence: Evidence
) -> None:
    given = {**vars(made_up(Status.FAIL)), "required_for": frozenset(), "scope": Scope(False, ("soak",), "at night")}  # noqa: FBT003 - on the CPU, too
    with_row(monkeypatch, Row(**given))
    assert of(judge(cuda, done, gpu_evidence), "moon") == (Status.SKIP, "at night")
    soak = msgspec.structs.replace(cuda, level="soak")
    assert of(judge(soak, done, gpu_evidence), "moon")[0] is Status.FAIL


@pytest.mark.parametrize("field", Row.__dataclass_fields__)
def test_a_row_that_lacks_a_field_fails_by_its_name(field: str) -> None:
    given = {name: value for name, value in vars(made_up()).items() if name != field}
    with pytest.raises(TypeError, match=f"the check {'without a name' if field == 'name' else 'moon'} lacks: {field}$"):
        Row(**given)


def test_the_table_itself_fails_at_import() -> None:
    text = SOURCE.read_text()
    line = '        question="Did the model learn?",\n'
    assert text.count(line) == 1
    with pytest.raises(TypeError, match="the check training lacks: question"):
        exec(compile(text.replace(line, ""), str(SOURCE), "exec"), {})


WRONG: dict[str, dict[str, Any]] = {
    "no question": {"question": ""},
    "no description": {"description": ""},
    "no meaning": {"code": Code("KGE-598", "")},
    "no headline": {"headline": ""},
    "no fix": {"fix": ""},
    "{moon} in its headline is no word": {"headline": "the {moon}"},
    "a verdict rests on it, and it has no code": {"code": None},
    "no word for where it is not asked": {"scope": Scope(True, ("quick",), "")},  # noqa: FBT003 - on GPUs only
    "and it is not always asked": {"scope": Scope(False, ("soak",), "at night")},  # noqa: FBT003 - on the CPU, too
    "it is not always asked": {"required_for": frozenset({Verdict.CPU})},
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_row_that_is_wrong_fails_by_its_name(fault: str) -> None:
    with pytest.raises(ValueError, match=rf"the check moon: .*{fault}"):
        Row(**{**vars(made_up()), **WRONG[fault]})


def test_no_two_rows_share_a_name_or_disagree_about_a_code() -> None:
    with pytest.raises(ValueError, match="the check moon is in the table twice"):
        table_of(made_up(), made_up())
    other = Row(**{**vars(made_up()), "name": "sun", "code": Code("KGE-598", "another")})
    with pytest.raises(ValueError, match="the check sun: KGE-598 has another meaning"):
        table_of(made_up(), other)


def test_a_headline_may_name_what_the_reason_knows(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> None:
    found = Findings(Case(expectation=cuda, ran=done, found=gpu_evidence), {}, None)
    assert found.words().keys() == WORDS


def test_where_nothing_was_recorded_there_is_no_evidence(cuda: Expectation, done: Ran) -> None:
    case = Case(expectation=cuda, ran=done, found=Problem(what="no result line"))
    assert not case.recorded
    with pytest.raises(LookupError, match="no result line"):
        _ = case.evidence


def test_a_word_is_owed_only_where_a_check_is_not_asked() -> None:
    assert ALWAYS.otherwise == ""
    assert all(row.scope.otherwise for row in table.rows() if row.scope is not ALWAYS)


@pytest.mark.parametrize("vendor", GPU_VENDORS)
def test_each_maker_is_known_everywhere(vendor: Vendor) -> None:
    assert set(vendor.row.operations) == {name for row in GPU_VENDORS.values() for name in row.operations}
    assert vendor not in MONITORS or MONITORS[vendor].name
    assert all(name.startswith(vendor.row.library) for name in container.LIBRARIES[vendor])
    assert set(vendor.row.hiding) | set(vendor.row.withheld) <= set(container.VARIABLES)


def test_a_maker_that_is_forgotten_is_named() -> None:
    assert container.LIBRARIES.keys() == {vendor.value for vendor in GPU_VENDORS}
    with pytest.raises(LookupError, match="who is asked: no entry for rocm"):
        complete("who is asked", {Vendor.CUDA: 1}, GPU_VENDORS)

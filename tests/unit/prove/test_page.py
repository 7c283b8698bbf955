"""The report page: the verdict first, nothing more than the proof says, and no text of a container taken for markup.

The GPU proofs are judged from this folder's evidence of an H100.
"""

import re
from html.parser import HTMLParser
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provision import __version__
from provision.engine.protocol import Ran
from provision.model import (
    Base,
    Check,
    Framework,
    Proof,
    ProvedDevice,
    Route,
    Stack,
    StackWarning,
    Status,
    Training,
    Vendor,
    Verdict,
)
from provision.model.proof import LibraryRow
from provision.prove import Evidence, Expectation
from provision.prove.checks import table
from provision.prove.judge import judge
from provision.prove.report.page import BRIEF, LIMIT, page

VOID = {"meta", "link", "br"}
WORDS = {
    Verdict.PROVED: "PROVED",
    Verdict.CPU: "TRAINED ON CPU",
    Verdict.NOT_PROVED: "NOT PROVED",
    Verdict.INVALID: "INVALID",
}
HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}{% raw %}"
ELEMENTS = re.compile(
    "html|head|meta|link|title|style|body|main|header|section|footer|h[123]|p|dl|div|dt|dd|br|span|strong|code|pre|"
    "table|thead|tbody|tr|th|td|ul|ol|li|details|summary|figure|figcaption|svg|desc|g|line|text|polyline|circle|rect"
)
ATTRIBUTES = re.compile(
    "lang|charset|http-equiv|content|name|rel|href|class|id|aria-(label|labelledby|hidden)|scope|open|tabindex|role|"
    "viewbox|[xy][12]?|c[xy]|r|width|height|points|text-anchor"
)


class Seen(NamedTuple):
    """What a browser makes of a page."""

    tags: list[tuple[str, dict[str, str | None]]]
    texts: list[tuple[str, str]]  # the innermost element and its text
    unclosed: list[str]

    def of(self, tag: str) -> list[str]:
        return [text for inside, text in self.texts if inside == tag]

    @property
    def text(self) -> str:
        return "\n".join(text for inside, text in self.texts if inside != "style")


class Reader(HTMLParser):
    """Reads a page strictly: an element that is closed out of order is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen = Seen([], [], self.open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.seen.texts.append((self.open[-1], data))


def read(text: str) -> Seen:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.seen.unclosed == []
    return reader.seen


def hostile(text: str) -> tuple[Proof, Stack]:
    """Return a proof and a stack with `text` in every field that takes any text."""
    device = ProvedDevice(name=text, description=text, architecture=text, pci=text, uuid=text, memory_bytes=1)
    proof = Proof(
        verdict=Verdict.NOT_PROVED,
        reason=text,
        code=text,
        fix=text,
        seen=text,
        backend=text,
        image=text,
        image_id=text,
        requested=text,
        devices=(device, device),
        checks=tuple(Check(name=text, status=status, detail=text) for status in Status),
        training=Training(losses=(2.0, 0.1)),
        reference=Training(losses=(2.0, 0.1)),
        libraries=(LibraryRow(name=text, device=text, state="works", detail=text, seconds=0.1),),
        versions={text: text},
        log=(text, text),
    )
    stack = Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name=text, version=text),
        runtime=Framework(name=text, version=text),
        python=text,
        base=Base(image=text, digest=text),
        packages=(text,),
        summary=text,
        why=text,
        warnings=(StackWarning(code=text, text=text),),
    )
    return proof, stack


@pytest.fixture
def proved(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> Proof:
    return msgspec.structs.replace(judge(cuda, done, gpu_evidence), image="some:image", seconds=17.42)


@pytest.fixture
def not_proved(cuda: Expectation, cpu_evidence: Evidence) -> Proof:
    return judge(cuda, Ran(exit_code=0, stdout="", stderr="first\n\nlast words\n", seconds=1.0), cpu_evidence)


@pytest.fixture
def on_cpu(done: Ran, cpu_evidence: Evidence) -> Proof:
    return judge(Expectation(vendor=Vendor.CPU, indices=(0,)), done, cpu_evidence)


@pytest.mark.parametrize("verdict", Verdict)
def test_the_verdict_is_the_first_text_and_the_title(proved: Proof, verdict: Verdict) -> None:
    seen = read(page(msgspec.structs.replace(proved, verdict=verdict)))
    assert seen.of("h1") == [WORDS[verdict]]
    assert seen.of("title")[0] == f"{WORDS[verdict]}: some:image"
    shown = [text for inside, text in seen.texts if inside not in {"title", "style"}]
    assert shown[0] == WORDS[verdict]
    if verdict is not Verdict.PROVED:
        assert not re.search(r"(?<!NOT )PROVED", seen.text)


def test_the_answer_comes_in_order(not_proved: Proof) -> None:
    proof = msgspec.structs.replace(not_proved, reason="the cause", seen="the witness", fix="the mend")
    text = read(page(proof)).text
    order = [
        *("NOT PROVED", "The cause.", f"of {len(proof.checks)} checks passed", "the witness", "Fix", "the mend"),
        *("What was seen", "Loss", "GPUs that were listed", "Versions", "last words", "Repeat it", __version__),
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_cpu_training_says_that_no_pass_through_was_proved(on_cpu: Proof) -> None:
    assert on_cpu.verdict is Verdict.CPU
    for proof in (on_cpu, msgspec.structs.replace(on_cpu, reason="")):
        seen = read(page(proof))
        assert "No pass-through was proved." in seen.of("p")
        assert seen.text.count("pass-through") == 1
        assert "None is recorded." in seen.of("p")
    assert "The model trained and learned on the CPU, as asked." in read(page(on_cpu)).of("p")


def test_a_loss_beside_a_failed_proof_is_no_evidence_for_the_gpu(not_proved: Proof, proved: Proof) -> None:
    note = "A falling loss does not tell where the model trained."
    assert not_proved.training.losses
    assert note in read(page(not_proved)).of("p")
    assert note not in read(page(proved)).of("p")


def test_every_check_has_its_row(not_proved: Proof) -> None:
    seen = read(page(not_proved))
    for check in not_proved.checks:
        assert check.name in seen.of("th")
        assert check.detail in seen.of("td")
    assert [text for text in seen.of("td") if text in set(Status)] == [check.status for check in not_proved.checks]
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in seen.tags if tag == "th")


def test_each_check_of_the_judge_has_its_question(proved: Proof) -> None:
    # The control is a run of its own, judged after the checks of the first.
    assert [*(check.name for check in proved.checks), "control"] == [row.name for row in table.rows()]
    asked = [text for inside, text in read(page(proved)).texts if inside == "span" and text.endswith("?")]
    assert asked == [row.question for row in table.rows() if row.function]


def test_an_empty_proof_claims_nothing() -> None:
    seen = read(page(Proof(verdict=Verdict.INVALID, reason="")))
    text = seen.text
    for words in ("No check is recorded", "No loss is recorded", "No line is recorded", "The proof names no image"):
        assert words in text
    assert not {"Fix", "Check"} & set(seen.of("dt"))
    assert "passed" not in text


def test_the_log_is_open_only_where_it_is_needed(not_proved: Proof, proved: Proof) -> None:
    def opened(proof: Proof) -> list[str]:
        return re.findall(r"<details( open)?>\n<summary>Last ", page(proof))

    assert opened(not_proved) == [" open"]
    assert opened(msgspec.structs.replace(proved, log=("a line",))) == [""]


def test_devices_versions_and_times_are_shown(proved: Proof) -> None:
    text = read(page(proved)).text
    facts = ("/device:GPU:0", "NVIDIA H100 80GB HBM3", "sm_90", "0000:00:06.0", "78,752 MiB", "60.0 s")
    for fact in (*facts, *proved.versions.values()):
        assert fact in text


def test_the_stack_is_shown_when_it_is_known(proved: Proof) -> None:
    stack = Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version="2.17.1"),
        runtime=Framework(name="cuda", version="12.3.2"),
        python="3.11",
        base=Base(image="debian:bookworm-slim", digest="sha256:aa"),
        packages=("tensorflow==2.17.1", "nvidia-cudnn-cu12==8.9.7.29"),
        summary="one line",
        why="not 2.21: a reason",
        warnings=(StackWarning(code="a-warning", text="its text"),),
    )
    text = read(page(proved, stack)).text
    for fact in ("one line", "not 2.21: a reason", "a-warning", "its text", *stack.packages):
        assert fact in text
    build = "kgpu-env build --vendor cuda --tensorflow 2.17.1 --python 3.11 --cuda 12.3.2 --tag some:image"
    assert build in text
    assert "debian:bookworm-slim@sha256:aa" in text
    assert "kgpu-env build" not in read(page(proved)).text


def test_the_commands_repeat_the_run_and_quote_the_image(proved: Proof) -> None:
    assert "kgpu-env verify some:image --vendor cuda" in read(page(proved)).of("code")
    odd = msgspec.structs.replace(proved, image="a; rm -rf b", requested="$(reboot) GPU")
    assert "kgpu-env verify 'a; rm -rf b'" in read(page(odd)).of("code")


@pytest.mark.parametrize("verdict", Verdict)
def test_no_text_becomes_markup(verdict: Verdict) -> None:
    proof, stack = hostile(HOSTILE)
    proof = msgspec.structs.replace(proof, verdict=verdict)
    text = page(proof, stack)
    seen = read(text)
    assert not [tag for tag, _ in seen.tags if not ELEMENTS.fullmatch(tag)]
    assert not [name for _, attributes in seen.tags for name in attributes if not ATTRIBUTES.fullmatch(name)]
    assert HOSTILE in seen.of("td")
    assert "49" not in seen.text


@given(st.text(alphabet=st.characters(), max_size=40))
@example("\x00\x1b[31m\x9b\r\n\u202e\u200b\ud800\u2028&lt;</style></title><!--]]>")
def test_any_text_leaves_the_page_whole(text: str) -> None:
    proof, stack = hostile(text)
    made = page(proof, stack)
    made.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]", made)
    seen = read(made)
    plain = read(page(*hostile("plain")))
    assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in plain.tags} | {"span"}
    assert seen.of("h1") == ["NOT PROVED"]


def test_long_texts_are_cut_and_say_so() -> None:
    proof, _ = hostile("x" * (LIMIT + 1234))
    seen = read(page(proof))
    assert f"{'x' * LIMIT} [1,234 more characters]" in seen.of("td")
    assert max(len(text) for text in seen.of("p")) <= BRIEF + 1
    assert "overflow-wrap: anywhere" in page(proof)


def test_the_same_proof_gives_the_same_page(proved: Proof) -> None:
    turned = msgspec.structs.replace(proved, versions=dict(reversed(proved.versions.items())))
    assert turned == proved
    assert page(proved) == page(turned)


def test_headings_regions_and_labels_are_complete(proved: Proof) -> None:
    seen = read(page(proved))
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    named = [(attributes.get("aria-labelledby") or "").split() for _, attributes in seen.tags]
    assert len(ids) == len(set(ids))
    assert {name for names in named for name in names} <= set(ids)
    assert all("aria-labelledby" in attributes for tag, attributes in seen.tags if tag in {"section", "svg"})
    assert [tag for tag, _ in seen.tags if tag in {"h1", "h2"}][:2] == ["h1", "h2"]

"""What the report page says beyond the first training: the control, the libraries, the level, the CPU beside the GPU.

The GPU proofs are judged from an H100's evidence (`conftest`).
"""

import re

import msgspec
import pytest

from provision.engine.protocol import Ran
from provision.model import Base, Check, Framework, Proof, Route, Stack, Status, Training, Vendor, Verdict
from provision.model.proof import LibraryRow
from provision.prove import Evidence, Expectation
from provision.prove.control import with_control, with_known_control
from provision.prove.judge import judge
from provision.prove.report.page import BRIEF, brief, page, tally

MET = "The same without the GPU failed, as it must."
BOLD = "\x1b[1mException encountered.\x1b[0m"


@pytest.fixture
def proved(cuda: Expectation, done: Ran, gpu_evidence: Evidence) -> Proof:
    return judge(cuda, done, gpu_evidence)


@pytest.fixture
def not_proved(cuda: Expectation, done: Ran, cpu_evidence: Evidence) -> Proof:
    return judge(cuda, done, cpu_evidence)


def head(proof: Proof) -> str:
    """Return what stands above the fold."""
    return page(proof).partition("<header")[2].partition("</header>")[0]


def body(proof: Proof, section: str) -> str:
    return page(proof).partition(f'<section aria-labelledby="{section}">')[2].partition("</section>")[0]


def detailed(detail: str) -> Proof:
    return Proof(
        verdict=Verdict.NOT_PROVED, reason=detail, checks=(Check(name="x", status=Status.FAIL, detail=detail),)
    )


def test_the_control_stands_beside_the_verdict(proved: Proof, not_proved: Proof) -> None:
    seen = head(with_control(proved, not_proved, "the image"))
    assert MET in seen
    assert "Without the GPU the image is not proved: " in seen
    assert "was not proved on 2026-11-20" in head(with_known_control(proved, "2026-11-20", "the image"))


def test_a_proof_without_a_control_says_so(proved: Proof, not_proved: Proof) -> None:
    assert "No control run without the GPU is recorded." in head(proved)
    assert MET not in head(proved)
    assert "ontrol" not in head(not_proved)


def test_a_control_that_did_not_fail_is_never_called_met(proved: Proof, not_proved: Proof) -> None:
    silent = msgspec.structs.replace(not_proved, checks=())
    for control, status, word in ((proved, "fail", "INVALID"), (silent, "unknown", "NOT PROVED")):
        seen = head(with_control(proved, control, "the image"))
        assert f'<h1 id="verdict">{word}</h1>' in seen
        assert f"The control, the same without the GPU: {status}." in seen
        assert MET not in seen


@pytest.mark.parametrize("level", ["quick", "standard", "soak"])
def test_level_and_backend_stand_beside_the_verdict(proved: Proof, level: str) -> None:
    assert f"level {level}, backend jax" in head(msgspec.structs.replace(proved, level=level, backend="jax"))


def test_each_library_has_its_row(proved: Proof) -> None:
    rows = (
        LibraryRow(name="matmul", device="/GPU:0", state="works", detail="same", seconds=0.00018),
        LibraryRow(name="conv2d", device="/GPU:1", state="wrong", detail="far off", seconds=0.25),
        LibraryRow(name="new one", device="/GPU:0", state="missing", detail="not there"),
        LibraryRow(name="fft", device="/GPU:0", state="slow", detail="late", seconds=2.5),
    )
    seen = body(msgspec.structs.replace(proved, libraries=rows), "libraries")
    found = re.findall(r'<tr><th scope="row">(.*?)</th><td class="(.*?)">(.*?)</td><td class="detail">(.*?)</td>', seen)
    assert [state for _, _, state, _ in found] == [row.state for row in rows]
    assert [classes for _, classes, _, _ in found] == [f"status {row.state}" for row in rows]
    assert [re.sub("<.*?>", " ", name).split() for name, *_ in found] == [
        ["matmul", "cuBLAS"],
        ["conv2d", "cuDNN"],
        ["new", "one"],
        ["fft", "cuFFT"],
    ]
    assert [re.sub("<.*?>", "", detail) for *_, detail in found] == [
        "same (/GPU:0, 0.18 ms)",
        "far off (/GPU:1, 0.25 s)",
        "not there (/GPU:0)",
        "late (/GPU:0, 2.50 s)",
    ]


def test_amd_has_its_own_library_names_and_a_cpu_none(proved: Proof) -> None:
    assert "rocBLAS" in body(msgspec.structs.replace(proved, requested="rocm GPU 0"), "libraries")
    on_cpu = body(msgspec.structs.replace(proved, requested="cpu"), "libraries")
    assert "matmul" in on_cpu
    assert "BLAS" not in on_cpu


def test_no_library_is_no_claim() -> None:
    assert "No library is recorded." in body(Proof(verdict=Verdict.INVALID, reason=""), "libraries")


def test_the_cpu_beside_the_gpu_is_named(proved: Proof) -> None:
    timed = msgspec.structs.replace(proved, reference=Training(losses=(3.0, 1.5), seconds=9.8))
    seen = body(timed, "loss")
    assert re.search(r"GPU: 2\.02 \S 0\.0503 \(6 epochs, \S+ s\)\.<", seen)
    assert "CPU reference: 3 \u2192 1.5 (2 epochs, 9.8 s)." in seen


def test_only_a_proof_calls_its_training_the_gpus(not_proved: Proof) -> None:
    assert not_proved.training.losses
    seen = body(msgspec.structs.replace(not_proved, reference=Training(losses=(3.0, 1.5))), "loss")
    assert f"Training in question: {not_proved.training.losses[0]:.3g} " in seen
    assert "GPU" not in seen


def test_the_cpu_alone_is_not_taken_for_the_training(not_proved: Proof) -> None:
    alone = msgspec.structs.replace(not_proved, training=Training(), reference=Training(losses=(3.0, 1.5)))
    seen = body(alone, "loss")
    assert "CPU reference: 3" in seen
    assert "raining in question" not in seen


def test_the_tally_names_what_did_not_pass() -> None:
    found = [Check(name=f"is-{status}", status=status, detail="") for status in Status]
    words = "1 of 5 checks passed; failed: is-fail; warned: is-warn; unknown: is-unknown; skipped: is-skip"
    assert tally(found) == words
    assert tally([]) == "no check is recorded"


def test_hidden_characters_are_shown() -> None:
    seen = body(detailed("a\x1b[2Jb\u202ec\ud800d\tend\x1b[1"), "checks")
    assert '<td class="detail">a\\x1b[2Jb\\u202ec\\ud800d\tend\\x1b[1</td>' in seen


def test_a_code_without_a_mend_leads_to_the_doctor() -> None:
    seen = head(Proof(verdict=Verdict.NOT_PROVED, reason="odd", code="KGE-508"))
    assert "<dt>Check</dt><dd><code>kgpu-env doctor KGE-508</code></dd>" in seen


def test_colours_of_a_terminal_are_removed() -> None:
    seen = body(detailed(f"a {BOLD} b \x1b[38;5;196mred\x1b[m"), "checks")
    assert '<td class="detail">a Exception encountered. b red</td>' in seen


def test_no_colour_is_cut_in_two_above_the_fold() -> None:
    assert "Exception encountered. x" in head(detailed(f"{BOLD} {'x' * BRIEF}"))
    assert not any("\x1b" in brief(f"{'x' * length}{BOLD}{'y' * BRIEF}") for length in range(BRIEF))


@pytest.mark.parametrize("rest", ["\x1b[", "\x1b[1", "\x1b[2J", "\x1b]0;title\x07", "\x9b1m", "\x1b[?25l", "\x1b[1 m"])
def test_what_is_no_complete_colour_stays_visible(rest: str) -> None:
    shown = rest.encode("unicode_escape").decode()
    assert f'<td class="detail">a{shown}b</td>' in body(detailed(f"a{rest}b"), "checks")


def test_blank_lines_collapse() -> None:
    seen = body(detailed("one\ntwo\n\n\nthree\r\n\r\n \t\n\n\nfour\n\nfive"), "checks")
    assert '<td class="detail">one\ntwo\n\nthree\n\nfour\n\nfive</td>' in seen


def test_a_proof_without_a_container_is_repeated_without_one(proved: Proof) -> None:
    here = msgspec.structs.replace(proved, image="this environment (/a b/python)", interpreter="/a b/python")
    assert "kgpu-env verify --here --python &#39;/a b/python&#39; --vendor cuda" in body(here, "repeat")


def test_the_stack_of_the_image_s_label_is_shown(proved: Proof) -> None:
    stack = Stack(
        vendor=Vendor.CUDA,
        route=Route.WHEELS,
        framework=Framework(name="tensorflow", version="2.21.0"),
        runtime=Framework(name="cuda", version="12.5.1"),
        python="3.11",
        base=Base(image="debian:bookworm-slim"),
    )
    labelled = msgspec.structs.replace(proved, image="x:1", stack=stack)
    seen = body(labelled, "stack")
    assert "TensorFlow 2.21.0, CUDA 12.5.1, Python 3.11" in seen
    assert "Packages" not in seen, "the label does not hold them"
    assert "kgpu-env build --vendor cuda --tensorflow 2.21.0 --python 3.11 --cuda 12.5.1 --tag x:1" in body(
        labelled, "repeat"
    )


def test_a_cpu_proof_has_no_empty_rooms_for_gpus(cpu_evidence: Evidence, done: Ran) -> None:
    bare = msgspec.structs.replace(cpu_evidence, libraries=())
    text = page(judge(Expectation(vendor=Vendor.CPU, indices=(0,)), done, bare))
    assert 'id="libraries"' not in text
    assert 'id="devices"' not in text

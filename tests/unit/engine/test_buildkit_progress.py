"""Progress, on messages recorded from Docker 20.10.24 (data/*.jsonl: whole answers of POST /build)."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from provision.engine import buildkit_progress
from provision.engine.build_steps import step_words
from provision.engine.buildkit_build import failure
from provision.engine.protocol import BuildStep

DATA = Path(__file__).parent / "data"


def messages(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def replay(name: str) -> tuple[buildkit_progress.Progress, list[BuildStep]]:
    progress = buildkit_progress.Progress()
    reports: list[BuildStep] = []
    for message in messages(name):
        if message.get("id") == "moby.buildkit.trace":
            reports += progress.update(buildkit_progress.decode(message["aux"]))
    return progress, reports


def states(reports: list[BuildStep], name: str) -> list[str]:
    return [report.state for report in reports if report.name == name]


def test_a_step_runs_and_ends() -> None:
    _, reports = replay("failed")
    assert states(reports, "[2/3] RUN echo hello")[0] in {"running", "cached"}
    assert states(reports, "[2/3] RUN echo hello")[-1] in {"done", "cached"}


def test_the_failed_step_keeps_its_output_and_time() -> None:
    progress, reports = replay("failed")
    failed = progress.failed
    assert failed is not None
    assert failed.vertex.name.startswith("[3/3] RUN printf")
    assert sorted(failed.lines()) == ["one", "three", "two"]
    assert 0 < failed.seconds < 60
    assert reports[-1].state == "failed"
    assert "exit code: 3" in reports[-1].error


def test_indexes_count_from_one_without_a_gap() -> None:
    _, reports = replay("failed")
    assert sorted({report.index for report in reports}) == list(range(1, max(report.index for report in reports) + 1))


def test_a_repeated_build_has_only_cached_steps() -> None:
    progress, _ = replay("cached")
    names = {step.vertex.name: step.state for step in progress.dockerfile_steps}
    assert names == {
        "[build 2/2] RUN echo built > /made": "cached",
        "[stage-1 2/2] COPY --from=build /made /made": "cached",
    }


def test_the_error_names_step_exit_code_and_log() -> None:
    progress, _ = replay("failed")
    error = failure(progress, messages("failed")[-1])
    assert error.code == "KGE-401"
    assert error.text.startswith("the build step [3/3] RUN printf")
    assert error.text.endswith("with exit code 3")
    assert sorted(error.log) == ["one", "three", "two"]


def vertex(name: str, error: str = "", digest: str = "d") -> buildkit_progress.Vertex:
    return buildkit_progress.Vertex(digest=digest, name=name, started=1.0, completed=2.5, error=error)


def failed(name: str, error: str, output: bytes = b"") -> tuple[buildkit_progress.Progress, str]:
    progress = buildkit_progress.Progress()
    list(progress.update(buildkit_progress.Status((vertex(name),), ())))
    list(progress.update(buildkit_progress.Status((vertex(name, error),), (("d", output),))))
    return progress, error


@pytest.mark.parametrize(
    ("name", "error", "output", "code"),
    [
        ("[internal] load metadata for docker.io/library/debian:none", "not found", b"", "KGE-402"),
        ("[build 1/4] FROM docker.io/library/debian:12@sha256:1", "unexpected EOF", b"", "KGE-402"),
        ("[2/4] RUN apt-get update", "exit code: 100", b"E: You have no space left on device\n", "KGE-403"),
        ("[2/4] COPY a b", "write /b: no space left on device", b"", "KGE-403"),
        ("[2/4] RUN uv pip install nonesuch", "exit code: 1", b"not found in the registry\n", "KGE-401"),
    ],
)
def test_failures_are_told_apart(name: str, error: str, output: bytes, code: str) -> None:
    progress, why = failed(name, error, output)
    assert failure(progress, {"errorDetail": {"message": why}}).code == code


def test_a_long_command_is_told_by_its_ends() -> None:
    pins = " ".join(f"'package{number}==1 --hash=sha256:{'0' * 64}'" for number in range(44))
    progress, why = failed(f"[2/4] RUN printf {pins} | sort", f"process {pins} failed: exit code: 1")
    error = failure(progress, {"errorDetail": {"message": why}})
    assert error.text.startswith("the build step [2/4] RUN printf 'package0==1")
    assert error.text.endswith("| sort failed with exit code 1")
    assert error.cause.endswith("failed: exit code: 1")
    assert max(len(error.text), len(error.cause)) < 320


def test_a_step_cancelled_by_anothers_failure_is_not_the_failed_one() -> None:
    progress = buildkit_progress.Progress()
    list(
        progress.update(
            buildkit_progress.Status(
                (vertex("[1/2] RUN a", "context canceled", "a"), vertex("[2/2] RUN b", "exit code: 1", "b")), ()
            )
        )
    )
    assert progress.failed is not None
    assert progress.failed.vertex.name == "[2/2] RUN b"


def test_the_tail_is_bounded_and_keeps_the_last_state_of_a_progress_bar() -> None:
    step = buildkit_progress.Step(1, vertex("[2/2] RUN x"))
    for number in range(1000):
        step.hear(f"{number}\r\n".encode())
    step.hear(b"10%\r50%\r100%\nend")
    assert len(step.tail) == buildkit_progress.KEPT_LINES
    assert step.lines()[-3:] == ("999", "100%", "end")


def test_a_letter_cut_between_two_messages_survives() -> None:
    step = buildkit_progress.Step(1, vertex("[2/2] RUN x"))
    whole = "größe\n".encode()
    step.hear(whole[:3])
    step.hear(whole[3:])
    assert step.lines() == ("größe",)


APT = "apt-get update && apt-get install -y --no-install-recommends git curl && rm -rf x"
VENV = "--mount=type=cache,target=/x python3 -m venv /opt/uv && /opt/uv/bin/pip install uv==0.1"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (VENV, "installing uv, which installs the rest failed: step [2/9]"),
        (
            "/opt/uv/bin/uv pip install 'tensorflow==2.1'",
            "installing tensorflow==2.1 and what it needs failed: step [2/9]",
        ),
        (APT, "installing git curl by apt failed: step [2/9]"),
        ("/opt/uv/bin/uv pip install --python x pandas", "installing Python packages failed: step [2/9]"),
        ("groupadd x && useradd x", "making the user's account failed: step [2/9]"),
        ("true", "the build step [2/9] RUN true failed"),
    ],
)
def test_the_headline_names_the_step_in_words(command: str, words: str) -> None:
    progress, why = failed(f"[2/9] RUN {command}", "exit code: 1")
    assert failure(progress, {"error": why}).text == f"{words} with exit code 1"


@pytest.mark.parametrize(
    "line",
    [
        "E: You don't have enough free space in /var/cache/apt/archives/.",
        "OSError: [Errno 122] Disk quota exceeded: '/x'",
    ],
)
def test_a_full_disk_in_an_installers_words(line: str) -> None:
    progress, why = failed("[2/4] RUN x", "exit code: 1", f"{line}\n{'next' * 9}\n".encode())
    assert failure(progress, {"error": why}).code == "KGE-403"


def field(number: int, value: int | bytes) -> bytes:
    """A field as BuildKit writes it: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def test_the_bytes_of_a_step_are_decoded_and_summed() -> None:
    progress = buildkit_progress.Progress()
    list(progress.update(buildkit_progress.Status((vertex("[1/2] FROM x"),), ())))
    parts = [("a", 10, 100), ("b", 300, 300), ("a", 60, 0), ("a", 20, 100), ("c", (1 << 64) - 1, (1 << 64) - 1)]
    told = b"".join(
        field(2, field(1, name.encode()) + field(2, b"d") + field(4, done) + field(5, total))
        for name, done, total in parts
    )
    reports = list(progress.update(buildkit_progress.decode(base64.b64encode(told).decode())))
    assert [(one.done_bytes, one.total_bytes) for one in reports] == [(10, 100), (310, 400), (320, 400)]


def test_the_bytes_of_installers_are_read_from_their_lines() -> None:
    step = buildkit_progress.Step(1, vertex("[2/2] RUN x"))
    seen = []
    for line in (
        "Resolved 44 packages in 1.2s",
        "Downloading tensorflow (614.5MiB)",
        "Downloading numpy (16.0MiB)",
        " Downloaded numpy",
        " Downloaded tensorflow",
        " Downloaded tensorflow",
    ):
        step.hear(f"{line}\n".encode())
        seen.append((step.parts.done >> 20, step.parts.total >> 20))
    assert seen == [(0, 0), (0, 614), (0, 630), (16, 630), (630, 630), (630, 630)]


def test_the_bytes_of_apt_are_read_from_its_lines() -> None:
    step = buildkit_progress.Step(1, vertex("[2/2] RUN x"))
    step.hear(b"Get:1 http://x bookworm InRelease [151 kB]\nNeed to get 1,500 kB of archives.\n")
    step.hear(b"Get:1 http://x bookworm/main amd64 git amd64 1:2.39 [1,000 kB]\n")
    assert (step.parts.done, step.parts.total) == (1_000_000, 1_500_000)


LISTED = "export X=1 && printf '%s\\n' {} > /opt/venv/requirements/{}.txt && /dev/uv/uv pip install --requirement y"


@pytest.mark.parametrize(
    ("lines", "layer", "words"),
    [
        ("'a==1 --hash=sha256:0' 'b==2 --hash=sha256:0' 'tensorflow==2 --hash=x'", "framework", "3 wheels (framework)"),
        ("'nccl==1 --hash=sha256:0'", "collectives", "nccl==1"),
        ("tensorflow==2.21.0 'pandas>2'", "framework", "tensorflow==2.21.0 and what it needs"),
    ],
)
def test_a_layer_is_told_by_what_it_installs(lines: str, layer: str, words: str) -> None:
    assert step_words(f"[3/6] RUN {LISTED.format(lines, layer)}") == (f"installing {words}", "[3/6]")

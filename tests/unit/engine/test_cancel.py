"""What a build asks of the engine when it is stopped, with a made-up client; the real one is in tests/engine."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from provision.compat import Self
from provision.engine.buildkit_build import run_build
from provision.engine.protocol import BuildStep, Context

# StatusResponse{vertexes{digest "d", name "[2/2] RUN x", started{seconds 1}}}
RUNNING = b'{"id":"moby.buildkit.trace","aux":"ChQKAWQaC1syLzJdIFJVTiB4KgIIAQ=="}'


class Answer:
    ok = True
    closed = False

    def iter_lines(self, chunk_size: int | None) -> Iterator[bytes]:
        assert chunk_size is None
        yield RUNNING

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


class Client:
    base_url = "http://engine"
    api_version = "1.41"

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str]]] = []
        self.answers: list[Answer] = []

    def post(self, url: str, params: dict[str, str], **_: object) -> Answer:
        self.posts.append((url.rpartition("/v1.41")[2], params))
        self.answers.append(Answer())
        return self.answers[-1]

    def tag(self, *_: object) -> None:
        pytest.fail("an interrupted build must not be tagged")


def test_an_interrupt_cancels_this_build_and_closes_the_stream() -> None:
    client = Client()
    seen: list[BuildStep] = []

    def interrupt(step: BuildStep) -> None:
        seen.append(step)
        raise KeyboardInterrupt

    context = Context(files={"Dockerfile": b"FROM x\n"})
    with pytest.raises(KeyboardInterrupt):
        run_build(cast("Any", client), context, "t:1", interrupt, {})
    assert [step.name for step in seen] == ["[2/2] RUN x"]
    (started, sent), (cancelled, asked) = client.posts
    assert (started, cancelled) == ("/build", "/build/cancel")
    assert asked == {"id": sent["buildid"]}
    assert all(answer.closed for answer in client.answers)

"""One build through Podman's `POST /build`: its own builder (Buildah) mounts caches and files as BuildKit does."""

import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping

import requests
from docker import APIClient

from provision.engine.build_request import messages, needed, network_mode, start, tagged
from provision.engine.buildkit_build import step_error
from provision.engine.buildkit_progress import KEPT_LINES, TAIL_LINES
from provision.engine.context import tarball
from provision.engine.protocol import BuildStep, Built, Context
from provision.engine.step_bytes import Parts
from provision.errors import BuildError
from provision.model.reference import parse_reference

_STEP = re.compile(r"(?:\[(?P<stage>\d+)/\d+\] )?STEP (?P<mark>\d+/\d+): (?P<command>.*)", re.DOTALL)
_CACHED = "--> Using cache"


def run_build(
    api: APIClient,
    context: Context,
    tag: str,
    on_step: Callable[[BuildStep], None],
    arguments: Mapping[str, str],
) -> Built:
    """Build and, only when that worked, tag.

    Raises:
        BuildError: KGE-401 a step failed, KGE-403 disk full.
        EngineError: KGE-305, the engine answers something else.
    """
    parse_reference(tag)
    # Podman 4.3 was seen to mount nothing from a stage that its cache has. The installers' caches hold as elsewhere.
    query = {"buildargs": json.dumps(dict(arguments)), "rm": "1", "forcerm": "1", "nocache": "1"}
    query |= network_mode(context)
    steps = _Steps(on_step)
    with start(api, query, tarball(context)) as answer:  # a connection that is closed ends the build
        image_id = _follow(answer, steps)
    return tagged(api, image_id, tag, total=steps.total, cached=steps.cached)


def _follow(answer: requests.Response, steps: "_Steps") -> str:
    """Report every message; return the image's id."""
    image_id = ""
    for message in messages(answer):
        if isinstance(message.get("stream"), str):
            steps.hear(message["stream"])
        problem = message.get("error")
        if problem:
            raise steps.failed(str(problem))
        aux = message.get("aux")
        if isinstance(aux, dict) and aux.get("ID"):
            image_id = str(aux["ID"])
    found = needed(image_id)
    steps.end("done")
    return found


class _Steps:
    """From Buildah's lines to the steps that a person follows; one runs at a time."""

    def __init__(self, on_step: Callable[[BuildStep], None]) -> None:
        self.total = self.cached = 0
        self._on_step = on_step
        self._index = 0
        self._name = ""
        self._begun = 0.0
        self._state = ""
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._parts = Parts()

    def hear(self, text: str) -> None:
        """Take what the builder writes: the beginning of a step, a word about it, or its output."""
        begins = _STEP.fullmatch(text.rstrip("\n"))
        if begins:
            self.end("done")
            self._begin(begins)
        elif text.startswith(_CACHED):
            self._state = "cached"
        elif not text.startswith("-->"):
            self._said.extend(text.splitlines())
            for line in text.splitlines():
                self._parts.read(line)
            self._report("running", text)

    def _begin(self, found: re.Match[str]) -> None:
        stage = f"{found['stage']} " if found["stage"] else ""
        self._index += 1
        self._name = f"[{stage}{found['mark']}] {found['command']}"
        self._begun, self._state = time.monotonic(), "running"
        self._said.clear()
        self._parts = Parts()
        self._report("running")

    def end(self, state: str, error: str = "") -> None:
        """Report how the running step ended; a FROM does no work of its own."""
        if not self._name:
            return
        state = "cached" if self._state == "cached" else state
        if "] FROM " not in self._name:
            self.total += 1
            self.cached += state == "cached"
        self._report(state, error=error)
        self._name = ""

    def _report(self, state: str, log: str = "", error: str = "") -> None:
        if self._name:
            seconds = 0.0 if state in {"running", "cached"} else time.monotonic() - self._begun
            self._on_step(
                BuildStep(
                    index=self._index,
                    name=self._name,
                    state=state,
                    seconds=seconds,
                    log=log,
                    error=error,
                    done_bytes=self._parts.done,
                    total_bytes=self._parts.total,
                )
            )

    def failed(self, why: str) -> BuildError:
        """Return the error for a build that ended with `why`."""
        said, name = tuple(self._said), self._name
        self.end("failed", why)
        error = step_error(name, why, said) if name else BuildError("KGE-401", "the build failed", cause=why)
        error.said, error.log = said, said[-TAIL_LINES:]
        return error

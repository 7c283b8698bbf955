"""A proof on a node without kgpu-env: Ansible's docker modules run the workload there, it is judged here.

`api.verify` is called as on this machine, with an engine that knows the runs which Ansible has carried out, and says
which one is needed next.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from provision import __version__, api
from provision.api.records import sealed
from provision.catalogue import Catalogue
from provision.engine.container import DEADLINE, LABEL, PATIENCE_SECONDS, devices, security
from provision.engine.describe import describe
from provision.engine.protocol import Engine, Image, OnOutput, Ran, Run
from provision.fleet.verdicts import decoded, flag
from provision.model import Engine as Described
from provision.model import Host, Proof, decode, encode
from provision.model.fleet import FleetImage
from provision.model.inside import PIDS, SHARED_MEMORY_GIB
from provision.model.labels import plan_of
from provision.probe import collector
from provision.probe.unpack import unpack
from provision.prove import VerifyRequest
from provision.records import HostKey, Kept, State, answer, attest, host_key, statement
from provision.records.store import place

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_REFUSED: Final = ("Error creating container", "Error starting container")
_LATE: Final = "imed out"  # of the module's own words for a container that did not end


class NeededError(Exception):
    """A run that Ansible has to carry out before the proof goes on."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.image)
        self.run = run


class Replay:
    """An engine on a node: it answers with the runs that were carried out there, in their order."""

    def __init__(self, described: Described, image: Image) -> None:
        self._described, self._image = described, image
        self.ran: list[Ran] = []
        self._next = 0

    def begin(self) -> None:
        """Go back to the first run."""
        self._next = 0

    def describe(self) -> Described:
        """Return name, version and abilities of the engine."""
        return self._described

    def image(self, reference: str) -> Image:  # noqa: ARG002 - there is one
        """Return what the engine told of the image."""
        return self._image

    def run(self, run: Run, on_stdout: OnOutput | None = None) -> Ran:
        """Return how a run ended.

        Raises:
            NeededError: it was not carried out yet.
        """
        if self._next == len(self.ran):
            raise NeededError(run)
        found = self.ran[self._next]
        self._next += 1
        if on_stdout:
            on_stdout(found.stdout.encode())
        return found


class Remote:
    """A node and its image, from what Ansible saw there."""

    def __init__(self, name: str, image: FleetImage, answer: Mapping[str, Any], catalogue: Catalogue) -> None:
        """Read the node's capture.

        Raises:
            InputError: KGE-940, it is none; KGE-119, it holds no machine.
        """
        self.name, self.image, self._catalogue = name, image, catalogue
        self.node = str(answer.get("node") or name)
        self.shipped = flag(answer.get("shipped"))
        self.record = decoded(answer.get("record"))
        self.folder = str(answer.get("proofs") or "")  # of the records there, as of `records.state_folder`
        self._boot = decoded(answer.get("boot")).decode(errors="replace").strip()
        self._host, self.key = self._read(str(answer.get("capture") or ""))
        info = answer.get("engine") or {}
        described = describe({"Version": info.get("ServerVersion")}, info, f"ssh://{name}")
        self._engine = Replay(described, _image(answer.get("image") or {}))
        self._numbers: list[str] = []
        self._asked = 0  # runs

    def _read(self, text: str) -> tuple[Host, HostKey]:
        """Return the host, and of it what a proof depends on: from files alone, as the node's own gate sees it."""
        start = text.rfind(collector.TEXT)
        data = decoded(text[start + len(collector.TEXT) :].split("\n", maxsplit=1)[0].strip()) if start >= 0 else b""
        with tempfile.TemporaryDirectory(prefix="kgpu-env.") as name:
            packed, tree = Path(name) / "capture.tar.gz", Path(name) / "tree"
            packed.write_bytes(data)
            tree.mkdir()
            unpack(packed, tree)
            host = api.probe_host(tree, catalogue=self._catalogue)
            (tree / collector.ANSWERS.lstrip("/")).unlink(missing_ok=True)
            return host, host_key(api.probe_host(tree, catalogue=self._catalogue), self.node)

    @property
    def file(self) -> str:
        """The name of the record's file on the node."""
        return place(Path(), self.node, self.image.tag).name

    def prove(self) -> Proof | Run:
        """Return the proof, or the run that has to be carried out before.

        Raises:
            KgpuError: as of `api.verify`.
        """
        numbers = self._nonces()
        self._engine.begin()
        request = VerifyRequest(vendor=self.image.stack.vendor, boot_id=self._boot)
        try:
            return api.verify(
                self.image.tag,
                request,
                host=self._host,
                engine=cast("Engine", self._engine),  # of which a proof needs these three
                catalogue=self._catalogue,
                new_nonce=lambda: next(numbers),
            )
        except NeededError as needed:
            self._asked = len(self._engine.ran) + 1
            return needed.run

    def _nonces(self) -> Iterator[str]:
        """Yield the numbers of the runs, the same each time."""
        from os import urandom  # noqa: PLC0415 - an effect, named where it is

        place = 0
        while True:
            if place == len(self._numbers):
                self._numbers.append(urandom(16).hex())
            yield self._numbers[place]
            place += 1

    @property
    def caught_up(self) -> bool:
        """Whether every run that was asked for has ended."""
        return self._asked <= len(self._engine.ran)

    def hear(self, answer: Mapping[str, Any], seconds: float) -> None:
        """Take how a run ended, and how long it took as seen from here."""
        said, output = str(answer.get("said") or ""), str(answer.get("output") or "")
        status = str(answer.get("status") if answer.get("status") is not None else "")
        output = output or (said if status else "")
        refused = said.partition(": ")[2] if said.startswith(_REFUSED) else ""
        late = not status and not refused and _LATE in said
        self._engine.ran.append(
            Ran(
                exit_code=int(status) if status.isdecimal() else None,
                stdout=output,
                stderr="\n".join(line for line in output.splitlines() if not any(one in line for one in self._numbers)),
                seconds=seconds,
                timed_out=late,
                refused=refused or ("" if status or late else said),
            )
        )

    def gate(self, keys: "Iterable[Ed25519PublicKey]") -> str:
        """Return what the record proves, as the node's own gate would say; empty where that would not open."""
        try:
            envelope = decode(self.record, attest.Envelope)
            kept = Kept(envelope=envelope, record=statement.read(attest.contents(envelope)))
        except ValueError:
            return ""
        now = self._engine.image("").image_id
        found = answer(kept, self.image.tag, self.key, now, __version__, keys=keys)
        return found.reason if found.state is State.PROVED else ""

    def seal(self, proof: Proof, records: "api.Records") -> str:
        """Return the record of a proof, signed here, as it is written on the node."""
        kept = sealed(proof, records, self.key, plan=plan_of(self._engine.image("").labels))
        return encode(kept.envelope) + "\n"


def _image(told: Mapping[str, Any]) -> Image:
    """Return what the engine told of the image."""
    config = told.get("Config") or {}
    return Image(
        image_id=str(told.get("Id") or ""),
        architecture=str(told.get("Architecture") or ""),
        size_bytes=int(told.get("Size") or 0),
        labels={str(name): str(value) for name, value in (config.get("Labels") or {}).items()},
        env=tuple(map(str, config.get("Env") or ())),
        user=str(config.get("User") or ""),
    )


def module(run: Run, name: str, now: float) -> dict[str, Any]:
    """Return a run in the words of community.docker.docker_container, as narrow as `engine.container` makes it.

    Args:
        run: the command and its devices.
        name: of the container.
        now: in seconds of Unix time. Past its deadline, as of `engine.container.body`, the container is nobody's.
    """
    host = devices(run.access)
    return {
        "name": name,
        "image": run.image,
        "command": list(run.command),
        "env": {"HOME": "/tmp", **run.access.env, **run.env},  # noqa: S108 - a path in the container
        "labels": {LABEL: name, DEADLINE: str(int(now + run.seconds + PATIENCE_SECONDS))},
        "now": int(now),
        "security": security(run.access),
        "pids": PIDS,
        "shm": f"{SHARED_MEMORY_GIB}g",
        "requests": [_request(one) for one in host["DeviceRequests"]],
        "devices": [f"{one['PathOnHost']}:{one['PathInContainer']}:rw" for one in host["Devices"]],
        "groups": host["GroupAdd"],
        "mounts": [
            {"type": "bind", "source": one["Source"], "target": one["Target"], "read_only": True}
            for one in host["Mounts"]
        ],
        "seconds": int(run.seconds) + 120,
    }


def _request(one: Mapping[str, Any]) -> dict[str, Any]:
    words = {"Driver": "driver", "Count": "count", "DeviceIDs": "device_ids", "Capabilities": "capabilities"}
    return {words[name]: value for name, value in one.items() if value != ""}

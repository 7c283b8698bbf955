"""The nodes of a batch, from Ansible's events to what became of each."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from provision.api.records import trusted_keys
from provision.errors import KgpuError
from provision.fleet.playbook import Play, brief, play
from provision.fleet.probing import write
from provision.fleet.remote import Remote, module
from provision.fleet.verdicts import doubt, failed, flag, judged
from provision.model import Proof, Verdict
from provision.model.fleet import FleetImage
from provision.model.fleet_apply import Applied, AppliedNode, ApplyWishes
from provision.probe import collector
from provision.resources import folder

if TYPE_CHECKING:
    from provision.fleet.apply import Application

MARK: Final = "kgpu_env"  # in the message of a task that tells an answer
_ROUNDS: Final = 40  # runs of one node: two interpreters, seven slices, each with its control


class Batch:
    """What became of each node; of one whose last step did not end nothing is known."""

    def __init__(
        self,
        images: Mapping[str, FleetImage],
        heard: Callable[[AppliedNode], None],
        wishes: ApplyWishes,
        order: "Application",
    ) -> None:
        self.found: dict[str, AppliedNode] = {}
        self._images, self._heard, self._wishes, self._order = images, heard, wishes, order
        self._remote: dict[str, Remote] = {}
        self._why = ""  # a whole run failed, where Ansible says so

    def add(self, node: AppliedNode) -> None:
        """Keep what became of a node; the first counts."""
        if node.name not in self.found:
            self.found[node.name] = node
            self._heard(node)

    def skip(self, name: str, cause: str) -> None:
        """Tell of a node whose turn did not come."""
        self.add(AppliedNode(name=name, image=self._images[name].id, outcome=Applied.SKIPPED, cause=cause))

    def run(self, names: Sequence[str], shipping: Mapping[str, Any]) -> None:
        """Bring the nodes their images and have them proved."""
        plan = {name: self._images[name].id for name in names}
        self._remote.clear()
        self._play("apply.yml", names, {"kgpu_env_images": dict(shipping), "kgpu_env_plan": plan}, self._answered)
        for name in self._remote:
            self._known(name)
        self._train()
        self._unanswered(names)

    def _unanswered(self, names: Sequence[str]) -> None:
        """Tell of the nodes among `names` of which no step was the last: neither done nor failed."""
        for name in names:
            if name not in self.found:
                cause = self._why or "the run ended before its last step did"
                self.add(AppliedNode(name=name, image=self._images[name].id, outcome=Applied.UNKNOWN, cause=cause))

    def _play(
        self,
        playbook: str,
        names: Sequence[str],
        variables: dict[str, Any],
        take: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        def hear(event: Mapping[str, Any]) -> bool:
            data = event.get("event_data") or {}
            name, kind = str(data.get("host")), event.get("event")
            message = (data.get("res") or {}).get("msg")
            if name in self._images and kind in {"runner_on_failed", "runner_on_unreachable"}:
                if not data.get("ignore_errors"):
                    self.add(failed(name, self._images[name], event, self._order.catalogue.errors))
            elif name in self._images and kind == "runner_on_ok" and isinstance(message, dict) and MARK in message:
                take(name, message)
            elif kind == "error":
                self._why = brief(str(event.get("stdout", "")))
            return False

        templates = folder("templates")
        files = (
            *sorted((templates / "fleet").glob("*.yml")),
            templates / "ansible" / "roles",
            Path(collector.__file__),
        )
        wanted = Play(
            name=playbook,
            inventory=self._order.inventory,
            nodes=tuple(names),
            files=files,
            variables=variables,
            forks=self._wishes.forks,
            check=self._wishes.check,
        )
        play(wanted, hear)

    def _answered(self, name: str, message: Mapping[str, Any]) -> None:
        image = self._images[name]
        if flag(message.get("installed")):
            node, record = judged(name, image, message, self._order.trusted, check=self._wishes.check)
            self._keep(node, record)
            return
        try:
            self._remote[name] = Remote(name, image, message, self._order.catalogue)
        except KgpuError as error:
            self._broken(name, error)

    def _known(self, name: str) -> None:
        """Tell of a node without kgpu-env whose record holds, or that is only asked."""
        remote, image = self._remote[name], self._images[name]
        keys = self._order.trusted or trusted_keys(self._order.signer)
        text = remote.gate(keys) if remote.record and not doubt(remote.record, image, keys) else ""
        if text:
            node = AppliedNode(name=name, image=image.id, outcome=Applied.KEPT, cause=text, shipped=remote.shipped)
            self._keep(node, remote.record)
        elif self._wishes.check:
            why = "kgpu-env is not installed there: the workload would be run by Ansible"
            self.add(AppliedNode(name=name, image=image.id, outcome=Applied.DUE, cause=why))

    def _train(self) -> None:
        """Prove the nodes without kgpu-env, a run of each at a time, until each has its proof."""
        proofs: dict[str, Proof] = {}
        for _ in range(_ROUNDS):
            runs = {name: run for name in self._remote if (run := self._next(name, proofs))}
            if not runs:
                break
            begun = time.monotonic()
            self._play(
                "train.yml",
                tuple(runs),
                {"kgpu_env_runs": runs},
                partial(self._ran, begun),
            )
            self._unanswered([name for name in runs if not self._remote[name].caught_up])
        kept = {name: self._remote[name].seal(proof, self._order.signer) for name, proof in proofs.items()}
        if kept:
            records = {
                name: {"text": text, "file": self._remote[name].file, "folder": self._remote[name].folder}
                for name, text in kept.items()
            }
            self._play(
                "record.yml",
                tuple(kept),
                {"kgpu_env_kept": records},
                lambda name, _: self._proved(name, proofs[name], kept[name]),
            )

    def _ran(self, begun: float, name: str, told: Mapping[str, Any]) -> None:
        self._remote[name].hear(told, time.monotonic() - begun)

    def _next(self, name: str, proofs: dict[str, Proof]) -> dict[str, Any] | None:
        """Return the next run of a node, as its module takes it; None where it has its proof, or will have none."""
        if name in self.found or name in proofs:
            return None
        try:
            step = self._remote[name].prove()
        except KgpuError as error:
            self._broken(name, error)
            return None
        if isinstance(step, Proof):
            proofs[name] = step
            return None
        return module(step, f"kgpu-env-fleet-{os.urandom(8).hex()}", time.time())

    def _proved(self, name: str, proof: Proof, record: str) -> None:
        """Tell of a node whose proof was judged here, and whose record is on it now."""
        good = {Verdict.PROVED: Applied.PROVED, Verdict.CPU: Applied.CPU}
        node = AppliedNode(
            name=name,
            image=self._images[name].id,
            outcome=good.get(proof.verdict, Applied.NOT_PROVED),
            cause=brief(proof.reason),
            code=proof.code,
            fix=brief(proof.fix),
            shipped=self._remote[name].shipped,
        )
        self._keep(node, record.encode())

    def _broken(self, name: str, error: KgpuError) -> None:
        cause = brief(f"{error.text} {error.cause}")
        image = self._images[name].id
        self.add(
            AppliedNode(name=name, image=image, outcome=Applied.BROKEN, cause=cause, code=error.code, fix=error.fix)
        )

    def _keep(self, node: AppliedNode, record: bytes) -> None:
        """Write a node's record here, whole or not at all, and tell of the node; without its record it is not done."""
        try:
            if record and not self._wishes.check:
                write(self._order.records / f"{node.name}.json", record)
        except OSError as error:
            cause = f"its record cannot be kept in {self._order.records}: {error.strerror}"
            fix = "name a folder that you can write to: --records DIR"
            node = replace(node, outcome=Applied.BROKEN, cause=cause, code="KGE-605", fix=fix)
        self.add(node)

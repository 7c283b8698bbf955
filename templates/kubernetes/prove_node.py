"""Proves the node that this pod runs on, and writes the answer on the node, with the standard library alone.

The label KEYproof is "pending" while the check runs, then "proved" or "not-proved"; annotations tell when, at which
boot, by which image and in which words. With --taint=yes a node that failed is also tainted (KEYnot-proved,
NoSchedule), unless SHARE per cent of the cluster's nodes would be: then something else is wrong than the nodes. A check
that succeeds takes that taint away. One with a value is of kgpu-env fleet apply, whose proof is of all GPUs: it stays,
and fleet apply takes it.
Exit 0: proved. 1: not proved. 2: the answer could not be written.
"""

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
READY = Path(tempfile.gettempdir(), "kgpu-env-proved")
TRIES = 6  # where somebody else changes the node at the same time
BOOT = Path("/proc/sys/kernel/random/boot_id")  # of the node: containers see the same
LONGEST = 500  # characters of an answer
CONFLICT = 409


class Api:
    """The nodes of the cluster, by the account of this pod."""

    def __init__(self, account: Path = ACCOUNT) -> None:
        self.account = account
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        self.nodes = f"https://{f'[{host}]' if ':' in host else host}:{port}/api/v1/nodes"
        self.trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def __call__(self, method: str, name: str = "", patch: "dict[str, Any] | None" = None) -> "dict[str, Any]":
        """Get a node, or all of them, or change one by a merge patch."""
        request = urllib.request.Request(f"{self.nodes}/{name}" if name else self.nodes, method=method)
        request.add_header("Authorization", f"Bearer {(self.account / 'token').read_text().strip()}")  # it is renewed
        if patch is not None:
            request.add_header("Content-Type", "application/merge-patch+json")
            request.data = json.dumps(patch).encode()
        with urllib.request.urlopen(request, timeout=30, context=self.trusted) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


class Node:
    """What is written on this node, under our keys alone."""

    def __init__(self, api: "Callable[..., dict[str, Any]]", name: str, key: str) -> None:
        self.api, self.name, self.key = api, name, key
        self.taint = f"{key}not-proved"

    def write(self, state: str, notes: "dict[str, str]", *, tainted: "bool | None" = None) -> None:
        """Set label, annotations and, unless `tainted` is None, the taint; what others write stays."""
        for again in range(TRIES):
            found = self.api("GET", self.name)
            meta: dict[str, Any] = {
                "resourceVersion": found["metadata"]["resourceVersion"],  # refused where it is another by now
                "labels": {f"{self.key}proof": state},
                "annotations": {f"{self.key}{name}": text for name, text in notes.items()},
            }
            patch: dict[str, Any] = {"metadata": meta}
            if tainted is not None:
                patch["spec"] = {"taints": self._taints(found, tainted=tainted)}
            try:
                self.api("PATCH", self.name, patch)
            except urllib.error.HTTPError as error:
                if error.code != CONFLICT or again == TRIES - 1:
                    raise
                time.sleep(0.2 * 2**again)
            else:
                return

    def _taints(self, found: "dict[str, Any]", *, tainted: bool) -> "list[dict[str, Any]]":
        """Return a node's taints with this script's own, or without; any of the same key does for its own."""
        taints = list(found["spec"].get("taints") or ())
        if not tainted:
            return [one for one in taints if one["key"] != self.taint or one.get("value")]
        return taints if self._out(found) else [*taints, {"key": self.taint, "effect": "NoSchedule"}]

    def _out(self, found: "dict[str, Any]") -> bool:
        return any(one["key"] == self.taint for one in found["spec"].get("taints") or ())

    def out(self) -> bool:
        """Tell whether this node has our taint, whoever set it."""
        return self._out(self.api("GET", self.name))

    def others(self) -> "tuple[int, int]":
        """Return how many other nodes have our taint, and how many nodes there are."""
        items = self.api("GET")["items"]
        ours = [one["metadata"]["name"] for one in items if self._out(one)]
        return len([name for name in ours if name != self.name]), len(items)

    def may_be_tainted(self, share: int) -> bool:
        """Tell whether no more than SHARE per cent of the nodes would have our taint, this one among them."""
        others, every = self.others()
        return every == 1 or (others + 1) * 100 <= every * share


def answer(node: Node, share: "int | None", proved: bool, notes: "dict[str, str]") -> str:  # noqa: FBT001 - a script's own
    """Write the answer; return what is to be known beside it."""
    if proved:
        node.write("proved", notes, tainted=False)
        return ""
    if share is None:
        node.write("not-proved", notes)
        return "not tainted: --taint is off"
    if node.out():
        node.write("not-proved", notes)
        return f"tainted before: {node.taint}"
    if node.may_be_tainted(share):
        node.write("not-proved", notes, tainted=True)
        # Many nodes may fail at the same moment, and none of them has seen the others' taints before its own.
        if node.may_be_tainted(share):
            return f"tainted: {node.taint}"
    node.write("not-proved", notes, tainted=False)
    return f"not tainted: more than {share} % of the nodes would be"


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", required=True, help="how names of labels begin")
    parser.add_argument("--image", required=True)
    parser.add_argument("--taint", choices=("yes", "no"), default="no")
    parser.add_argument("--share", type=int, default=10, help="per cent of the nodes")
    parser.add_argument("--stay", action="store_true", help="do not end, as the pod of a DaemonSet must not")
    parser.add_argument("check", nargs="+", help="the command that proves")
    asked = parser.parse_args()
    READY.unlink(missing_ok=True)
    try:
        node = Node(Api(), os.environ["NODE_NAME"], asked.key)
        about = {"image": asked.image, "boot": BOOT.read_text().strip()}
        node.write("pending", about)
        done = subprocess.run(asked.check, stdout=subprocess.PIPE, text=True, check=False)
        words = (done.stdout.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:LONGEST]
        proved = done.returncode == 0
        notes = {"at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "answer": words, **about}
        note = answer(node, asked.share if asked.taint == "yes" else None, proved, notes)
    except (OSError, KeyError, ValueError) as error:
        sys.stdout.write(f"FAILED: the answer cannot be written on the node: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in (words, note) if line))
    sys.stdout.flush()
    if proved and asked.stay:
        READY.touch()
    if asked.stay:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0 if proved else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""The record of a node with a made-up H100: a real one's evidence, judged against that node, signed by a test's key."""

import json
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from provision import api
from provision.api.records import sealed
from provision.engine.protocol import Ran
from provision.model import Host, Vendor, Verdict, encode
from provision.model.fleet import FleetImage
from provision.prove import Evidence, Expectation
from provision.prove.judge import judge
from provision.records import HostKey
from provision.records.store import place

PROOFS: Final = "/root/.local/state/kgpu-env/proofs"  # on a node
_HARDWARE: Final = Path(__file__).parents[2] / "docs" / "hardware"


def recorded(image: FleetImage, host: Host, of: HostKey, signer: Path) -> str:
    """Return the text of a record that says "proved".

    Args:
        image: that is said to have trained; it was built.
        host: with one H100.
        of: what the record depends on.
        signer: the private key; made where it is not there.
    """
    path = max(_HARDWARE.glob("*-h100-*-tensorflow-standard.evidence.json"))
    evidence = msgspec.convert(json.loads(path.read_text()), Evidence)
    [gpu], [seen] = host.gpus, evidence.driver
    gpu = replace(gpu, pci=seen.pci, uuid=f"GPU-{seen.uuid}")  # the tree's, by the names of the evidence
    asked = Expectation(vendor=Vendor.CUDA, indices=(0,), gpus=(gpu,), host=host)
    proof = judge(asked, Ran(exit_code=0, stdout="", stderr="", seconds=60.0), evidence)
    assert proof.verdict is Verdict.PROVED, proof.reason
    if not signer.exists():
        api.key_pair(signer)
    proof = replace(proof, image=image.tag, image_id=image.image_id)
    kept = sealed(proof, api.Records(folder=signer.parent / "none", key=signer), of)
    return encode(kept.envelope)


def file_of(node: str, image: FleetImage) -> str:
    """Return where a node keeps the record of an image."""
    return str(place(Path(PROOFS), node, image.tag))

"""Run the workload in a container of an image and have it judged."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from provision.engine.protocol import Access, Engine, Image, Ran, Run
from provision.errors import BuildError
from provision.model import Host, Proof, Stack, Value, Vendor, decode
from provision.prove.diagnose import Pattern
from provision.prove.evidence import parse_result
from provision.prove.expectation import Expectation, host_state, select
from provision.prove.judge import judge
from provision.prove.reason import NO_PYTHON

WORKLOAD = Path(__file__).with_name("workload.py")
STACK_LABEL = "io.kgpu-env.stack"
INTERPRETERS = ("python3", "python")
# The root file system is read-only: everything that frameworks write goes to the only place that is not.
SCRATCH = {
    "HOME": "/tmp",  # noqa: S108 - inside a container of its own
    "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108 - the same
    "KERAS_HOME": "/tmp/.keras",  # noqa: S108 - the same
    "CUDA_CACHE_PATH": "/tmp/.nv",  # noqa: S108 - the same
    "MIOPEN_USER_DB_PATH": "/tmp/.miopen",  # noqa: S108 - the same
    "MIOPEN_CUSTOM_CACHE_DIR": "/tmp/.miopen",  # noqa: S108 - the same
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


class VerifyRequest(Value):
    """What is to be proved, and within which limits."""

    vendor: Vendor = Vendor.AUTO  # auto: what the image was made for
    gpus: str = "all"  # or the host's numbers and UUIDs: "0,1"
    jit_compile: bool | Literal["auto"] = "auto"
    seconds: float = 600.0
    memory_bytes: int | None = None
    epochs: int = 6
    seed: int = 20


def image_stack(image: Image) -> Stack | None:
    """Return the stack that the image's label describes, or None for an image of another maker or an odd label."""
    try:
        return decode(image.labels[STACK_LABEL], Stack)
    except (KeyError, msgspec.MsgspecError):
        return None


def image_vendor(image: Image) -> Vendor:
    """Return the vendor an image was made for: by its stack label, else by the variables its base set, else cpu."""
    stack = image_stack(image)
    if stack is not None and stack.vendor is not Vendor.AUTO:
        return stack.vendor
    names = {item.split("=", 1)[0] for item in image.env}
    if names & {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_CUDA", "CUDA_VERSION"}:
        return Vendor.CUDA
    if any(name.startswith(("ROCM_", "HIP_", "MIOPEN_", "HSA_")) for name in names):
        return Vendor.ROCM
    return Vendor.CPU


def verify(  # noqa: PLR0913, PLR0917 - the five values of a verification and its three effects
    engine: Engine,
    image: str,
    request: VerifyRequest,
    host: Host,
    access: Access,
    patterns: Iterable[Pattern],
    *,
    new_nonce: Callable[[], str],
    clock: Callable[[], float],
) -> Proof:
    """Train in a container of `image` and return the judged proof.

    Without a GPU on the host, `access` is empty and the workload runs all the same, so that the proof can tell where
    the model trained.

    Args:
        engine: where the container runs; it removes the container, whatever happens.
        image: a local image; any with Python and TensorFlow inside.
        request: vendor, GPUs and limits.
        host: the host as probed.
        access: how the container gets its GPUs, from `provision.engine.access.device_access`.
        patterns: rows of the error catalogue.
        new_nonce: a fresh number for each run, so that no old or forged line is taken for this run's result.
        clock: monotonic seconds.

    Raises:
        BuildError: KGE-408, the engine has no such image.
        EngineError: the engine stopped answering.
    """
    begun = clock()
    found = engine.image(image)
    if found is None:
        fix = f"build it with kgpu-env build, or fetch it: docker pull {image}"
        raise BuildError("KGE-408", f"there is no image {image} on this engine", fix=fix)
    expectation = _expect(found, request, host)
    nonce = new_nonce()
    source = WORKLOAD.read_text(encoding="utf-8")
    run = Run(
        image=image,
        command=(INTERPRETERS[0], "-c", source, specification(request, expectation, nonce)),
        access=access,
        env=SCRATCH,
        seconds=request.seconds,
        memory_bytes=request.memory_bytes,
    )
    ran = _run(engine, run)
    proof = judge(expectation, ran, parse_result(ran.stdout, nonce), patterns)
    return msgspec.structs.replace(proof, image=image, image_id=found.image_id, seconds=clock() - begun)


def _expect(image: Image, request: VerifyRequest, host: Host) -> Expectation:
    vendor = image_vendor(image) if request.vendor is Vendor.AUTO else request.vendor
    indices, gpus = select(host, vendor, request.gpus)
    usable, reason = host_state(host, vendor)
    stack = image_stack(image)
    return Expectation(
        vendor=vendor,
        indices=indices,
        gpus=gpus,
        host_has_gpu=usable,
        host_reason=reason,
        versions={stack.framework.name: stack.framework.version} if stack else {},
    )


def specification(request: VerifyRequest, expectation: Expectation, nonce: str) -> str:
    """Return the workload's argument."""
    return json.dumps(
        {
            "nonce": nonce,
            "device": "CPU" if expectation.vendor is Vendor.CPU else "GPU",
            "indices": list(expectation.indices) or "all",
            "jit_compile": request.jit_compile,
            "seed": request.seed,
            "epochs": request.epochs,
        }
    )


def _run(engine: Engine, run: Run) -> Ran:
    """Run a Python command with the first interpreter that the image has."""
    ran = engine.run(run)
    for interpreter in INTERPRETERS[1:]:
        if NO_PYTHON.search(ran.refused):
            ran = engine.run(msgspec.structs.replace(run, command=(interpreter, *run.command[1:])))
    return ran

"""The steps of a run inside a container, from what the machine lacks to what the doctor says: see `STEPS`."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu_cdi
import gpu_docker
import gpu_image
import gpu_needs
import yaml
from container_inside import INSIDE, heard, run
from container_scene import PLACES, NotPossibleError, Scene, Step, WrongError
from gpu_machine import MAIN, ask, call
from msgspec.structs import replace

from provision import api, model
from provision.engine.docker_engine import DockerEngine
from provision.engine.protocol import Access, OnOutput, Ran, Run
from provision.model.inside import PROJECT, SCRATCH
from provision.prove import VerifyRequest

# It did not start, did not report, or is no build for the GPU: that it is not proved then shows nothing.
OTHER_REASONS = ("KGE-502", "KGE-503", "KGE-504", "KGE-505", "KGE-506")


def machine(scene: Scene) -> dict[str, Any]:
    """See what is lacking, and choose where and how the engine keeps its images."""
    there = [place for place in PLACES if place.is_dir()]
    working = [place for place in there if not gpu_needs.fails("overlay", place)]
    most = max(there, key=lambda place: gpu_needs.space(place).seen and os.statvfs(place).f_bavail)
    scene.place, scene.storage = (working[0], "overlay2") if working else (most, "vfs")
    found = gpu_needs.needs(scene.place)
    lacking = [f"{one.name} ({one.seen}): {one.without}" for one in found if not one.ok]
    needed = {"root", "glibc", "namespaces", "mounting", "cgroup"}
    if any(one.name in needed and not one.ok for one in found):
        raise WrongError("; ".join(lacking), needs=[one.as_json() for one in found])
    return {"storage": scene.storage, "lacking": lacking, "needs": [one.as_json() for one in found]}


def engine(scene: Scene) -> dict[str, Any]:
    """Start the engine, with the specification of this machine's GPUs before it looks for one."""
    options = {"storage-driver": scene.storage, "bridge": "none", "iptables": "false", "ip6tables": "false"}
    place = scene.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="kgpu-c-", dir=scene.place))
    daemon = gpu_docker.Daemon(scene.programs, options=options, place=Path(place))
    scene.cleanup.callback(daemon.end)
    scene.daemon = daemon
    scene.engine = daemon.wait()
    scene.cleanup.callback(scene.engine.close)
    scene.environment["DOCKER_HOST"] = daemon.address
    told = scene.engine.describe()
    return {"version": told.version, "storage": told.storage, "runtimes": told.runtimes}


def cdi(scene: Scene) -> dict[str, Any]:
    """Write the specification; the engine must list its devices."""
    assert scene.daemon is not None
    gpus, shared = gpu_cdi.nodes(scene.root)
    names = sorted(gpu_cdi.driver_libraries(scene.root))
    if not gpus or "libcuda.so.1" not in names:
        raise NotPossibleError(f"device nodes of GPUs: {len(gpus)}; libraries of the driver: {names or 'none'}")
    scene.spec = gpu_cdi.specification(scene.root, gpu_cdi.loader_folder())
    write_spec(scene, scene.spec)
    listed = api_cdi(scene)
    if f"{gpu_cdi.KIND}=all" not in listed:
        raise WrongError(f"the engine lists {listed or 'no CDI devices'}")
    told = scene.connected.describe()
    scene.host = replace(read_host(scene), engine=replace(told, cdi=listed))
    if scene.host_file:
        scene.host_file.write_text(model.encode(scene.host))
    return {"devices": listed, "libraries": names, "nodes": [str(path) for path in (*gpus, *shared)]}


def write_spec(scene: Scene, spec: dict[str, Any]) -> None:
    """Give the engine a specification; it looks again by itself."""
    assert scene.daemon is not None
    path = scene.daemon.cdi / "nvidia.json"
    path.with_suffix(".new").write_text(json.dumps(spec, indent=1))
    path.with_suffix(".new").rename(path)


def api_cdi(scene: Scene) -> tuple[str, ...]:
    """Return the CDI devices that a new connection is told of."""
    from provision.engine.docker import connect  # noqa: PLC0415 - here alone

    assert scene.daemon is not None
    found = connect(scene.daemon.address)
    try:
        return found.describe().cdi
    finally:
        found.close()


def read_host(scene: Scene) -> model.Host:
    """Return the host: as it is told in a rehearsal, else as it is probed."""
    return api.read_host(scene.host_file) if scene.host_file else api.probe_host()


def image(scene: Scene) -> dict[str, Any]:
    """Make an image of this machine's own Python, and import it."""
    hidden(SCRATCH, "is memory of a container's own")
    found = gpu_image.tree(scene.frameworks)
    staged = scene.folder / "stage"
    staged.mkdir()
    gpu_image.stage(staged, scene.wheels)
    name, _, tag = gpu_image.NAME.partition(":")
    query = [("fromSrc", "-"), ("repo", name), ("tag", tag), *(("changes", one) for one in gpu_image.changes())]
    sdk = scene.connected._api  # noqa: SLF001 - the engine of the product imports files alone
    with gpu_image.archive(found, staged, scene.folder / "files") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = f"{sdk.base_url}/v{sdk.api_version}/images/create"
        answer = sdk.post(url, params=query, data=gpu_image.chunks(process.stdout), stream=True, timeout=scene.left)
        text = answer.text
        said = process.stderr.read().decode(errors="replace")
    there = scene.connected.image(gpu_image.NAME)
    if process.returncode != 0 or there is None or "errorDetail" in text:
        raise WrongError(f"tar: {said.strip()[-500:]}; engine: {text.strip()[-500:]}")
    return {"files": len(found.files), "bytes": there.size_bytes, "frameworks": scene.frameworks}


def hidden(folder: str, why: str) -> None:
    """Refuse a Python that lies where a container has something else.

    Raises:
        NotPossibleError: it does.
    """
    if any(path.is_relative_to(folder) for path in (Path(sys.executable), Path(sys.executable).resolve())):
        raise NotPossibleError(f"this Python is below {folder}, which {why}")


def inside(scene: Scene) -> dict[str, Any]:
    """Ask the driver inside, with the device and without."""
    seen = heard(run(scene, scene.access))
    bare = heard(run(scene, Access()), wrong=False)
    if bare["nodes"] or bare["init"] == 0:
        raise WrongError("without a request the GPU is there as well", seen=seen, without=bare)
    return {"seen": seen, "without": bare}


def verifying(backend: str) -> Callable[[Scene], dict[str, Any]]:
    """Return the step that proves a framework, and that nothing is proved without the GPU."""

    def verify(scene: Scene) -> dict[str, Any]:
        if backend not in scene.frameworks:
            raise NotPossibleError(f"this Python has no {backend}")
        limit = str(max(10, int(scene.left * 0.6)))
        words = ["verify", gpu_image.NAME, "--vendor", "cuda", "--backend", backend, "--timeout", limit, *scene.hosted]
        ended, proof = ask(words, scene.environment, scene.left)
        if ended.code != 0 or proof.get("verdict") != "proved":
            told = f"{proof.get('code', '')} {proof.get('reason') or proof.get('text') or ended.stderr.strip()[-800:]}"
            raise WrongError(f"exit {ended.code}, {proof.get('verdict', 'no verdict')}: {told}", proof=proof)
        control: dict[str, Any] = next((one for one in proof["checks"] if one["name"] == "control"), {})
        if control.get("status") != "pass":
            raise WrongError(f"its control: {control}", proof=proof)
        return {"control": control["detail"], "proof": proof}

    return verify


class Taken:
    """An engine that starts what is asked for, without the devices, and says nothing."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the engine's
        return getattr(self._engine, name)

    def run(self, asked: Run, on_stdout: OnOutput | None = None) -> Ran:
        """Run it without its devices."""
        return self._engine.run(replace(asked, access=Access()), on_stdout)


def request_lost(scene: Scene) -> dict[str, Any]:
    """Verify on an engine that loses the device request."""
    return not_proved(scene, Taken(scene.connected))


def specification_empty(scene: Scene) -> dict[str, Any]:
    """Verify with a specification that names the devices and has none of their nodes."""
    write_spec(scene, gpu_cdi.without_devices(scene.spec))
    try:
        return not_proved(scene, scene.connected)
    finally:
        write_spec(scene, scene.spec)


def not_proved(scene: Scene, engine: Any) -> dict[str, Any]:  # noqa: ANN401 - an engine, or what stands before it
    """Verify quickly; it must end not proved, for want of the GPU."""
    wanted = VerifyRequest(
        vendor=model.Vendor.CUDA, level="quick", seconds=scene.left, backend=model_backend(scene.frameworks[0])
    )
    proof = api.verify(gpu_image.NAME, wanted, host=scene.host, engine=engine)
    seen = {"verdict": proof.verdict.value, "code": proof.code, "reason": proof.reason, "seen": proof.seen}
    visible = next((one.status for one in proof.checks if one.name == "visible"), None)
    unseen = visible is model.Status.FAIL and proof.code not in OTHER_REASONS
    if proof.verdict is not model.Verdict.NOT_PROVED or not unseen:
        raise WrongError(f"{proof.verdict}: {proof.code} {proof.reason}", **seen)
    return seen


def model_backend(name: str) -> Any:  # noqa: ANN401 - a literal type
    """Return a framework's name as the backend that it is."""
    return name


def gate(scene: Scene) -> dict[str, Any]:
    """Ask the gate; the record of the proof must open it."""
    begun = time.monotonic()
    ended, answer = ask(["gate", gpu_image.NAME], scene.environment, scene.left)
    seen = {"state": answer.get("state", "none"), "seconds": time.monotonic() - begun}
    if ended.code != 0 or seen["state"] != "proved":
        raise WrongError(f"exit {ended.code}, {seen['state']}: {answer.get('reason') or ended.stderr.strip()}", **seen)
    return seen


def command_inside(scene: Scene) -> dict[str, Any]:
    """Run a command in the image as a person does."""
    hidden(PROJECT, "is where the project is mounted")
    words = ["run", "--image", gpu_image.NAME, "--project", str(scene.folder), "--", "python3", "-c", INSIDE]
    ended = call(["-c", MAIN, *words], scene.environment, scene.left)
    ran = Ran(exit_code=ended.code, stdout=ended.stdout, stderr=ended.stderr, seconds=0.0)
    return {"seen": heard(ran)}


def compose(scene: Scene) -> dict[str, Any]:
    """Export a compose file, and start a container by the devices that it asks for."""
    text = exported(scene, "compose", "compose.yaml")
    service = yaml.safe_load(text)["services"]["keras"]
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    if [one["driver"] for one in devices] != ["cdi"]:
        raise WrongError(f"it asks for {devices}")
    names = tuple(name for one in devices for name in one["device_ids"])
    return {"asked": devices, "seen": heard(run(scene, Access(method="cdi", cdi=names)))}


def quadlet(scene: Scene) -> dict[str, Any]:
    """Export a quadlet, and start a container by its line that asks for the devices."""
    lines = exported(scene, "quadlet", "keras.container").splitlines()
    names = tuple(line.removeprefix("AddDevice=") for line in lines if line.startswith("AddDevice="))
    return {"asked": names, "seen": heard(run(scene, Access(method="cdi", cdi=names)))}


def exported(scene: Scene, kind: str, file: str) -> str:
    """Return a file that the tool exports for the image."""
    words = ["export", kind, "--image", gpu_image.NAME, "--by-tag", "--vendor", "cuda", *scene.hosted]
    ended, found = ask(words, scene.environment, scene.left)
    texts = {one["path"]: str(one["text"]) for one in found.get("files", ())}
    if file not in texts:
        raise WrongError(f"exit {ended.code}: {found.get('text') or ended.stderr.strip()[-500:]}")
    return texts[file]


def doctor(scene: Scene) -> dict[str, Any]:
    """Ask the doctor about the host, its engine and the image."""
    words = ["doctor", *(scene.hosted or ("--image", gpu_image.NAME))]
    ended, found = ask(words, scene.environment, scene.left)
    if ended.code != 0:
        primary = found.get("primary") or {}
        raise WrongError(f"exit {ended.code}: {primary.get('text') or ended.stderr.strip()[-500:]}", answer=found)
    return {"answer": found}


# In this order: what shows most comes before what may fall out when time runs short.
STEPS = (
    Step("machine", "what this machine lacks for an engine of its own", 60, machine),
    Step("engine", "Docker starts in namespaces of its own", 45, engine, ("machine",)),
    Step("cdi", "a CDI specification of device nodes and driver libraries", 20, cdi, ("engine",)),
    Step("image", "an image of this machine's own Python is imported", 200, image, ("engine",)),
    Step("inside", "the driver answers inside, and not without a request", 60, inside, ("cdi", "image")),
    Step("verify jax", "kgpu-env verify IMAGE on JAX, with its control", 150, verifying("jax"), ("cdi", "image")),
    Step("gate", "kgpu-env gate, from the record of it", 10, gate, ("image",)),
    Step("request lost", "not proved where the engine loses the device request", 80, request_lost, ("cdi", "image")),
    Step("run", "kgpu-env run -- python3 -c", 60, command_inside, ("cdi", "image")),
    Step("compose", "the device request of an exported compose file", 60, compose, ("cdi", "image")),
    Step("quadlet", "the devices of an exported quadlet", 60, quadlet, ("cdi", "image")),
    Step("doctor", "kgpu-env doctor, with the image", 60, doctor, ("image",)),
    Step("verify torch", "kgpu-env verify IMAGE on torch, with its control", 150, verifying("torch"), ("cdi", "image")),
    Step(
        "specification empty",
        "not proved where the specification has no device nodes",
        80,
        specification_empty,
        ("cdi", "image"),
    ),
)

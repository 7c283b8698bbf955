"""Writes every committed file that is derived from the code; the tests fail when one is stale.

.venv/bin/python tests/regenerate.py
"""

import json
from pathlib import Path

import msgspec
from msgspec.structs import replace
from packaging.requirements import Requirement

from provision import model, records
from provision.catalogue import Listing, load
from provision.cli import documents
from provision.config.starter import schema_text
from provision.emit import EMITTERS, Order, emit
from provision.engine.access import device_access
from provision.errors import NoStackError
from provision.lock import Lock, Pinned, context_files, make_lock, read_lock
from provision.model import Request, Vendor
from provision.render import check_request, render
from provision.resolve import resolve, upgrades
from provision.resolve.explain import explanation as explanation_of
from provision.resolve.explain import rejections

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
TODAY = "2026-11-23"  # the date of the explanations: what has ended by then is said
COMMAND = ".venv/bin/python tests/regenerate.py"
RELOCK = ".venv/bin/python tests/relock.py"

# Name of the golden file: host file (None: a machine without a GPU) and request.
GOLDEN: dict[str, tuple[str | None, Request]] = {
    "cuda-h100": ("h100-580", Request(vendor=Vendor.CUDA)),
    "cuda-h100-old-driver": ("h100-535", Request(vendor=Vendor.CUDA)),
    "cuda-a100-python3.12": ("a100-535", Request(vendor=Vendor.CUDA, python="3.12")),
    "cuda-blackwell": ("rtx5090-580", Request(vendor=Vendor.CUDA)),
    "cuda-volta": ("v100-580", Request(vendor=Vendor.CUDA)),
    "cuda-maxwell": ("gtx970-535", Request(vendor=Vendor.CUDA)),
    "cuda-kepler": ("k80-470", Request(vendor=Vendor.CUDA)),
    "cuda-image-base": (
        "h100-580",
        Request(vendor=Vendor.CUDA, base="nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"),
    ),
    "cuda-python-image": ("t4-525", Request(vendor=Vendor.CUDA, base="python:3.12-slim-bookworm")),
    "cuda-everything-asked": (
        "h100-580",
        Request(
            vendor=Vendor.CUDA,
            packages=("pandas[excel]>=2.2,<3", "jupyterlab==4.4.0"),
            apt=("git", "less"),
            user=model.User(name="dev", uid=1000055, gid=1000055),
            labels={"team": 'a "quoted" $value'},
            env={"TZ": "Europe/Rome"},
        ),
    ),
    "rocm-mi300x": ("mi300x-30.10", Request(vendor=Vendor.ROCM)),
    "rocm-mi300x-wheels": ("mi300x-30.10", Request(vendor=Vendor.ROCM, base="ubuntu:24.04")),
    "rocm-mi300x-dev-base": (
        "mi300x-30.10",
        Request(vendor=Vendor.ROCM, base="rocm/dev-ubuntu-24.04:7.2.4-complete", packages=("pandas",)),
    ),
    "rocm-mi250x-old-driver": ("mi250x-6.4", Request(vendor=Vendor.ROCM)),
    "rocm-radeon": ("radeon-7900xtx", Request(vendor=Vendor.ROCM, packages=("pandas",))),
    "cuda-jax": ("gh200-580", Request(vendor=Vendor.CUDA)),
    "cuda-torch": ("a100-470", Request(vendor=Vendor.CUDA)),
    "rocm-jax": ("rx7600-30.30", Request(vendor=Vendor.ROCM, packages=("pandas",))),
    "rocm-torch": ("strix-halo-inbox", Request(vendor=Vendor.ROCM)),
    "cpu": (None, Request(vendor=Vendor.CPU)),
    "cpu-jax": (None, Request(vendor=Vendor.CPU, backend="jax")),
    "cpu-torch": (None, Request(vendor=Vendor.CPU, backend="torch")),
    "cpu-root": (None, Request(vendor=Vendor.CPU, user=model.User(name="root", uid=0, gid=0))),
}

# Hosts of the golden exports: a host file (None: no GPU), what its engine offers, and the request.
# The hosts' GPUs, drivers and nodes are synthetic (see print_hosts.py), and so are these engines.
EXPORTS: dict[str, tuple[str | None, model.Engine, Request]] = {
    "nvidia-cdi": (
        "h100-580",
        model.Engine(name="docker", version="28.5.2", cdi=("nvidia.com/gpu=0", "nvidia.com/gpu=all")),
        Request(vendor=Vendor.CUDA, packages=("jupyterlab",)),
    ),
    "nvidia-runtime": (
        "h100-580",
        model.Engine(name="docker", version="24.0.7", runtimes=("nvidia", "runc")),
        Request(vendor=Vendor.CUDA, user=model.User(name="dev", uid=1000055, gid=1000055)),
    ),
    "nvidia-mig": ("h100-mig", model.Engine(name="docker", version="24.0.7"), Request(vendor=Vendor.CUDA)),
    "amd": (
        "mi300x-spx",
        model.Engine(name="docker", version="28.5.2"),
        Request(vendor=Vendor.ROCM, packages=("jupyterlab",)),
    ),
    "amd-podman": (
        "mi300x-spx",
        model.Engine(name="podman", version="5.4.2", cdi=("amd.com/gpu=all",)),
        Request(vendor=Vendor.ROCM),
    ),
    "cpu": (None, model.Engine(name="docker", version="28.5.2"), Request(vendor=Vendor.CPU)),
}
# Files of every export that are goldens elsewhere, or no golden at all.
CARRIED = ("Dockerfile", "quick_check.py")

CUDA_IMAGE = "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
# Explanations of requests, beside one for each host without any: host file and what was asked for.
ASKED: dict[str, tuple[str, dict[str, str]]] = {
    "h100-580 asks for an unknown TensorFlow": ("h100-580", {"tensorflow": "9.9"}),
    "h100-580 asks for Python 3.14": ("h100-580", {"python": "3.14"}),
    "h100-580 asks for an unknown base": ("h100-580", {"base": "alpine:3"}),
    "h100-580 asks for CUDA 11.2": ("h100-580", {"cuda": "11.2"}),
    "h100-580 asks for TensorFlow 2.12": ("h100-580", {"tensorflow": "2.12"}),
    "h100-580 asks for CUDA 11.8 on Ubuntu 20.04": (
        "h100-580",
        {"base": "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu20.04"},
    ),
    "h100-580 asks for TensorFlow 2.10 on CUDA 11.8": (
        "h100-580",
        {"tensorflow": "2.10", "base": "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04"},
    ),
    "h100-580 asks for a base with an old cuDNN": (
        "h100-580",
        {"base": "nvidia/cuda:12.5.1-cudnn-runtime-ubuntu22.04", "tensorflow": "2.21"},
    ),
    "v100-580 asks for a CUDA image": ("v100-580", {"base": CUDA_IMAGE, "tensorflow": "2.21"}),
    "rtx5090-580 asks for a CUDA image": ("rtx5090-580", {"base": CUDA_IMAGE, "tensorflow": "2.21"}),
    "h100-535 asks for an image with cuda-compat": (
        "h100-535",
        {"base": "nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04"},
    ),
    "a6000-545 asks for a CUDA image": ("a6000-545", {"base": CUDA_IMAGE}),
    "t4-440 asks for TensorFlow 2.21": ("t4-440", {"tensorflow": "2.21"}),
    "v100-old-driver asks for TensorFlow 2.21 and Python 3.13": (
        "v100-old-driver",
        {"tensorflow": "2.21", "python": "3.13"},
    ),
    "mi300x-30.10 asks for an unknown ROCm": ("mi300x-30.10", {"rocm": "9.0"}),
    "mi300x-cpx-6.3 asks for ROCm 6.3": ("mi300x-cpx-6.3", {"rocm": "6.3"}),
    "mi300x-inbox asks for ROCm 10.1": ("mi300x-inbox", {"rocm": "10.1"}),
    "h100-535 asks for JAX": ("h100-535", {"backend": "jax"}),
    "h100-580 asks for torch": ("h100-580", {"backend": "torch"}),
    "t4-525 asks for JAX on CUDA 13": ("t4-525", {"backend": "jax", "cuda": "13.0"}),
    "mi300x-30.10 asks for JAX": ("mi300x-30.10", {"backend": "jax"}),
    "gh200-580 asks for TensorFlow alone": ("gh200-580", {"backend": "tensorflow"}),
    "rx7600-30.30 asks for TensorFlow 2.20": ("rx7600-30.30", {"tensorflow": "2.20"}),
}

# The Dockerfiles at the top and their locks: the newest stack of each vendor, on a host that gets it.
REFERENCE = {Vendor.CUDA: "h100-580", Vendor.ROCM: "mi300x-30.10"}
LOCKS = ROOT / "images" / "locks"


def host(name: str | None) -> model.Host:
    """Return a host of `tests/data/hosts`."""
    return model.decode((DATA / "hosts" / f"{name}.json").read_bytes(), model.Host) if name else model.Host()


def dockerfile(name: str) -> str:
    """Return the Dockerfile of a golden case."""
    file, request = GOLDEN[name]
    checked = check_request(request)
    return render(load(), resolve(load(), host(file), checked), checked).dockerfile


def reference(vendor: Vendor) -> dict[Path, str]:
    """Return a vendor's Dockerfile at the top and its lock: the newest stack with the wheels locked for it."""
    path = LOCKS / f"{vendor}.lock"
    old = read_lock(path)
    request = check_request(Request(vendor=vendor))
    pinned = Pinned(old.wheels, old.tools, old.platform, old.stack.base.digest)
    new = make_lock(load(), resolve(load(), host(REFERENCE[vendor]), request), request, pinned)
    held = {wheel.name: wheel.version for wheel in old.wheels}
    for requirement in map(Requirement, new.stack.packages):
        if not requirement.specifier.contains(held.get(requirement.name, "0")):
            raise SystemExit(f"{path.relative_to(ROOT)} has no {requirement}: run {RELOCK}")
    # The wheels were resolved from the catalogue that the lock names.
    new = replace(new, catalogue=old.catalogue)
    plan = render(load(), new.stack, new.request, network=context_files(new))
    return {path: model.encode(new) + "\n", ROOT / f"Dockerfile.{vendor}": plan.dockerfile}


def order(name: str) -> Order:
    """Return what a golden export is made from."""
    file, engine, request = EXPORTS[name]
    here = msgspec.structs.replace(host(file), engine=engine)
    checked = check_request(request)
    stack = resolve(load(), here, checked)
    return Order(
        stack=stack,
        request=checked,
        host=here,
        access=device_access(here, stack.vendor),
        # Another word in a Dockerfile is no news for the exports.
        plan=msgspec.structs.replace(render(load(), stack, checked), digest=f"sha256:{'0' * 64}"),
    )


def exports() -> dict[Path, str]:
    """Return the golden exports: tests/data/exports/HOST/KIND/FILE."""
    return {
        DATA / "exports" / name / kind / path: text
        for name in EXPORTS
        for kind in EMITTERS
        for path, text in emit(kind, order(name)).items()
        if Path(path).name not in CARRIED
    }


def explanation(name: str) -> str:
    """Return why a host of `tests/data/hosts` gets what it gets, as a person can check it against the sources."""
    here = host(name)
    lines: list[str] = []
    for vendor in (Vendor.CUDA, Vendor.ROCM):
        if here.gpus_of(vendor.gpu or ""):
            lines += [f"--vendor {vendor}", *_explain(here, Request(vendor=vendor)), ""]
    return "\n".join(lines or ["no GPU", ""])


def answer_to(name: str) -> str:
    """Return what a request of `ASKED` gets, and why."""
    file, wishes = ASKED[name]
    here = host(file)
    vendor = Vendor.CUDA if here.gpus_of("nvidia") else Vendor.ROCM
    asked = " ".join(f"--{option} {value}" for option, value in wishes.items())
    request = msgspec.convert({"vendor": vendor, **wishes}, Request)
    return "\n".join([f"--vendor {vendor} {asked}", *_explain(here, request), ""])


def _explain(here: model.Host, request: Request) -> list[str]:
    try:
        stack = resolve(load(), here, request, today=TODAY)
    except NoStackError as error:
        nearest = [f"  Nearest   {one.change} gives {one.gives}" for one in error.changes]
        return [f"  {error.code} {error.what}", f"  {error.why}", f"  {error.fix}", *nearest, *_told(error.rejected)]
    stack = replace(stack, upgrades=upgrades(load(), here, request, stack))
    settings = f"  jit_compile {stack.settings.jit_compile}"
    notes = [f"  {one.code}: {one.text}" for one in stack.warnings]
    packages = [f"  {package}" for package in stack.packages]
    told = [f"  {line}" for line in explanation_of(stack)]
    return [f"  {stack.summary}", settings, *notes, *packages, *told]


def _told(rejected: tuple[model.Rejection, ...]) -> list[str]:
    return [f"  {line}" for line in rejections(rejected)]


def derived() -> dict[Path, str]:
    """Return every derived file with its content."""
    found = {DATA / "dockerfiles" / f"{name}.Dockerfile": dockerfile(name) for name in GOLDEN}
    for vendor in REFERENCE:
        found |= reference(vendor)
    found |= {
        DATA / "explained" / f"{path.stem}.txt": explanation(path.stem)
        for path in sorted((DATA / "hosts").glob("*.json"))
    }
    found |= exports()
    found[ROOT / "provision" / "schemas" / "project-1.schema.json"] = schema_text()
    found |= {DATA / "explained" / f"{name.replace(' ', '-')}.txt": answer_to(name) for name in ASKED}
    found |= {
        ROOT / "provision" / "schemas" / f"{name}.schema.json": schema(kind)
        for name, kind in {**SCHEMAS, **documents.SCHEMAS}.items()
    }
    return found


SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "host-1": model.Host,
    "stack-1": model.Stack,
    "build-1": model.BuildResult,
    "proof-1": model.Proof,
    "catalogue-1": Listing,
    "lock-1": Lock,
    "gate-1": records.Answer,
    "record-1": records.Record,
}


def schema(kind: type[msgspec.Struct]) -> str:
    """Return the JSON Schema of a document."""
    return json.dumps(msgspec.json.schema(kind), indent=2) + "\n"


if __name__ == "__main__":
    for path, text in derived().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a script's answer

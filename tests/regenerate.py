"""Writes every committed file that is derived from the code; the tests fail when one is stale.

.venv/bin/python tests/regenerate.py
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from codes_page import CODES, FOLDER, code_pages, page  # type: ignore[import-not-found] # it lies beside this file
from collected import COLLECTOR, collector  # type: ignore[import-not-found] # as above
from commands_page import FOLDER as COMMAND_PAGES  # type: ignore[import-not-found] # as above
from commands_page import INDEX, command_pages, index
from kinds import goldens  # type: ignore[import-not-found] # as above; no package holds them
from msgspec.structs import replace
from packaging.requirements import Requirement
from thousand_nodes import goldens as fleets  # type: ignore[import-not-found] # as above

from provision import model, records
from provision.api.bundle import BundleResult
from provision.api.records import KeyPair
from provision.bundle import Bundle
from provision.catalogue import Listing, load
from provision.cli import documents
from provision.config.starter import schema_text
from provision.emit import OUTPUTS, Order, emit
from provision.engine.access import device_access
from provision.errors import NoStackError
from provision.lock import Lock, Pinned, files_of, locked_plan, make_lock, read_lock
from provision.model import Request, Vendor
from provision.model.fleet import FleetBuild, FleetExamination, FleetPlan
from provision.model.fleet_apply import FleetApply
from provision.model.fleet_probe import FleetProbe
from provision.model.fleet_status import FleetStatus
from provision.model.inventory import Inspection
from provision.model.json_schema import json_schema
from provision.model.size import ImageSize
from provision.prove.checks import table
from provision.render import check_request, render
from provision.render.dockerfile import default_tag
from provision.resolve import resolve, upgrades
from provision.resolve.explain import explanation as explanation_of
from provision.resolve.explain import rejections

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
PROOF = ROOT / "docs" / "proof.md"
CHECKS_BEGIN, CHECKS_END = "<!-- checks: begin -->", "<!-- checks: end -->"
TODAY = "2026-11-23"  # the date of the explanations: what has ended by then is said
COMMAND = ".venv/bin/python tests/regenerate.py"
RELOCK = "./run relock"

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
    "cuda-torch": ("a100-470", Request(vendor=Vendor.CUDA, backend="torch")),
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

# Explanations of requests, beside one for each host without any.
ASKED: dict[str, dict[str, Any]] = yaml.load((DATA / "asked.yaml").read_text(), yaml.CSafeLoader)

# The Dockerfiles at the top and their locks: the newest stack of each vendor, on a host that gets it.
REFERENCE = {Vendor.CUDA: "h100-580", Vendor.ROCM: "mi300x-30.10"}
LOCKS = ROOT / "images" / "locks"

IMAGE_LOCKS = ROOT / "tests" / "engine" / "locks"
Files = Callable[[], dict[Path, str]]


class StaleLockError(Exception):
    """A lock has not the wheels that its stack needs, and only a package index has them."""


def host(name: str | None) -> model.Host:
    """Return a host of `tests/data/hosts`."""
    return model.decode((DATA / "hosts" / f"{name}.json").read_bytes(), model.Host) if name else model.Host()


def dockerfile(name: str) -> str:
    """Return the Dockerfile of a golden case."""
    file, request = GOLDEN[name]
    checked = check_request(request)
    return render(load(), resolve(load(), host(file), checked), checked).dockerfile


def reference(vendor: Vendor) -> dict[Path, str]:
    """Return a vendor's Dockerfile at the top and its lock: the newest stack with the wheels locked for it.

    Raises:
        StaleLockError: the lock lacks a wheel that the newest stack needs.
    """
    path = LOCKS / f"{vendor}.lock"
    old = read_lock(path)
    new = relocked(path, old, host(REFERENCE[vendor]), Request(vendor=vendor), old.stack.base.digest)
    plan = locked_plan(load(), new)
    return _texts(new, path) | {ROOT / f"Dockerfile.{vendor}": plan.dockerfile}


def image_lock(path: Path) -> dict[Path, str]:
    """Return the lock of one of the tests' images: no digest, so that a machine without a registry makes the base."""
    old = read_lock(path)
    return _texts(relocked(path, old, model.Host(), old.request, None), path)


def _texts(lock: Lock, path: Path) -> dict[Path, str]:
    return {file: content.decode() for file, content in files_of(lock, path).items()}


def relocked(path: Path, old: Lock, here: model.Host, asked: Request, digest: str | None) -> Lock:
    """Return the lock of today's plan with the wheels of an old one, which were resolved from its catalogue.

    Raises:
        StaleLockError: the old one lacks a wheel that the plan needs.
    """
    request = check_request(asked)
    pinned = Pinned(old.wheels, old.tools, old.platform, digest)
    new = make_lock(load(), resolve(load(), here, request), request, pinned)
    held = {wheel.name: wheel.version for wheel in old.wheels}
    kind = "reference" if path.parent == LOCKS else "images"
    for requirement in map(Requirement, (*new.stack.packages, *new.request.packages)):
        if not requirement.specifier.contains(held.get(requirement.name, "0")):
            raise StaleLockError(f"{path.relative_to(ROOT)} has no {requirement}: run {RELOCK} {kind}")
    return replace(new, catalogue=old.catalogue)


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
        # Another word in a Dockerfile is no news for the exports, which name the last build.
        plan=msgspec.structs.replace(
            render(load(), stack, checked), digest=f"sha256:{'0' * 64}", tag=default_tag(stack)
        ),
    )


def exported(name: str, kind: str) -> dict[Path, str]:
    """Return the golden exports of one kind: tests/data/exports/HOST/KIND/FILE."""
    files = emit(kind, order(name)).items()
    return {DATA / "exports" / name / kind / path: text for path, text in files if Path(path).name not in CARRIED}


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
    wishes = ASKED[name]["ask"]
    here = host(ASKED[name]["host"])
    vendor = Vendor.CUDA if here.gpus_of("nvidia") else Vendor.ROCM
    asked = " ".join(f"--{option} {value}" for option, value in wishes.items())
    request = msgspec.convert({"vendor": vendor, **wishes}, Request)
    return "\n".join([f"--vendor {vendor} {asked}", *_explain(here, request), ""])


def _explain(here: model.Host, request: Request) -> list[str]:
    try:
        stack = resolve(load(), here, request, today=TODAY)
    except NoStackError as error:
        nearest = [f"  Nearest   {one.change} gives {one.gives}" for one in error.changes]
        return [f"  {error.code} {error.text}", f"  {error.cause}", f"  {error.fix}", *nearest, *_told(error.rejected)]
    stack = replace(stack, upgrades=upgrades(load(), here, request, stack))
    settings = f"  jit_compile {stack.settings.jit_compile}"
    notes = [f"  {one.code}: {one.text}" for one in stack.warnings]
    packages = [f"  {package}" for package in stack.packages]
    told = [f"  {line}" for line in explanation_of(stack)]
    return [f"  {stack.summary}", settings, *notes, *packages, *told]


def _told(rejected: tuple[model.Rejection, ...]) -> list[str]:
    return [f"  {line}" for line in rejections(rejected)]


def checks_table() -> str:
    """Return the table of checks as docs/proof.md has it."""
    lines = ["| check | what it asks | required |", "|---|---|---|"]
    for row in table.rows():
        required = "yes" if row.required_for else "at that level" if row.scope.levels == ("soak",) else "no"
        lines.append(f"| {row.name} | {row.description} | {required} |")
    return "\n".join(lines)


def proof_document(text: str) -> str:
    """Return docs/proof.md with its table of checks as it should be."""
    before, _, rest = text.partition(CHECKS_BEGIN)
    _, _, after = rest.partition(CHECKS_END)
    return f"{before}{CHECKS_BEGIN}\n{checks_table()}\n{CHECKS_END}{after}"


def makers() -> str:
    """Return the module that tells the workload, which runs without this package, what it asks of each maker."""
    known = {
        vendor.value: {
            "nodes": [f"{row.own_node}*", *row.shared_nodes],
            "settings": row.settings,
            "library": row.library,
            "library_files": row.library_files,
            "library_calls": row.library_calls,
            "build_key": row.build_key,
            "torch_version": row.torch_version,
        }
        for vendor, row in model.GPU_VENDORS.items()
    }
    return MAKERS_HEAD + f"# fmt: off\nMAKERS: dict[str, dict[str, Any]] = {json.dumps(known, indent=4)}\n"


def derived() -> dict[Path, Files]:
    """Return what writes each derived file, or those of each folder; nothing is made before it is called.

    A row of the catalogue that one of them cannot digest is so told by that one alone.
    """
    explained = DATA / "explained"
    texts: dict[Path, Callable[[], str]] = {
        **{DATA / "dockerfiles" / f"{name}.Dockerfile": partial(dockerfile, name) for name in GOLDEN},
        **{explained / f"{path.stem}.txt": partial(explanation, path.stem) for path in (DATA / "hosts").glob("*.json")},
        **{explained / f"{name.replace(' ', '-')}.txt": partial(answer_to, name) for name in ASKED},
        **{SCHEMA_FOLDER / f"{name}.schema.json": partial(schema, kind) for name, kind in SCHEMAS.items()},
        SCHEMA_FOLDER / "project-1.schema.json": schema_text,
        CODES: page,
        INDEX: index,
        MAKERS_MODULE: makers,
        COLLECTOR: collector,
        PROOF: lambda: proof_document(PROOF.read_text()),
        **goldens(),
        **fleets(),
    }
    found: dict[Path, Files] = {path: partial(_one, path, text) for path, text in sorted(texts.items())}
    found |= {path: partial(image_lock, path) for path in IMAGE_LOCKS.glob("*.lock")}
    found |= {LOCKS / f"{vendor}.lock": partial(reference, vendor) for vendor in REFERENCE}
    found |= {FOLDER: code_pages, COMMAND_PAGES: command_pages}
    return found | {
        DATA / "exports" / name / kind: partial(exported, name, kind) for name in EXPORTS for kind in OUTPUTS
    }


def _one(path: Path, text: Callable[[], str]) -> dict[Path, str]:
    return {path: text()}


MAKERS_MODULE = ROOT / "provision" / "prove" / "workload" / "makers.py"
MAKERS_HEAD = '''"""What the workload asks of each maker. Written by tests/regenerate.py from the table of vendors."""

from __future__ import annotations

from typing import Any

'''
SCHEMAS: dict[str, type[msgspec.Struct]] = {
    "host-1": model.Host,
    "stack-1": model.Stack,
    "build-1": model.BuildResult,
    "size-1": ImageSize,
    "inspect-1": Inspection,
    "bundled-1": BundleResult,
    "bundle-1": Bundle,
    "proof-1": model.Proof,
    "catalogue-1": Listing,
    "lock-1": Lock,
    "gate-1": records.Answer,
    "key-1": KeyPair,
    "record-2": records.Record,
    "fleet-apply-1": FleetApply,
    "fleet-build-1": FleetBuild,
    "fleet-doctor-1": FleetExamination,
    "fleet-plan-1": FleetPlan,
    "fleet-probe-1": FleetProbe,
    "fleet-status-1": FleetStatus,
    **documents.SCHEMAS,
}
SCHEMA_FOLDER = ROOT / "provision" / "schemas"


def schema(kind: type[msgspec.Struct]) -> str:
    """Return the JSON Schema of a document."""
    return json.dumps(json_schema(kind), indent=2) + "\n"


def write() -> list[str]:
    """Write what is stale and tell it; return what could not be made, with the command that fixes it."""
    left = []
    for files in derived().values():
        try:
            found = files()
        except StaleLockError as error:
            left.append(str(error))
            continue
        for path, text in found.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a script's answer
    return left


if __name__ == "__main__" and (left := write()):
    raise SystemExit("\n".join(left))

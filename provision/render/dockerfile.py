"""Renders `templates/dockerfile/<vendor>.j2`; the same stack and request always give the same text."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from provision import __version__
from provision.catalogue import Catalogue
from provision.model import GPU_VENDORS, Pin, Request, Stack, Vendor, labels
from provision.model.base import Value
from provision.model.inside import VENV
from provision.model.pins import requirement
from provision.model.request import WheelCache
from provision.render.layers import beside_base, code_of, layers_of
from provision.render.quoting import comment, quoted, shell
from provision.resources import folder, keep

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = folder("templates") / "dockerfile"
_NEXT = " \\\n    "  # continues a command
_DIGITS = 6  # of a digest, in a tag
UV = "tools/uv"  # the program, in a context that brings it
DEBIAN = "debian"  # the folder of Debian packages, in a context that brings them
PACKAGES = f"{DEBIAN}/packages"  # beside them: their names
LOGINS = "network/netrc"  # of the context; pip and uv read it, and do without where it is not there
_NETWORK = {
    "ca": "network/ca.crt",
    "uv": "network/uv.toml",
    "pip": "network/pip.conf",
    "apt": "network/apt.conf",
    "tools": UV,
    "debian": PACKAGES,
}


class Plan(Value):
    """A Dockerfile with its context, ready to be built."""

    dockerfile: str
    files: dict[str, bytes]  # the whole context by relative path, the Dockerfile included
    digest: str  # sha256 of what the image is made of; the host's network settings do not count
    tag: str  # tells the stack and, by the digest's first digits, the plan: one tag for one content


def render(  # noqa: PLR0913 - each decides a part of the text, and most callers give the first three alone
    catalogue: Catalogue,
    stack: Stack,
    request: Request,
    *,
    base: str | None = None,
    network: Mapping[str, bytes] | None = None,
    pins: Sequence[Pin] | None = None,
    cache: WheelCache = "layer",
    origin: Mapping[str, str] | None = None,
) -> Plan:
    """Return the plan for a stack.

    Args:
        catalogue: tells the version of uv; its cache keeps rendered texts too.
        stack: what goes into the image.
        request: packages, user, labels and environment; already checked by `check_request`.
        base: another image to start from in place of the stack's own (one that was made locally).
        network: files below `network/` of the context, which the build reads and the image does not keep; and uv, at
            `UV`, where it need not be fetched first.
        pins: all that is installed, in place of the stack's packages and the user's. They are written into the
            Dockerfile, which so needs no file beside it. None: the Dockerfile resolves what it installs.
        cache: where wheels are unpacked. Neither it nor the network is a part of the digest: the image is the same.
        origin: labels that tell where the image comes from; they are no part of the digest either.
    """
    files = dict(network or {})
    page = _Page(catalogue, stack, request, base or _reference(stack), pins)
    digest = hashlib.sha256(page.text("", {}, "layer", {}).encode()).hexdigest()
    dockerfile = page.text(f"sha256:{digest}", files, cache, origin or {})
    return Plan(
        dockerfile=dockerfile,
        files={"Dockerfile": dockerfile.encode(), **files},
        digest=f"sha256:{digest}",
        tag=tag_of(stack, digest),
    )


def tag_of(stack: Stack, digest: str) -> str:
    """Return the tag of one content: kgpu-env/cuda:tf2.17.1-cuda12.3.1-py3.11-4be1f0.

    Args:
        stack: what is in the image.
        digest: hexadecimal digits of what makes one content another.
    """
    return f"{default_tag(stack)}-{digest[:_DIGITS]}"


def default_tag(stack: Stack) -> str:
    """Return the tag that tells the stack, and means its last build: kgpu-env/cuda:tf2.17.1-cuda12.3.1-py3.11."""
    framework = "tf" if stack.backend == "tensorflow" else stack.backend
    runtime = "" if stack.vendor is Vendor.CPU else f"-{stack.runtime.name}{stack.runtime.version}"
    return f"kgpu-env/{stack.vendor}:{framework}{stack.framework.version}{runtime}-py{stack.python}"


class _Page(NamedTuple):
    """What a Dockerfile's text is made of, apart from its own digest and the host's network."""

    catalogue: Catalogue
    stack: Stack
    request: Request
    base: str
    pins: Sequence[Pin] | None

    def text(self, digest: str, files: Mapping[str, bytes], cache: WheelCache, origin: Mapping[str, str]) -> str:
        """Return the Dockerfile, labelled with `digest` and `origin`, using the network settings among `files`."""
        stack = self.stack
        uv = next(tool for tool in self.catalogue.images.tools if tool.id == "uv")
        values = {
            "stack": stack,
            "keras_only": stack.backend != "tensorflow",
            "request": self.request,
            "base": self.base,
            "version": __version__,
            "uv_version": uv.version,
            "venv": VENV,
            "site": f"{VENV}/lib/python{stack.python}/site-packages",
            "install_options": _install_options(stack),
            "labels": _labels(stack, self.request, digest, origin),
            "next": _NEXT,
            "layers": layers_of(self.catalogue, stack, self.request, self.pins),
            "pinned": None if self.pins is None else sum(pin.use != "tool" for pin in self.pins),
            "tools": [requirement(pin) for pin in self.pins or () if pin.use == "tool"],
            "code": code_of(self.pins),
            "beside_base": beside_base(self.pins) if stack.framework_in_base else None,
            "symbols": _symbols(),
            "mount_cache": cache == "mount",
            "smoke": _smoke(stack),
            "network": _given(files),
        }
        return _composed(stack.vendor, values, self.catalogue.cache)


def fetching(base: str, names: Sequence[str], network: Mapping[str, bytes]) -> str:
    """Return the Dockerfile of an image that has Debian packages as files, and nothing else.

    Args:
        base: the image that they are to be installed in.
        names: "hello", or "hello=2.10-3".
        network: as of `render`.
    """
    values = {"base": base, "names": names, "network": _given(network), "next": _NEXT}
    return _templates().get_template("debian.j2").render(values) + "\n"


def _given(files: Mapping[str, bytes]) -> dict[str, bool]:
    """Return what a context brings for the way to the network, or in its place."""
    found = {name: file in files for name, file in _NETWORK.items()}
    return found | {"any": any(name.startswith("network/") for name in files)}


def _composed(vendor: Vendor, values: Mapping[str, object], cache: Path | None) -> str:
    """Return the vendor's template filled with `values`, which decide the text together with the templates alone."""
    if cache is None:
        return _compose(vendor, values)
    templates = b"".join(path.read_bytes() for path in sorted(_TEMPLATES.glob("*.j2")))
    mark = hashlib.sha256(templates + msgspec.json.encode(values, order="sorted")).hexdigest()
    copy = cache / f"{vendor}-{mark[:40]}.Dockerfile"
    try:
        return copy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = _compose(vendor, values)
    keep(copy, text.encode())
    return text


def _compose(vendor: Vendor, values: Mapping[str, object]) -> str:
    text = _templates().get_template(f"{vendor}.j2").render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@functools.cache
def _templates() -> "Environment":
    """Return the templates, each compiled once a process: that takes ten times as long as filling it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 50 ms, which a cached Dockerfile need not pay

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML; the filters below quote for each place
    )
    environment.filters.update(quoted=quoted, shell=shell, comment=comment)
    return environment


def _reference(stack: Stack) -> str:
    return f"{stack.base.image}@{stack.base.digest}" if stack.base.digest else stack.base.image


@functools.cache
def _symbols() -> list[str]:
    """Return the program that takes a library's symbol tables out, by its lines without comments."""
    lines = (_TEMPLATES / "symbols.py").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def _smoke(stack: Stack) -> str:
    """Return the command that imports the framework, which fails the build where that does not work."""
    if stack.vendor in GPU_VENDORS and not GPU_VENDORS[stack.vendor].imported_in_build:
        return ""
    keras = f"KERAS_BACKEND={stack.backend} {VENV}/bin/python -c 'import keras'"
    return f"{VENV}/bin/python -c 'import tensorflow'" if stack.backend == "tensorflow" else keras


def _install_options(stack: Stack) -> list[str]:
    options = [f"--index {shell(index)}" for index in stack.indexes]
    if stack.indexes:
        options.append("--index-strategy unsafe-best-match")  # the local versions +rocmX.Y keep other builds out
    if stack.find_links:
        options.append(f"--find-links {shell(stack.find_links)}")
    return options


def _labels(stack: Stack, request: Request, digest: str, origin: Mapping[str, str]) -> list[tuple[str, str]]:
    # Not the host's GPUs: the image is the same for all that its stack serves.
    kept = ("schema", "vendor", "route", "framework", "backend", "runtime", "python", "base", "settings")
    values = {name: value for name, value in msgspec.to_builtins(stack).items() if name in kept}
    described = {
        "org.opencontainers.image.title": f"Keras on {stack.vendor}",
        "org.opencontainers.image.description": stack.summary,
        "org.opencontainers.image.base.name": stack.base.image,
    }
    own = {
        labels.VERSION: __version__,
        labels.STACK: json.dumps(values, sort_keys=True, separators=(",", ":")),
        labels.PLAN: digest,
    }
    return sorted({**described, **origin, **request.labels, **own}.items())

"""Rows of a site for releases that the catalogue does not have yet, as far as they follow from a wheel's metadata.

The GPU code inside a wheel does not follow from it: a draft has that of the row before, and is unconfirmed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from provision.catalogue import Catalogue, rows
from provision.model import version_key
from provision.model.published import Freshness, Published, PublishedFile

FILES: Final[Mapping[str, tuple[str, ...]]] = {  # of a site's folder, and whose releases it has
    "tensorflow.yaml": ("tensorflow",),
    "keras.yaml": ("torch", "jax-cuda13-plugin", "jax-cuda12-plugin"),
}
TABLES: Final[Mapping[str, str]] = {"tensorflow.yaml": "releases", "keras.yaml": "keras_cuda"}
_LINUX: Final = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
_NOTE: Final = "a draft from the metadata of {file}; sass and ptx are those of {before} and were not measured"
_NAMED: Final = {"keras", "keras-nightly", "numpy"}  # what a row of TensorFlow repeats of its requirements
_ACCELERATED: Final = ("nvidia-", "cuda-toolkit")


_TF: Final[type[rows.Row]] = rows.TensorFlowRelease
_KERAS: Final[type[rows.Row]] = rows.KerasCuda


class NotDrafted(Exception):  # noqa: N818 - it is an answer
    """Why no row follows from a release's metadata."""


class Release(NamedTuple):
    """A version of a project, and what its wheel says."""

    project: str
    version: str
    published: Published
    requires: tuple[str, ...]  # requires_dist


def wanted(file: str, found: tuple[Freshness, ...]) -> Iterator[tuple[str, str]]:
    """Yield the projects with the versions that a draft of `file` may have: newer than every row."""
    for one in found:
        if one.project in FILES[file] and not one.index and one.newest_row:
            for version in (one.newest, one.ahead):
                if version and Version(version) > Version(one.newest_row):
                    yield one.project, version


def wheel_of(published: Published, version: str) -> PublishedFile | None:
    """Return the wheel for x86-64 Linux, that for the newest Python, or None."""
    found = list(_wheels(published, version))
    return max(found, key=lambda one: version_key(one[1] or "0"))[0] if found else None


def _wheels(published: Published, version: str) -> Iterator[tuple[PublishedFile, str, str]]:
    """Yield the wheels for x86-64 Linux, each with its Python ("3.12", or "" for any) and C library."""
    for file in published.files:
        if file.version != version or not file.name.endswith(".whl") or file.yanked is not None:
            continue
        for tag in parse_wheel_filename(file.name)[3]:
            python = re.fullmatch(r"cp3(\d+)", tag.interpreter)
            glibc = re.fullmatch(r"manylinux_2_(\d+)_x86_64", tag.platform)
            if glibc and not tag.abi.endswith("t"):
                yield file, f"3.{python[1]}" if python else "", f"2.{glibc[1]}"


def drafted(catalogue: Catalogue, release: Release, today: str) -> dict[str, Any]:
    """Return the row for a release, as plain data.

    Raises:
        NotDrafted: it does not follow from the metadata; the text says what is missing.
    """
    make, kind = (_tensorflow, _TF) if release.project == "tensorflow" else (_alternative, _KERAS)
    row = make(catalogue, release, today)
    try:
        msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise NotDrafted(str(error)) from error
    return row


def _common(release: Release, before: rows.CudaBuild, today: str) -> dict[str, Any]:
    found = list(_wheels(release.published, release.version))
    pythons = sorted({python for _, python, _ in found if python}, key=version_key)
    if not pythons:
        raise NotDrafted("it has no wheel for x86-64 Linux")
    newest = wheel_of(release.published, release.version)
    return {
        "version": release.version,
        "python": pythons,
        "glibc": min((glibc for _, _, glibc in found), key=version_key),
        "sass": list(before.sass),
        "ptx": msgspec.to_builtins(before.ptx),
        "confidence": "unconfirmed",
        "note": _NOTE.format(file=newest.name if newest else release.version, before=before.id),
        "source": f"metadata of {release.project} {release.version} in the package index",
        "checked": today,
    }


def _tensorflow(catalogue: Catalogue, release: Release, today: str) -> dict[str, Any]:
    before = catalogue.tensorflow[0]
    plain, extra = _least(release.requires, ""), _least(release.requires, "and-cuda")
    suffix, runtime = next(
        ((name.removeprefix("nvidia-cuda-runtime-"), low) for name, low in extra.items() if "cuda-runtime" in name),
        ("", ""),
    )
    sets = {f"{row.suffix} {row.packages['cuda-runtime']}": row.cuda for row in catalogue.nvidia.wheels}
    cuda = sets.get(f"{suffix} {runtime}")
    if cuda is None:
        raise NotDrafted(f"no row of wheels has CUDA {runtime or 'libraries'} of its extra and-cuda")
    own = [one for one in map(Requirement, release.requires) if one.name in _NAMED and one.name in plain]
    return {
        "id": f"tensorflow-{release.version}",
        **_common(release, before, today),
        "cuda": cuda,
        "cudnn": _known_cudnn(catalogue, extra.get(f"nvidia-cudnn-{suffix}", "")),
        "nccl": extra.get(f"nvidia-nccl-{suffix}"),
        "requires": [_without_marker(one) for one in own],
        "links_needed": before.links_needed,
    }


def _known_cudnn(catalogue: Catalogue, version: str) -> str:
    if version not in {row.version for row in catalogue.nvidia.cudnn}:
        raise NotDrafted(f"no row of cudnn has {version or 'its cuDNN'}")
    return version


def _alternative(catalogue: Catalogue, release: Release, today: str) -> dict[str, Any]:
    before = _before(catalogue, release.project)
    packages = (_of_torch if release.project == "torch" else _of_jax)(release, before)
    pins = {Requirement(one).name: Requirement(one) for one in packages}
    exact = {name: next((part.version for part in one.specifier), "") for name, one in pins.items()}
    cudnn = next((version for name, version in exact.items() if name.startswith("nvidia-cudnn-")), "")
    cuda = exact.get("cuda-toolkit") or before.cuda
    return {
        "id": f"{before.backend}-{release.version}-cuda{cuda.partition('.')[0]}",
        "backend": before.backend,
        **_common(release, before, today),
        "cuda": cuda,
        "cudnn": _known_cudnn(catalogue, cudnn),
        "machines": list(before.machines),
        "packages": packages,
    }


def _before(catalogue: Catalogue, project: str) -> rows.KerasCuda:
    """Return the newest row whose packages have the project."""
    found = [
        row
        for row in catalogue.keras.keras_cuda
        if any(canonicalize_name(Requirement(text).name) == project for text in row.packages)
    ]
    return max(found, key=lambda row: version_key(row.version))


def _of_torch(release: Release, before: rows.KerasCuda) -> list[str]:
    """Return torch, the libraries that it names exactly, and what of the row before is no library of CUDA's."""
    own = [one for one in map(Requirement, release.requires) if _applies(one, "")]
    libraries = [one for one in own if one.name.startswith(_ACCELERATED) and str(one.specifier).startswith("==")]
    if not any(one.name == "cuda-toolkit" for one in libraries):
        raise NotDrafted("it names no cuda-toolkit, which would tell its CUDA")
    named = [_without_marker(one) for one in libraries]
    rest = [text for text in before.packages if not Requirement(text).name.startswith((*_ACCELERATED, "torch"))]
    return [f"torch=={release.version}", *named, *rest]


def _of_jax(release: Release, before: rows.KerasCuda) -> list[str]:
    """Return JAX with the libraries of the row before, where the new release takes them."""
    asked = {one.name: one for one in map(Requirement, release.requires) if _applies(one, "with-cuda")}
    found = []
    for text in before.packages:
        one = Requirement(text)
        pinned = next((part.version for part in one.specifier if part.operator == "=="), "")
        if one.name in asked and pinned and pinned not in asked[one.name].specifier:
            raise NotDrafted(f"it asks for {one.name}{asked[one.name].specifier}, and {before.id} has {pinned}")
        found.append(f"{one.name}=={release.version}" if one.name.startswith("jax") else text)
    return found


def _least(requires: tuple[str, ...], extra: str) -> dict[str, str]:
    """Return the lowest version that each requirement of an extra admits: "9.3.0.75" of ">=9.3.0.75,<10"."""
    found: dict[str, str] = {}
    for one in map(Requirement, requires):
        if _applies(one, extra) and bool(extra) is ("extra" in str(one.marker or "")):
            found[one.name] = next((part.version for part in one.specifier if part.operator in {"==", ">="}), "")
    return found


def _applies(one: Requirement, extra: str) -> bool:
    return one.marker is None or one.marker.evaluate({**_LINUX, "extra": extra, "python_version": "3.12"})


def _without_marker(one: Requirement) -> str:
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    return f"{one.name}{extras}{one.specifier}"

"""What added packages bring along is judged like what is chosen: GPU libraries, and Debian packages with drivers."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import get_args

from packaging.utils import canonicalize_name

from provision.catalogue import Catalogue, rows
from provision.model import Stack, Vendor
from provision.model.request import Backend


def misfit(catalogue: Catalogue, stack: Stack, found: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """Return why the GPU libraries among packages do not go with a stack, and what to ask for; None where all do.

    Args:
        catalogue: has the table of such packages.
        stack: its vendor and runtime decide.
        found: name and version of what is added beside the stack's own packages.
    """
    own = {canonicalize_name(re.split(r"[\[=<>!~ ;]", text)[0]) for text in stack.packages}
    added = [(name, version) for name, version in found if name not in own]
    strange = list(_strange(catalogue, stack, added))
    if not strange:
        return None
    name, version, row, major = strange[0]
    runtime = _title(row.vendor)
    more = f" (and {len(strange) - 1} more such packages)" if len(strange) > 1 else ""
    is_for = f"{runtime} {major}".rstrip()
    have = (
        "an environment for the CPU"
        if stack.vendor is Vendor.CPU
        else f"{_title(stack.vendor.value)} {stack.runtime.version}"
    )
    if stack.vendor is Vendor.CPU:
        fix = f"ask for its build for the CPU (torch==2.13.0+cpu of PyTorch's own index), or for --vendor {row.vendor}"
    else:
        fix = f"ask for a release or build of it for {_title(stack.vendor.value)} {stack.runtime.version}"
    other = _alternative(catalogue, stack, {name for name, _ in added})
    own_stack = f"; or --backend {other}, whose stacks are made for it" if other else ""
    return (
        f"{name} {version}{more} brings libraries of {is_for}, and this is {have}",
        f"{fix}{own_stack}; or leave it out",
    )


def _alternative(catalogue: Catalogue, stack: Stack, names: Collection[str]) -> str | None:
    """Return the framework among packages of which a stack could be made in the place of this one."""
    frameworks = (row.id for row in catalogue.packages.same if row.framework and row.names[0] in names)
    return next((name for name in frameworks if name in get_args(Backend) and name != stack.backend), None)


def about_gpu(catalogue: Catalogue, text: str) -> bool:
    """Tell whether a reason speaks of GPU libraries, which are the same for every Python."""
    words = (re.split(r"[\[=<>!~;,]", word)[0] for word in text.split())
    return any(re.fullmatch(row.pattern, word) for word in words for row in catalogue.packages.gpu)


def _title(runtime: str) -> str:
    """Return a runtime's name as people write it."""
    return Vendor(runtime).row.runtime_title


def _strange(
    catalogue: Catalogue, stack: Stack, found: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str, rows.GpuPackage, str]]:
    have = stack.runtime.version.partition(".")[0]
    for name, version in found:
        row = next((one for one in catalogue.packages.gpu if re.fullmatch(one.pattern, name)), None)
        if row is None:
            continue
        major = row.major or (version.partition(".")[0] if row.major_in_version else "")
        if row.vendor != stack.vendor.value or (major and major != have):
            yield name, version, row, major

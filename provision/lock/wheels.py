"""Every wheel of a stack with its hashes, as uv resolves them for the container's Python and platform."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
import msgspec.toml  # tomllib, or on Python 3.10 tomli

from provision.errors import InputError
from provision.lock.document import Wheel
from provision.model import Request, Stack

_SECONDS = 600.0
_UNREACHED = r"Failed to fetch:? `?([^\s`]+)"  # uv's words
_NEWEST_GLIBC = 40  # the newest that uv has a platform for

Run = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str, str]]


def platform_of(machine: str, glibc: str) -> str:
    """Return uv's name of the platform: ("x86_64", "2.36") gives "x86_64-manylinux_2_36"."""
    minor = min(int(glibc.split(".")[1]), _NEWEST_GLIBC)
    return f"{machine}-manylinux_2_{minor}"


class Uv(NamedTuple):
    """The program, and how it is started."""

    program: str
    environment: Mapping[str, str]  # index and certificates come from it
    run: Run | None = None  # a test gives its own


def compile_wheels(stack: Stack, request: Request, platform: str, uv: Uv) -> tuple[Wheel, ...]:
    """Return all distributions that the stack and the requested packages need, by name.

    Args:
        stack: its packages, Python and indexes.
        request: its packages.
        platform: as `platform_of` writes it.
        uv: what resolves them.

    Raises:
        InputError: KGE-622, the packages cannot be resolved together; KGE-623, uv answers something else; KGE-626, a
            package index does not answer.
    """
    sources: list[str] = []
    for index in stack.indexes:
        sources += ["--index", index]
    if stack.indexes:
        sources += ["--index-strategy", "unsafe-best-match"]
    if stack.find_links:
        sources += ["--find-links", stack.find_links]
    return _compile([*stack.packages, *request.packages], [*_target(stack, platform), *sources], uv)


def compile_tools(stack: Stack, versions: Mapping[str, str], platform: str, uv: Uv) -> tuple[Wheel, ...]:
    """Return the programs that take part in the build of a stack of wheels, as `compile_wheels` does.

    Args:
        stack: its Python runs them.
        versions: their exact versions: {"uv": "0.13.9"}.
        platform: as `platform_of` writes it.
        uv: what resolves them.
    """
    wanted = [f"{name}=={version}" for name, version in versions.items()] if stack.packages else []
    return _compile(wanted, _target(stack, platform), uv)


def _target(stack: Stack, platform: str) -> list[str]:
    return ["--python-version", stack.python, "--python-platform", platform]


def _compile(wanted: Sequence[str], options: Sequence[str], uv: Uv) -> tuple[Wheel, ...]:
    if not wanted:
        return ()
    # astunparse and a few other old dependencies of TensorFlow are wheels too: nothing is built from source.
    # pylock.toml (PEP 751) names the files that fit this Python and platform, each with its hash.
    fixed = ["--format", "pylock.toml", "--only-binary", ":all:", "--quiet", "--no-header", "--no-annotate"]
    with tempfile.NamedTemporaryFile("w", suffix=".in", encoding="utf-8") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        command = [uv.program, "pip", "compile", file.name, *fixed, *options]
        code, out, problem = (uv.run or _run)(command, uv.environment)
    if code:
        raise _refused(problem.strip())
    return parse(out)


def _refused(problem: str) -> InputError:
    unreached = re.search(_UNREACHED, problem)
    if unreached:
        fix = "check the name and the network, or name a mirror (network: index_url in kgpu-env.yaml)"
        last = problem.splitlines()[-1].strip().removeprefix("cause: ").removeprefix("Caused by: ")
        return InputError("KGE-626", f"{unreached[1]} cannot be fetched: nothing was locked.", cause=last, fix=fix)
    fix = "loosen the packages that were asked for, or ask for another Python or TensorFlow"
    return InputError("KGE-622", "The packages cannot be locked together.", cause=problem, fix=fix)


def parse(text: str) -> tuple[Wheel, ...]:
    """Return the wheels of a pylock.toml (PEP 751), by name.

    Raises:
        InputError: KGE-623, the text is no pylock.toml, or has a package without a wheel or a wheel without sha256.
    """
    try:
        packages = msgspec.toml.decode(text)["packages"]
        found = msgspec.convert([_wheel(package) for package in packages], tuple[Wheel, ...])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise InputError(
            "KGE-623", "uv's answer is not understood.", cause=f"{type(error).__name__}: {error}"
        ) from error
    return tuple(sorted(found, key=lambda wheel: wheel.name))


def _wheel(package: Mapping[str, Any]) -> dict[str, Any]:
    files = [
        {"file": _file_name(one), "hash": f"sha256:{one['hashes']['sha256']}", "size_bytes": one.get("size")}
        for one in package["wheels"]
    ]
    files.sort(key=lambda one: str(one["file"]))
    return {"name": package["name"], "version": package["version"], "files": files}


def _file_name(wheel: Mapping[str, Any]) -> str:
    """Return a wheel's file name, which PEP 751 leaves out where the address or path ends with it."""
    where = str(wheel.get("name") or wheel.get("path") or urlsplit(wheel["url"]).path)
    return PurePosixPath(unquote(where)).name


def find_uv(search: Callable[[str], str | None]) -> str:
    """Return the path of uv: a program of that name, or the one of its package.

    Raises:
        InputError: KGE-621, there is none.
    """
    found = search("uv")
    if found:
        return found
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        fix = "pip install uv"
        raise InputError("KGE-621", "Locking wheels needs uv, which is not here.", fix=fix) from error
    return str(find_uv_bin())


def network_environment(
    files: Mapping[str, bytes], inherited: Mapping[str, str], ca_bundle: str | None, folder: Path
) -> dict[str, str]:
    """Return the environment for uv with the host's own index settings, written below `folder`."""
    environment = dict(inherited)
    if "network/uv.toml" in files:
        place = folder / "uv.toml"
        place.write_bytes(files["network/uv.toml"])
        environment["UV_CONFIG_FILE"] = str(place)
    if ca_bundle:
        environment["SSL_CERT_FILE"] = ca_bundle
    return environment


def _run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(  # noqa: S603 - uv, with arguments that were checked before
            command, env=dict(environment), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr

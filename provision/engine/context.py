"""A build context as a tar stream: the same files always give the same bytes, so that caches hold."""

import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, Final

from provision.engine.protocol import Context
from provision.errors import BuildError

_LONGEST: Final = 255  # characters of a name, which is what file systems allow; wheels have names of 110


def write_tar(context: Context, into: IO[bytes]) -> None:
    """Write the context as an uncompressed GNU archive: the Dockerfile, then the rest sorted, of root, dated 1970.

    BuildKit takes a body that begins with a PAX header for a plain Dockerfile; USTAR has no room for the names of
    wheels that fit several platforms.

    Raises:
        BuildError: KGE-409, a name that no archive or Dockerfile should hold, or no Dockerfile.
    """
    if "Dockerfile" not in context.files:
        raise BuildError("KGE-409", "the build context has no Dockerfile")
    with tarfile.open(fileobj=into, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted({*context.files, *context.programs}, key=lambda one: (one != "Dockerfile", one)):
            _check(name)
            _add(archive, name, context.files[name] if name in context.files else context.programs[name])


def tarball(context: Context) -> bytes:
    """Return what `write_tar` writes."""
    buffer = io.BytesIO()
    write_tar(context, buffer)
    return buffer.getvalue()


def _check(name: str) -> None:
    reason = ""
    if not name.isascii() or not name.isprintable():
        reason = "has characters outside of printable ASCII"
    elif "\\" in name:
        reason = "has a backslash"
    elif name.startswith("/") or name != str(PurePosixPath(name)) or ".." in PurePosixPath(name).parts:
        reason = "is not a plain relative path"
    elif len(name) > _LONGEST:
        reason = f"has more than {_LONGEST} characters"
    if reason:
        raise _bad_name(name, reason)


def _add(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    member = tarfile.TarInfo(name)
    member.mode = 0o755 if isinstance(content, Path) else 0o644
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as source:
        member.size = source.seek(0, io.SEEK_END)
        source.seek(0)
        archive.addfile(member, source)


def _bad_name(name: str, reason: str) -> BuildError:
    shown = name if len(name) <= 80 else name[:77] + "..."  # noqa: PLR2004 - what fits on a line
    return BuildError(
        "KGE-409",
        f"the file name {shown!r} of the build context {reason}",
        fix="give the file a plain relative name of at most 255 ASCII characters",
    )

"""Ed25519 keys in PEM files: the own one of this node, made at its first use, and those that are trusted."""

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provision.errors import InputError
from provision.files import open_to_others, read_with_status

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIMIT: Final = 1 << 16  # bytes of a file; a key has about 120
MAKE: Final = "make one: kgpu-env key --out FILE"
NAME: Final = "name a public key: kgpu-env key --public > FILE, on the node that signs"
_PRIVATE: Final = b"PRIVATE KEY-----"


def own_key(state: Path, node: str) -> Path:
    """Return the file of a node's own key; a home folder may be shared by many nodes.

    Args:
        state: the folder of the records, from `state_folder`.
        node: the host's name.
    """
    return state.parent / "keys" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', node).lstrip('.')[:200] or 'node'}.pem"


def read_private(path: Path) -> "Ed25519PrivateKey":
    """Return the private key in a file that nobody but its owner may read.

    Raises:
        InputError: KGE-591, the file cannot be read, is a link, others may read it, or it holds no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

    content, status = _read(path, MAKE, follow=False)
    if open_to_others(status):
        why = f"others than its owner may read or write it (mode {status.st_mode & 0o777:04o}), and sign as you do"
        fix = f"chmod 600 {path}, or make another"
        raise InputError("KGE-591", f"The key {path} is no secret.", cause=why, fix=fix)
    if _replaceable(path):
        why = f"everybody may write into {path.parent}, and put another one in its place"
        raise InputError("KGE-591", f"The key {path} is no secret.", cause=why, fix=f"chmod o-w {path.parent}")
    try:
        key = load_pem_private_key(content, password=None)
    except Exception as error:  # the library's own kinds are many: each says that this is no key that it can read
        raise _none(path, _why(content, error), MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _none(path, f"it is of another kind ({type(key).__name__}), and only Ed25519 is used", MAKE)
    return key


def read_public(path: Path) -> "Ed25519PublicKey":
    """Return the public key in a file.

    Raises:
        InputError: KGE-591, the file cannot be read, everybody may write it, or it holds no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - as above

    content, status = _read(path, NAME, follow=True)
    if status.st_mode & stat.S_IWOTH:
        why = f"everybody may write it (mode {status.st_mode & 0o777:04o}), and so choose whom you trust"
        raise InputError("KGE-591", f"The key {path} cannot be trusted.", cause=why, fix=f"chmod o-w {path}")
    if _PRIVATE in content:
        raise _none(path, "it holds a private key, which belongs to its node alone", NAME)
    try:
        key = load_pem_public_key(content)
    except Exception as error:  # as above
        raise _none(path, _why(content, error), NAME) from error
    if not isinstance(key, Ed25519PublicKey):
        raise _none(path, f"it is of another kind ({type(key).__name__}), and only Ed25519 is used", NAME)
    return key


def make(path: Path) -> "Ed25519PrivateKey":
    """Make a private key in a new file of mode 0600, whole or not at all; an existing file is never touched.

    Raises:
        InputError: KGE-591, there is a file already, or none can be written there.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key.")  # of mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            os.link(name, path)  # unlike a renaming, it refuses to replace what another process made meanwhile
        finally:
            Path(name).unlink()
    except (OSError, ValueError) as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            fix = "name another file, or print its public key: --public"
            raise InputError("KGE-591", f"{path} is there already, and no key is ever replaced.", fix=fix) from error
        why = getattr(error, "strerror", "") or str(error)
        fix = "name a file in a folder that you can write to, or set XDG_STATE_HOME to one"
        raise InputError("KGE-591", f"No key can be made at {path}.", cause=why, fix=fix) from error
    return key


def read_or_make(path: Path) -> "Ed25519PrivateKey":
    """Return a node's own key, made now if there is none.

    Raises:
        InputError: KGE-591, as `read_private` and `make`.
    """
    if not os.path.lexists(path):
        try:
            return make(path)
        except InputError:
            if not os.path.lexists(path):
                raise
    return read_private(path)


def public_text(key: "Ed25519PublicKey") -> str:
    """Return a public key as PEM, which `read_public` reads."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - 20 ms

    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()


def _read(path: Path, fix: str, *, follow: bool) -> tuple[bytes, os.stat_result]:
    try:
        return read_with_status(path, LIMIT, follow=follow)
    except OSError as error:
        raise InputError("KGE-591", f"The key {path} cannot be read.", cause=error.strerror or "", fix=fix) from error


def _replaceable(path: Path) -> bool:
    """Tell whether everybody may exchange a file; in a folder such as /tmp only its owner may."""
    try:
        mode = path.parent.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _none(path: Path, why: str, fix: str) -> InputError:
    return InputError("KGE-591", f"{path} is no key that can be used.", cause=why, fix=fix)


def _why(content: bytes, error: Exception) -> str:
    if b"-----BEGIN " not in content:
        return "it is no PEM file"
    if isinstance(error, TypeError):  # of a private key alone: a password was not given
        return "it is protected by a password, which nobody could type in for a service"
    return "its PEM holds no such key"

"""What a user may ask for: names and values that can stand in a Dockerfile, and nothing else."""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from provision.catalogue import Catalogue
from provision.errors import InputError, UsageError
from provision.model import RUNTIMES, Request, is_version, labels
from provision.model.reference import FORM, is_place, reference_of

# Patterns stay text: most runs need none of them, and compiling takes time at every start.
# Debian's rule for names; a "-" at the end would tell apt-get to remove the package.
_APT = r"[a-z0-9][a-z0-9+.-]*[a-z0-9+](=[0-9][A-Za-z0-9.+:~-]*[A-Za-z0-9+~]|=[0-9])?"
_USER = r"[a-z_][a-z0-9_-]{0,31}"
_LABEL = r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?"
_ENV = r"[A-Za-z_][A-Za-z0-9_]*"
_RESERVED_ENV = (
    *("PATH", "VIRTUAL_ENV", "CUDA_VERSION", "KERAS_BACKEND"),
    *("UID", "GID"),  # ENV would win over the ARGs
)
_LINES = ("-r", "-c", "-e", "--requirement", "--constraint", "--editable")  # lines of a requirements file
_FILES = (".txt", ".in", ".toml", ".lock", ".whl", ".tar.gz", ".zip", ".yml", ".yaml", ".cfg", "setup.py", "Pipfile")
_ID_LIMIT = 2**32 - 2  # the kernel keeps the last id for "none"


def check_request(request: Request) -> Request:
    """Return the request with its requirements in canonical form.

    Raises:
        InputError: KGE-610 or KGE-611, a name, id or value cannot stand in a Dockerfile.
        UsageError: KGE-613, two wishes that exclude each other.
    """
    if request.tensorflow and request.backend in {"jax", "torch"}:
        what = f"--tensorflow {request.tensorflow} and --backend {request.backend} exclude each other."
        raise UsageError("KGE-613", what, fix="leave one of them out")
    for kind in ("tensorflow", "python", *RUNTIMES):
        version = getattr(request, kind)
        _need(version is None or is_version(version), f"{kind} version {version!r}", "numbers and dots")
    for name in request.apt:
        _need(re.fullmatch(_APT, name), f"apt package {name!r}", "a Debian package name, optionally name=version")
    _check_user(request)
    for key, value in request.labels.items():
        _need(re.fullmatch(_LABEL, key), f"label {key!r}", "lower-case letters, digits, dots, dashes and slashes")
        _need(not key.startswith(labels.OWN), f"label {key!r}", f"another name: {labels.OWN}* is kgpu-env's own")
        _need(value.isprintable(), f"value of label {key!r}", "one line of printable text")
    for key, value in request.env.items():
        _need(re.fullmatch(_ENV, key), f"environment variable {key!r}", "letters, digits and underscores")
        _need(key not in _RESERVED_ENV, f"environment variable {key!r}", "another name: kgpu-env sets this one")
        _need(value.isprintable(), f"value of environment variable {key!r}", "one line of printable text")
    return request if not request.packages else _canonical(request)


def check_apt(catalogue: Catalogue, names: Iterable[str]) -> None:
    """Refuse Debian packages that have no place in an image.

    Raises:
        InputError: KGE-637, it brings a driver's libraries, or another GPU runtime.
    """
    for word in names:
        name = word.partition("=")[0]
        row = next((one for one in catalogue.packages.apt if re.fullmatch(one.pattern, name)), None)
        if row:
            raise InputError(
                "KGE-637",
                f"The Debian package {name} has no place in an image.",
                cause=f"it is {row.what} [{row.source}]",
                fix=row.instead,
            )


def check_names(tag: str | None, registries: Mapping[str, str], caches: Sequence[str] = ()) -> None:
    """Raise InputError KGE-611 when the image's name, a cache's or a registry's place could not be one."""
    for cache in caches:
        _need(reference_of(cache), f"cache {cache!r}", FORM)
    if tag:
        named = reference_of(tag)
        _need(named and not named.digest, f"tag {tag!r}", FORM)
    for registry, mirror in registries.items():
        _need(is_place(registry), f"registry {registry!r}", "a host name, such as docker.io")
        _need(is_place(mirror), f"mirror {mirror!r} of {registry}", "HOST, HOST:PORT or HOST:PORT/PATH")


def _check_user(request: Request) -> None:
    user = request.user
    _need(re.fullmatch(_USER, user.name), f"user name {user.name!r}", "a POSIX user name, such as keras")
    _need((user.name == "root") == (user.uid == 0), f"user {user.name!r} with uid {user.uid}", "root and 0 together")
    for kind, number in (("uid", user.uid), ("gid", user.gid)):
        _need(0 <= number < _ID_LIMIT, f"{kind} {number}", f"a number from 0 to {_ID_LIMIT - 1}")


def _canonical(request: Request) -> Request:
    # 22 ms, for requests with packages only.
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - see above

    found: list[str] = []
    for text in request.packages:
        _refuse_file(text)
        try:
            found.append(str(Requirement(text)))
        except InvalidRequirement as error:
            raise InputError(
                "KGE-610",
                f"{text!r} is not a package requirement.",
                cause=str(error).splitlines()[0],
                fix='write it as PEP 508 does: "pandas", "pandas>=2.2", "pandas[excel]==2.2.3"',
            ) from error
        _need(found[-1].isprintable(), f"package {text!r}", "one line of printable text")
    return replace(request, packages=tuple(found))


def _refuse_file(text: str) -> None:
    """Raise InputError KGE-610 for a file or a line of one where a single package belongs: its option is another."""
    words = text.strip().split()
    option = words[0] if words else ""
    name = words[-1].strip("'\"") if words else ""
    if option.startswith(_LINES) or (
        len(words) == 1 and (name.endswith(_FILES) or name.startswith(("./", "../", "/")) or name == ".")
    ):
        inner = re.sub(r"^(-r|-e|--requirements?|--editable)=?", "", name) or "FILE"
        raise InputError(
            "KGE-610",
            f"{text!r} is no package: it names a file or folder.",
            cause="--package takes one requirement, such as pandas>=2.2",
            fix=f"--requirements {inner}",
        )


def _need(condition: object, what: str, wanted: str) -> None:
    if not condition:
        raise InputError("KGE-611", f"The {what} cannot be used.", fix=f"give {wanted}")

"""uv: where it is, how it is asked, and what its refusal means."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from provision.errors import InputError
from provision.redaction import redacted

_NO_REASON = r" was yanked| has no wheels with a matching"  # of releases that nobody takes: others are in conflict
_SECONDS = 600.0
# uv's words
_UNREACHED = r"Failed to fetch:? `?([^\s`]+)"
_REFUSED = r"An index(?: URL)? \((\S+?)\) (?:could not be queried|returned a 403)[^\n]*"  # uv goes on without it
_NO_REPOSITORY = r"Failed to download and build[^`]*`([^`]+)`(?=[\s\S]*Git operation failed)"
_NO_PACKAGE = r"(?:Because |And because |and )([A-Za-z0-9._-]+) was not found in the package registry"

Run = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str, str]]


class Uv(NamedTuple):
    """The program, and how it is started."""

    program: str
    environment: Mapping[str, str]  # index and certificates come from it
    run: Run | None = None  # a test gives its own


class Question(NamedTuple):
    """What uv is to resolve together."""

    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()  # distributions that nothing is to bring along

    def having(self, *options: str) -> "Question":
        """Return the question with more options."""
        return self._replace(options=(*self.options, *options))


class ConflictError(InputError):
    """KGE-622: the packages cannot be resolved together; the cause has uv's words."""


def ask(question: Question, uv: Uv) -> str:
    """Return uv's answer, a pylock.toml (PEP 751).

    Raises:
        ConflictError: KGE-622, the packages cannot be resolved together.
        InputError: KGE-626, a package index does not answer; KGE-226, a repository does not.
    """
    fixed = ["--format", "pylock.toml", "--quiet", "--no-header", "--no-annotate"]
    with tempfile.TemporaryDirectory() as name:
        # Of the folder where uv starts it reads settings, too: an empty one has none.
        folder = Path(name)
        files = {"wanted.in": question.requirements, "constraints": question.constraints, "excludes": question.excludes}
        for file, lines in files.items():
            (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        more = [
            word for file in ("constraints", "excludes") if files[file] for word in (f"--{file}", str(folder / file))
        ]
        command = [uv.program, "pip", "compile", str(folder / "wanted.in"), *fixed, *question.options, *more]
        code, out, problem = (uv.run or _run)(command, uv.environment)
    if code:
        raise refused(problem.strip())
    return out


def export(path: Path, extras: Sequence[str], uv: Uv) -> str:
    """Return a uv.lock with extras and groups as a requirements file; nothing is resolved anew, and no index asked.

    Raises:
        InputError: KGE-616, uv cannot read it.
    """
    chosen = [
        word
        for name in extras
        for word in ("--group" if name.startswith("group:") else "--extra", name.removeprefix("group:"))
    ]
    fixed = [
        "--frozen",
        "--offline",
        "--format",
        "requirements-txt",
        "--no-dev",
        "--no-emit-workspace",
        "--no-header",
        "--no-annotate",
    ]
    words = [uv.program, "export", "--quiet", "--no-python-downloads", "--project", str(path.parent), *fixed, *chosen]
    code, out, problem = (uv.run or _run)(words, uv.environment)
    if code:
        fix = "lock it anew with uv lock, or name the pyproject.toml beside it"
        raise InputError("KGE-616", f"uv cannot read {path}.", cause=_flat(problem), fix=fix)
    return out


def refused(problem: str) -> InputError:
    """Return the error that uv's words stand for."""
    unreached = re.search(_UNREACHED, problem)
    if unreached:
        fix = "check the name and the network, or name a mirror (network: index_url in kgpu-env.yaml)"
        causes = [line.strip().removeprefix("cause: ").removeprefix("Caused by: ") for line in problem.splitlines()[1:]]
        cause = "\n".join(causes[-3:])
        what = redacted(unreached[1])
        return InputError("KGE-626", f"{what} cannot be fetched.", cause=redacted(cause), fix=fix)
    if login := re.search(_REFUSED, problem):
        fix = "give the login that the index wants (netrc, keyring, or the address in pip's or uv's own settings)"
        return InputError("KGE-626", f"{redacted(login[1])} cannot be read.", cause=redacted(login[0]), fix=fix)
    if repository := re.search(_NO_REPOSITORY, problem):
        fix = "check the address, the branch or tag, and that this host may read it (git ls-remote ADDRESS)"
        cause = redacted(problem.strip().splitlines()[-1].strip())
        return InputError("KGE-226", f"{redacted(repository[1])} cannot be fetched with Git.", cause=cause, fix=fix)
    if missing := re.search(_NO_PACKAGE, " ".join(problem.split())):
        fix = "look its name up on the index; of your own index name it: network: index_url"
        return InputError("KGE-636", f"The package index has no {missing[1]}.", cause=in_short(problem), fix=fix)
    fix = "loosen the packages that were asked for, or ask for another Python or TensorFlow"
    return ConflictError("KGE-622", "The packages cannot be locked together.", cause=problem, fix=fix)


def in_short(problem: str) -> str:
    """Return uv's explanation of a conflict as one sentence, without what follows from it."""
    text = _flat(problem)
    text = re.sub(r"^.*?(?=Because )", "", text)
    reasons = re.findall(r"(?:^B|And b)ecause (.*?), we can conclude", text)
    first, _, _ = text.partition(", we can conclude")
    return next((one for one in reasons if not re.search(_NO_REASON, one)), first.removeprefix("Because "))


def _flat(problem: str) -> str:
    return " ".join(word for word in problem.split() if word.isascii() or any(map(str.isalnum, word)))


def find_uv(search: Callable[[str], str | None]) -> str:
    """Return the path of uv: the one of its package, or a program of that name.

    Raises:
        InputError: KGE-621, there is none.
    """
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - 3 ms, for what asks an index

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        if found := search("uv"):
            return found
        raise InputError("KGE-621", "Locking wheels needs uv, which is not here.", fix="pip install uv") from error


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
            command, env=dict(environment), capture_output=True, text=True, timeout=_SECONDS, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr

"""The errors of these files: each names the file and the line, the cause, and what to write instead."""

from provision.errors import InputError
from provision.redaction import redacted


def unreadable(what: str, cause: str, fix: str) -> InputError:
    """Return KGE-616: a file that cannot be read, or is of a kind that is not."""
    return InputError("KGE-616", what, cause=cause, fix=fix)


def unusable(source: str, text: str, cause: str, fix: str) -> InputError:
    """Return KGE-617: a line that cannot be used. `text` may hold a password: it is shown without."""
    return InputError("KGE-617", f"{source}: {redacted(text[:200])!r} cannot be used.", cause=cause, fix=fix)


def other_index(source: str, option: str) -> InputError:
    """Return KGE-618: an option that changes where packages come from. Its value often has a password: not shown."""
    return InputError(
        "KGE-618",
        f"{source}: {option} changes where packages come from.",
        cause="a requirements file is not where a build is told of an index: one line would decide for every package",
        fix=(
            "take the line out and name the index in kgpu-env.yaml: network: {index_url: …} in place of PyPI, "
            "network: {extra_index_urls: […]} beside it"
        ),
    )


def outside(source: str, path: str, root: str) -> InputError:
    """Return KGE-619: a path that leads out of the project's folder."""
    return InputError(
        "KGE-619",
        f"{source}: {path} is not in {root}.",
        cause="what a build takes in lies in the folder where kgpu-env was started, or in the file's own",
        fix="start kgpu-env in the folder that holds both",
    )

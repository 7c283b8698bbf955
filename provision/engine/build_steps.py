"""What a step of a build does, in words: BuildKit names it by its whole command."""

import re
import shlex
from typing import Final, NamedTuple

from provision.engine.protocol import BuildStep
from provision.model.events import Event, State

_STEP = re.compile(r"(?P<mark>\[[^\]]+\]) (?P<command>.*)", re.DOTALL)
_MARK = re.compile(r"\[(?:(?P<stage>[^\]\s]+)\s+)?(?P<number>\d+)/(?P<total>\d+)\]")
_FINAL = re.compile(r"stage-\d+")  # BuildKit's name of a stage that the Dockerfile gives none
_HOUSEKEEPING = re.compile(r"\[internal\]|copy /context|\[[^]]*\] FROM ")  # steps that tell a person nothing
_MOUNT = re.compile(r"--mount=\S+\s+")
_LIST = re.compile(r"printf '%s\\n' (?P<list>.*?) > \S*/requirements/(?P<layer>[\w-]+)\.txt ")
_FRAMEWORK = re.compile(r"(tensorflow|jax|torch|keras)\b[^\s']*==\S+")
# The first that is met; what is installed is in the command.
_WORDS: Final = (
    (r"^FROM (?P<what>\S+)", "taking the base {}"),
    (r"load metadata for (?P<what>\S+)", "asking for the base {}"),
    (r"^exporting to ", "writing the image"),
    (r"^(importing|exporting) cache ", "{} the cache of earlier builds"),
    (r"useradd", "making the user's account"),
    (r"^WORKDIR (?P<what>\S+)", "making the folder {}"),
    (r"apt-get install .*/dev/debian/", "installing the bundle's Debian packages"),
    (r"apt-get .*install -y --no-install-recommends (?P<what>[^&|;]+)", "installing {} by apt"),
    (r"apt-get ", "installing Debian packages"),
    (r"pip install .*\buv==|pip install .*/uv/", "installing uv, which installs the rest"),
    (
        r"uv pip (install|sync)\b.*(?P<what>\b(tensorflow|jax|torch|keras)[^\s']*==[^\s']+)",
        "installing {} and what it needs",
    ),
    (r"(uv |-m )pip (install|sync)\b", "installing Python packages"),
    (r"^(COPY|ADD) (?P<what>.+)", "copying {}"),
)
_LONGEST: Final = 60  # characters of what is named


class Title(NamedTuple):
    """What a person reads of a step."""

    words: str
    number: int = 0  # 0: it is not one of the Dockerfile's own
    total: int = 0


def step_words(name: str) -> tuple[str, str]:
    """Return what a step does in words, and its mark, such as "[2/9]".

    Args:
        name: BuildKit's: "[tools 2/3] RUN apt-get update && ...".

    Returns:
        Words that are empty for a command of a kind that no template has; the mark is empty where there is none.
    """
    found = _STEP.match(name)
    mark, command = (found["mark"], found["command"]) if found else ("", name)
    text = " ".join(command.replace("\\\n", " ").split())
    installed = _installed(text)
    if installed:
        return installed, mark
    for pattern, words in _WORDS:
        met = re.search(pattern, text)
        if met:
            what = str(met.groupdict().get("what") or met[0].split()[0]).strip()
            return words.format(_short(what)), mark
    return "", mark


def _installed(command: str) -> str:
    """Return in words what a layer installs from its list, or ""."""
    found = _LIST.search(command)
    if not found:
        return ""
    try:
        wanted = shlex.split(found["list"])
    except ValueError:
        return ""
    framework = next((met[0] for line in wanted if (met := _FRAMEWORK.match(line))), "")
    if not any(" --hash=" in line for line in wanted):
        return f"installing {_short(framework or wanted[0])} and what it needs"
    wheels = f"{len(wanted)} wheels" if len(wanted) > 1 else _short(wanted[0].split()[0])
    return f"installing {wheels} ({found['layer']})" if len(wanted) > 1 else f"installing {wheels}"


def step_title(name: str) -> Title | None:
    """Return what a person reads of a step; None for the builder's own housekeeping."""
    if _HOUSEKEEPING.match(name):
        return None
    words, mark = step_words(name)
    counted = _MARK.fullmatch(mark)
    command = _MOUNT.sub("", " ".join(name.removeprefix(mark).split()))
    if not counted or (counted["stage"] and not _FINAL.fullmatch(counted["stage"])):  # beside the image's own steps
        return Title(words or _short(command))
    return Title(words or _short(command), int(counted["number"]), int(counted["total"]))


_STATES: Final[dict[str, State]] = {"running": "running", "done": "done", "cached": "cached", "failed": "failed"}


def step_event(step: BuildStep) -> Event | None:
    """Return a report about a step as an event; None where it tells a person nothing."""
    title = step_title(step.name)
    if title is None or step.state not in _STATES:
        return None
    said = step.log.strip().splitlines()
    return Event(
        phase=title.words,
        number=title.number,
        total=title.total,
        state=_STATES[step.state],
        key=str(step.index) if step.index else step.name,
        seconds=step.seconds,
        done_bytes=step.done_bytes,
        total_bytes=step.total_bytes,
        said=said[-1].strip() if said else "",
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

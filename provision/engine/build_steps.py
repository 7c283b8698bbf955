"""What a step of a build does, in words: BuildKit names it by its whole command."""

import re
from typing import Final

_STEP = re.compile(r"(?P<mark>\[[^\]]+\]) (?P<command>.*)", re.DOTALL)
_FRAMEWORKS: Final = "tensorflow|jax|torch|keras"
# The first that is met; what is installed is in the command.
_WORDS: Final = (
    (r"^FROM (?P<what>\S+)", "taking the base {}"),
    (r"load metadata for (?P<what>\S+)", "asking for the base {}"),
    (r"useradd", "making the user's account"),
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
    for pattern, words in _WORDS:
        met = re.search(pattern, text)
        if met:
            what = str(met.groupdict().get("what") or "").strip()
            return words.format(what if len(what) <= _LONGEST else f"{what[:_LONGEST]}..."), mark
    return "", mark

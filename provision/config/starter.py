"""The project file that `kgpu-env init` writes, and the JSON Schema that editors check it by."""

import json
from typing import Any, NamedTuple

from provision.config.project import FILE_NAME, SHAPE
from provision.emit.serialize import as_yaml
from provision.model import KEYS
from provision.model.json_schema import json_schema

SCHEMA_NAME = "kgpu-env.schema.json"
DEFAULT_ID = 1000
_MEANINGS = {name: option.meaning for name, option in KEYS.items()} | {
    "profile": "The profile that holds when none is named.",
    "profiles": "Keys that replace those above: kgpu-env up --profile NAME.",
}


class Answers(NamedTuple):
    """What the questions of `init` gave."""

    vendor: str = "auto"
    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    uid: int = 1000
    gid: int = 1000


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of the project file, with a description of every key."""
    schema = json_schema(SHAPE)
    for name in ("Project", "Keys"):
        for key, one in schema["$defs"][name]["properties"].items():
            one["description"] = _MEANINGS[key]
            if key in KEYS and KEYS[key].choices:
                one["enum"] = [*KEYS[key].choices, None]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FILE_NAME, **schema}


def starter_file(answers: Answers, found: str) -> str:
    """Return the text of a commented project file.

    Args:
        answers: what is set; the rest is there as a comment.
        found: the host in one line, for the first comment.
    """
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_NAME}",
        f"# Written by kgpu-env init on: {' '.join(found.split())}",
        "# Flags and KGPU_ENV_* variables win over this file; kgpu-env up --show-config tells each value's origin.",
        "",
    ]
    answered = _answered(answers)
    for key, option in KEYS.items():
        value, on = answered.get(key, (option.example, False))
        if value is not None:
            lines += _entry(key, value, on=on)
    lines += _entry("profiles", _profiles(answers))
    return "\n".join(lines).rstrip("\n") + "\n"


def _answered(answers: Answers) -> dict[str, tuple[object, bool]]:
    """Return the values that the answers decide, each with whether it is set or a comment."""
    uid, gid = (answers.uid, answers.gid) if answers.uid else (DEFAULT_ID, DEFAULT_ID)
    return {
        "vendor": (answers.vendor, True),
        "fallback": ("cpu", answers.vendor == "auto"),
        "packages": (answers.packages or KEYS["packages"].example, bool(answers.packages)),
        "requirements": (answers.requirements or KEYS["requirements"].example, bool(answers.requirements)),
        # Most engines' first user is 1000, as in the image; root needs no account of its own there.
        "user": ({"name": "keras", "uid": uid, "gid": gid}, uid != DEFAULT_ID),
    }


def _profiles(answers: Answers) -> dict[str, Any]:
    """Return one file's three readers: what the team shares, what CI has, what a laptop has."""
    return {
        "team": {"vendor": answers.vendor},
        "ci": {"vendor": "cpu", "packages": [*answers.packages, "pytest"]},
        "laptop": {"vendor": "auto", "fallback": "cpu"},
    }


def _entry(key: str, value: object, *, on: bool = True) -> list[str]:
    """Return a key with its description; switched off it is a comment that only wants its # taken away."""
    text = as_yaml((), {key: value})
    mark = "" if on else "# "
    return [f"# {_MEANINGS[key]}", *(f"{mark}{line}" for line in text.splitlines()), ""]


def schema_text() -> str:
    """Return the JSON Schema as a file's text."""
    return json.dumps(project_schema(), indent=2) + "\n"

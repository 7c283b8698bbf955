"""The project file that `kgpu-env init` writes, and the JSON Schema that editors check it by."""

import json
from typing import Any, NamedTuple

from provision.config.project import FILE_NAME, Project
from provision.config.settings import CHOICES
from provision.emit.serialize import as_yaml
from provision.model import GPU_VENDORS
from provision.model.json_schema import json_schema

SCHEMA_NAME = "kgpu-env.schema.json"
DEFAULT_ID = 1000
_WORDS = {
    "vendor": "GPU vendor of the environment; auto takes the host's.",
    "fallback": "What to build on a host without a GPU; without this it is an error.",
    "tensorflow": 'This TensorFlow only: "2.21". Quote versions: YAML reads 2.10 as 2.1.',
    "python": 'This Python only: "3.12".',
    "base": "This base image of the catalogue only (kgpu-env catalogue list).",
    **{name.value: f'This {row.runtime_title} only: "{row.runtime_example}".' for name, row in GPU_VENDORS.items()},
    "backend": "The backend of Keras.",
    "packages": "Python packages to add, as PEP 508 writes them; the framework's own versions stay.",
    "apt": "Debian packages to add.",
    "user": "The account that the image runs as.",
    "labels": "Labels of the image.",
    "env": "Environment variables of the image.",
    "tag": "The image's name.",
    "network": "How a build reaches registries and package indexes; nothing of it stays in the image.",
    "profile": "The profile that holds when none is named.",
    "profiles": "Keys that replace those above: kgpu-env up --profile NAME.",
}


class Answers(NamedTuple):
    """What the questions of `init` gave."""

    vendor: str = "auto"
    packages: tuple[str, ...] = ()
    uid: int = 1000
    gid: int = 1000


def project_schema() -> dict[str, Any]:
    """Return the JSON Schema of the project file, with a description of every key."""
    schema = json_schema(Project)
    for name in ("Project", "Keys"):
        for key, one in schema["$defs"][name]["properties"].items():
            one["description"] = _WORDS[key]
            if key in CHOICES:
                one["enum"] = [*CHOICES[key], None]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FILE_NAME, **schema}


def starter_file(answers: Answers, found: str) -> str:
    """Return the text of a commented project file.

    Args:
        answers: what is set; the rest is there as a comment.
        found: the host in one line, for the first comment.
    """
    uid, gid = (answers.uid, answers.gid) if answers.uid else (DEFAULT_ID, DEFAULT_ID)
    lines = [
        f"# yaml-language-server: $schema=./{SCHEMA_NAME}",
        f"# Written by kgpu-env init on: {' '.join(found.split())}",
        "# Flags and KGPU_ENV_* variables win over this file; kgpu-env up --show-config tells each value's origin.",
        "",
        *_entry("vendor", answers.vendor),
        *_entry("fallback", "cpu", on=answers.vendor == "auto"),
        *_entry("tensorflow", "2.21", on=False),
        *_entry("python", "3.12", on=False),
        *_entry("packages", list(answers.packages or ("pandas>=2.2",)), on=bool(answers.packages)),
        *_entry("apt", ["git"], on=False),
        # Most engines' first user is 1000, as in the image; root needs no account of its own there.
        *_entry("user", {"name": "keras", "uid": uid, "gid": gid}, on=uid != DEFAULT_ID),
        *_entry("env", {"TZ": "UTC"}, on=False),
        *_entry("tag", "registry.example/team/keras:1", on=False),
        *_entry("network", {"ca_bundle": "ca.pem", "registries": {"docker.io": "mirror.example:5000"}}, on=False),
        *_entry("profiles", _profiles(answers)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


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
    return [f"# {_WORDS[key]}", *(f"{mark}{line}" for line in text.splitlines()), ""]


def schema_text() -> str:
    """Return the JSON Schema as a file's text."""
    return json.dumps(project_schema(), indent=2) + "\n"

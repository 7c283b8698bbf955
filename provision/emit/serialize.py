"""Values as text: serialised, never put together from pieces."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

from provision.model import GPU_VENDORS
from provision.resources import folder

CHECK_FILE = "quick_check.py"


def as_json(value: object) -> str:
    """Return `value` as JSON, keys in their order."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def as_yaml(comments: Iterable[str], *documents: object) -> str:
    """Return documents as YAML below lines of comment, keys in their order."""
    head = "".join(f"# {' '.join(line.split())}\n" for line in comments)
    import yaml  # noqa: PLC0415 - 11 ms, which the help of `export` need not take

    bodies = (yaml.dump(one, Dumper=_dumper(), sort_keys=False, width=1000, allow_unicode=True) for one in documents)
    return head + "---\n".join(bodies)


def as_unit(comments: Iterable[str], sections: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Return sections of (key, value) as a systemd unit; `%` and line breaks in values have no meaning of their own."""
    lines = [f"# {' '.join(line.split())}" for line in comments]
    for name, pairs in sections.items():
        lines += ["", f"[{name}]", *(f"{key}={_unit_value(value)}" for key, value in pairs)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _unit_value(value: str) -> str:
    return " ".join(value.split()).replace("%", "%%")


def from_file(path: str) -> str:
    """Return a text of `templates/` as it is: a script that an output carries along."""
    return (folder("templates") / path).read_text(encoding="utf-8")


def from_template(path: str, **values: object) -> str:
    """Return a text of `templates/` with values in it; its filters quote for a shell and for a comment."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - 22 ms, for few outputs

    environment = Environment(
        loader=FileSystemLoader(folder("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML is written so; the filters quote
    )
    environment.filters.update(shell=shlex.quote, comment=lambda text: " ".join(text.split()))
    return environment.get_template(path).render(values)


def check_script() -> str:
    """Return the text of the quick check, which outputs carry along: its device nodes and runtimes are the table's."""
    text = Path(__file__).with_name(CHECK_FILE).read_text(encoding="utf-8")
    nodes = json.dumps([*(glob for row in GPU_VENDORS.values() for glob in row.node_globs), "dxg"])
    text = re.sub(r"(?<=^NODES = )\(.*?\)", f"({nodes[1:-1]})", text, count=1, flags=re.MULTILINE)
    names = json.dumps(["gpu", *GPU_VENDORS])
    return re.sub(r"(?<= in )\(\"gpu\".*?\)", f"({names[1:-1]})", text, count=1)


@cache
def _dumper() -> "type[yaml.SafeDumper]":
    import yaml  # noqa: PLC0415 - as above

    class Dumper(yaml.SafeDumper):
        """YAML for people: lists indented below their key, several lines of text as a block."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
            super().increase_indent(flow, indentless=False)

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper

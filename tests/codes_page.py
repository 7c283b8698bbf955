"""docs/codes.md, the index of all codes, and docs/codes/KGE-NNN.md, a page for each. `regenerate.py` writes them."""

import re
from pathlib import Path
from typing import Final

import yaml

from provision.catalogue import load
from provision.catalogue.messages import Condition, KnownError
from provision.doctor.codes import MEANINGS
from provision.doctor.message_page import asked
from provision.doctor.pages import Page, pages
from provision.model.ladder import LADDER
from provision.prove.checks.table import meanings

INTRODUCTION: Final = """# Codes

Every code that kgpu-env prints; each has a page, and `kgpu-env doctor CODE` prints the same. Written by
`tests/regenerate.py` from the code, `provision/doctor/pages.yaml` and `images/errors/`.

First the program's own codes, then the messages of engines, drivers, toolkits and frameworks that it knows. A message's
cause depends on the host: the first case that holds is told, and where none is known to hold, the cause by itself with
what it may be. Cases of which the host tells nothing are marked with a question mark.
"""
TITLES: Final = {
    "build": "While an image is pulled or built",
    "clients": "Compose, devcontainers, nerdctl, Enroot, engines without root",
    "collectives": "NCCL and RCCL",
    "cuda": "CUDA, NVML, cuDNN, cuBLAS",
    "engine": "Docker, containerd, runc, Podman",
    "harmless": "Harmless lines",
    "jax": "JAX",
    "kernel": "The kernel and its drivers",
    "kubernetes": "Kubernetes, Slurm, Apptainer",
    "network": "Package indexes, registries, proxies and name servers",
    "rocm": "ROCm, HIP, MIOpen, rocBLAS",
    "tensorflow": "TensorFlow, Keras, XLA",
    "toolkit": "Container toolkits and CDI",
    "torch": "PyTorch",
    "wsl": "WSL2",
}
_THREAD: Final = re.compile(r"(?<![\w/.-])([\w.-]+/[\w.-]+)#(\d+)")


def page() -> str:
    """Return the index."""
    own = dict(sorted({**MEANINGS, **meanings()}.items()))
    parts = [INTRODUCTION, "## The program's own\n", _table(own)]
    for path in sorted((load().directory / "errors").glob("*.yaml")):
        ids = {row["id"] for row in yaml.load(path.read_bytes(), yaml.CSafeLoader)["errors"]}
        rows = {row.id: row.examples[0] if row.examples else row.cause for row in load().errors if row.id in ids}
        parts += [f"## {TITLES[path.stem]}\n", _table(rows)]
    return "\n".join(parts)


def code_pages() -> dict[Path, str]:
    """Return the page of each code."""
    texts = {row.id: _message(row) for row in load().errors}
    texts |= {code: _own(code, meaning) for code, meaning in {**MEANINGS, **meanings()}.items()}
    return {FOLDER / f"{code}.md": text for code, text in sorted(texts.items())}


def _table(rows: dict[str, str]) -> str:
    lines = [f"| [{code}](codes/{code}.md) | {_cell(text)} |" for code, text in rows.items()]
    return "\n".join(["| code | |", "|---|---|", *lines, ""])


def _cell(text: str) -> str:
    return _plain(" ".join(text.split()).replace("|", r"\|"))


def _own(code: str, meaning: str) -> str:
    one, place = pages().get(code, Page(seen=meaning, fix="kgpu-env doctor")), LADDER.get(code)
    lines = [f"# {code}\n", "```text", one.seen, "```\n", f"- Cause: {_plain(meaning)}", f"- Fix: {_plain(one.fix)}"]
    lines += [f"- Rung of the ladder: {place.rung}"] if place else []
    return "\n".join([*lines, f"- Source: {_THREAD.sub(_link, one.source)}", "", BACK])


def _message(row: KnownError) -> str:
    lines = [f"# {row.id}\n"]
    lines += ["```text", *row.examples, "```\n"]
    lines.append(f"Said by {row.speaker}; {row.severity}; {row.confidence}, checked {row.checked}.\n")
    lines.append(f"- Cause: {_plain(row.cause)}\n- Fix: {_plain(row.fix)}")
    lines += [_case(one) for one in row.conditions]
    lines.append(f"- Check: `{row.check}`" if "`" not in row.check else f"- Check: {row.check}")
    lines.append(f"- Source: {_THREAD.sub(_link, row.source)}" + (f" ({row.note})" if row.note else ""))
    return "\n".join([*lines, "", BACK])


def _case(one: Condition) -> str:
    where = asked(one.when) if one.when else "?"
    return f"- {where[0].upper()}{where[1:]}: {_plain(one.cause)}\n  - Fix: {_plain(one.fix)}"


def _plain(text: str) -> str:
    """Return a text in which nothing is taken for Markdown or HTML but the commands that it marks."""
    return re.sub(r"(`[^`]+`)|([*_<>\[\]`])", lambda found: found[1] or f"\\{found[2]}", text)


def _link(found: re.Match[str]) -> str:
    return f"[{found[0]}](https://github.com/{found[1]}/issues/{found[2]})"


CODES: Final = Path(__file__).parents[1] / "docs" / "codes.md"
FOLDER: Final = CODES.with_suffix("")
BACK: Final = "[All codes](../codes.md)\n"

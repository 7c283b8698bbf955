"""docs/codes.md: every code with its meaning, and every known message with its causes. `regenerate.py` writes it."""

import re
from pathlib import Path
from typing import Final

import yaml

from provision.catalogue import load
from provision.catalogue.messages import Condition, KnownError
from provision.doctor.codes import MEANINGS
from provision.doctor.message_page import asked
from provision.prove.checks.table import meanings

INTRODUCTION: Final = """# Codes

Every code that kgpu-env prints, with what it means; `kgpu-env doctor CODE` prints the same. Written by
`tests/regenerate.py` from the code and from `images/errors/`.

First the program's own codes, then the messages of engines, drivers, toolkits and frameworks that it knows. A message's
cause depends on the host: the first case that holds is told, and where none is known to hold, the cause by itself with
what it may be. Cases of which the host tells nothing are marked with a question mark.
"""
TITLES: Final = {
    "build": "While an image is pulled or built",
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
    """Return the whole page."""
    parts = [INTRODUCTION, "## The program's own\n", _own()]
    for path in sorted((load().directory / "errors").glob("*.yaml")):
        ids = {row["id"] for row in yaml.load(path.read_bytes(), yaml.CSafeLoader)["errors"]}
        parts.append(f"## {TITLES[path.stem]}\n")
        parts += [_message(row) for row in load().errors if row.id in ids]
    return "\n".join(parts)


def _own() -> str:
    return "\n".join(f"### {code}\n\n{text}\n" for code, text in sorted({**MEANINGS, **meanings()}.items()))


def _message(row: KnownError) -> str:
    lines = [f"### {row.id}\n"]
    lines += ["```text", *row.examples, "```\n"]
    lines.append(f"Said by {row.speaker}; {row.severity}; {row.confidence}, checked {row.checked}.\n")
    lines.append(f"- Cause: {_plain(row.cause)}\n- Fix: {_plain(row.fix)}")
    lines += [_case(one) for one in row.conditions]
    lines.append(f"- Check: `{row.check}`" if "`" not in row.check else f"- Check: {row.check}")
    lines.append(f"- Source: {_THREAD.sub(_link, row.source)}" + (f" ({row.note})" if row.note else ""))
    return "\n".join(lines) + "\n"


def _case(one: Condition) -> str:
    where = asked(one.when) if one.when else "?"
    return f"- {where[0].upper()}{where[1:]}: {_plain(one.cause)}\n  - Fix: {_plain(one.fix)}"


def _plain(text: str) -> str:
    """Return a text in which nothing is taken for Markdown or HTML but the commands that it marks."""
    return re.sub(r"(`[^`]+`)|([*_<>\[\]`])", lambda found: found[1] or f"\\{found[2]}", text)


def _link(found: re.Match[str]) -> str:
    return f"[{found[0]}](https://github.com/{found[1]}/issues/{found[2]})"


CODES: Final = Path(__file__).parents[1] / "docs" / "codes.md"

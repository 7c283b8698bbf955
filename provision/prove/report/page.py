"""A proof as one page for people: `templates/report/page.j2`, without scripts and without anything fetched.

Everything in a proof is text of a container, so the template engine escapes all of it and `shown` makes visible what
could hide or reorder it. The same proof always gives the same bytes.
"""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from provision import __version__
from provision.compat import assert_never
from provision.model import (
    GPU_VENDORS,
    TITLES,
    Check,
    ExpectedDevice,
    Proof,
    ProvedDevice,
    Stack,
    Status,
    Training,
    Vendor,
    Verdict,
)
from provision.model.proof import LibraryRow
from provision.prove.checks import libraries, table
from provision.prove.checks.devices import counted
from provision.prove.reason import ON_CPU
from provision.prove.report.chart import chart, number
from provision.prove.report.headline import devices_of, figures, origin, place
from provision.resources import folder

BRIEF = 400  # characters above the fold, so that the next step stays there
LIMIT = 2000  # characters of one text; the JSON report has the rest
# Controls, invisible and reordering formats, halves of surrogate pairs (which no encoding can write), separators.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Keras colours its messages. A complete sequence for colour or weight says nothing here; any other one is shown.
COLOURING = re.compile(r"\x1b\[[0-9;:]*m")
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
NAMED = 4  # GPUs named above the fold


class Answer(NamedTuple):
    """The verdict as the page says it."""

    word: str
    tone: str  # the class that the style sheet colours; the word says the same
    limits: str = ""  # what the verdict does not mean


def page(proof: Proof, stack: Stack | None = None) -> str:
    """Return the HTML text of a proof.

    Args:
        proof: what the judge said.
        stack: what the image was resolved to, when this run knows more of it than the image's label.

    Raises:
        FileNotFoundError: the installation lacks its templates.
    """
    stack = stack or proof.stack
    text = (
        _environment()
        .get_template("page.j2")
        .render(
            proof=proof,
            stack=stack,
            answer=answer(proof.verdict),
            reason=proof.reason.removesuffix(f"; {ON_CPU}"),  # which the answer says already
            tally=tally(proof.checks),
            gpus=gpus(proof.devices),
            counted=count(proof),
            missing=missing(proof),
            asks={row.name: row.question for row in table.rows()},
            named=named,
            loss=loss_range(proof.training),
            losses={name: loss_range(training) for name, training in trainings(proof).items()},
            chart=chart({name: training.losses for name, training in trainings(proof).items()}),
            control=control(proof),
            figures=", ".join((*devices_of(proof), *figures(proof.speeds))) if proof.verdict is Verdict.PROVED else "",
            place=place(proof),
            origin=origin(proof),
            libraries=tuple((row, behind(row, proof.requested), call(row)) for row in proof.libraries),
            commands=tuple(commands(proof, stack)),
            succeeded=proof.verdict in {Verdict.PROVED, Verdict.CPU},
            version=__version__,
        )
    )
    return text.strip() + "\n"


def shown(value: object) -> object:
    """Return a text of bearable length in which every character is visible; other values as they are.

    Runs on each expression of the template, so that no field can be forgotten.
    """
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = BLANK_LINES.sub("\n\n", plain(value))
    if len(text) > LIMIT:
        text = f"{text[:LIMIT]} [{len(text) - LIMIT:,} more characters]"
    return "".join(_visible(char) for char in text)


def plain(text: str) -> str:
    """Return `text` without colours and with a line's end in one spelling."""
    return COLOURING.sub("", text.replace("\r\n", "\n"))


def _visible(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in HIDDEN:
        return char
    return char.encode("unicode_escape").decode()


def answer(verdict: Verdict) -> Answer:
    """Return the words for a verdict."""
    match verdict:
        case Verdict.PROVED:
            return Answer("PROVED", "good")
        case Verdict.CPU:
            return Answer("TRAINED ON CPU", "neutral", sentence(ON_CPU))
        case Verdict.NOT_PROVED:
            return Answer("NOT PROVED", "bad")
        case Verdict.INVALID:
            return Answer("INVALID", "doubtful", "This run proves nothing, either way.")
        case _:
            assert_never(verdict)


def sentence(text: str) -> str:
    """Return `text` with a capital at its start and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "!", "?")) else ".")


def brief(text: str) -> str:
    """Return `text` on one line and short enough for the first screen."""
    line = " ".join(plain(text).split())
    return line if len(line) <= BRIEF else f"{line[: BRIEF - 3]}..."


def tally(found: Iterable[Check]) -> str:
    """Return how many checks passed, and the names of all others by their outcome."""
    found = tuple(found)
    if not found:
        return "no check is recorded"
    counts = Counter(item.status for item in found)
    words = {Status.FAIL: "failed", Status.WARN: "warned", Status.UNKNOWN: "unknown", Status.SKIP: "skipped"}
    parts = [f"{counts[Status.PASS]} of {len(found)} checks passed"]
    for status, word in words.items():
        if counts[status]:
            parts.append(f"{word}: {', '.join(item.name for item in found if item.status is status)}")
    return "; ".join(parts)


def gpus(found: tuple[ProvedDevice, ...]) -> str:
    """Return the listed GPUs in one sentence, as many as a glance can take; empty when none is listed."""
    if not found:
        return ""
    names = [device.description or device.name for device in found[:NAMED]]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"Listed inside: {', '.join(names)}{more}."


def named(stack: Stack) -> str:
    """Return a stack in one line, for an image whose label has no summary."""
    runtimes = {vendor.value: row.runtime_title for vendor, row in GPU_VENDORS.items()}
    words: dict[str, str] = {str(name): title for name, title in TITLES.items()}
    words |= {**runtimes, Vendor.CPU.value: "for the CPU"}
    parts = (stack.framework, stack.runtime)
    known = [f"{words.get(one.name, one.name)} {one.version if one.name != 'cpu' else ''}".strip() for one in parts]
    return ", ".join([*known, f"Python {stack.python}"])


def count(proof: Proof) -> str:
    """Return how many devices were expected and seen, where the reason does not say it; empty for one that is there."""
    words = counted(proof.expected)
    told = words in proof.reason or (len(proof.expected) < 2 and not missing(proof))  # noqa: PLR2004 - more than one
    return "" if told else words


def missing(proof: Proof) -> tuple[ExpectedDevice, ...]:
    """Return the devices that were asked for and not seen."""
    return tuple(item for item in proof.expected if item.seen is False)


def control(proof: Proof) -> tuple[str, str]:
    """Return what the run without the GPU says of the verdict, and what was seen; empty where it has no say."""
    found = next((item for item in proof.checks if item.name == "control"), None)
    if found is None:
        return ("No control run without the GPU is recorded." if proof.verdict is Verdict.PROVED else "", "")
    if found.status is Status.PASS:
        return "The same without the GPU failed, as it must.", found.detail
    return f"The control, the same without the GPU: {found.status}.", ""  # the reason says the rest


def behind(row: LibraryRow, requested: str) -> str:
    """Return the vendor's library that a row tries; empty when it is not known."""
    asked = requested.partition(" ")[0]
    return next((libraries.behind(row, vendor) for vendor in GPU_VENDORS if vendor == asked), "")


def call(row: LibraryRow) -> str:
    """Return a row's device and how long its repeated call took."""
    if row.seconds is None:
        return f"({row.device})"
    time = f"{row.seconds * 1000:.2g} ms" if row.seconds < 0.1 else f"{row.seconds:.2f} s"  # noqa: PLR2004 - two digits
    return f"({row.device}, {time})"


def trainings(proof: Proof) -> dict[str, Training]:
    """Return the recorded trainings by the name that the verdict allows, the one in question first."""
    name = {Verdict.PROVED: "GPU", Verdict.CPU: "CPU"}.get(proof.verdict, "training in question")
    found = {name: proof.training, "CPU reference": proof.reference}
    return {name: training for name, training in found.items() if training.losses}


def loss_range(training: Training) -> str:
    """Return the first and the last loss and the time between; empty when no loss is recorded."""
    losses, seconds = training.losses, training.seconds
    if not losses:
        return ""
    epochs = f"{len(losses)} epoch{'s' if len(losses) > 1 else ''}"
    time = f", {seconds:.1f} s" if seconds is not None else ""
    return f"{number(losses[0])} \u2192 {number(losses[-1])} ({epochs}{time})"


def commands(proof: Proof, stack: Stack | None) -> Iterator[str]:
    """Yield the commands that build the image and verify it again."""
    if stack is not None:
        wanted = {"--tensorflow": stack.framework.version, "--python": stack.python}
        if stack.vendor in GPU_VENDORS:
            wanted[f"--{stack.vendor}"] = stack.runtime.version
        options = " ".join(f"{name} {shlex.quote(value)}" for name, value in wanted.items())
        tag = f" --tag {shlex.quote(proof.image)}" if proof.image else ""
        yield f"kgpu-env build --vendor {stack.vendor} {options}{tag}"
    vendor = proof.requested.partition(" ")[0]
    asked = f" --vendor {vendor}" if vendor in {*GPU_VENDORS, Vendor.CPU} else ""
    if proof.interpreter:
        yield f"kgpu-env verify --here --python {shlex.quote(proof.interpreter)}{asked}{_again(proof)}"
    elif proof.image:
        yield f"kgpu-env verify {shlex.quote(proof.image)}{asked}{_again(proof)}"
    if proof.code:
        yield f"kgpu-env doctor {shlex.quote(proof.code)}"


def _again(proof: Proof) -> str:
    """Return the options that make it the same proof again; of a soak the minutes are not known here."""
    backend = f" --backend {proof.backend}" if proof.backend != "tensorflow" else ""
    level = f" --level {proof.level}" if proof.level != "standard" else ""
    return backend + level + (" --minutes N" if proof.level == "soak" else "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder("templates") / "report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        finalize=shown,
    )
    environment.filters["brief"] = brief
    environment.filters["sentence"] = sentence
    environment.filters["mebibytes"] = lambda size: f"{size / 2**20:,.0f} MiB"
    return environment

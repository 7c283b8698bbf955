"""A proof in one line: the verdict, who says so and when, and the figures that were measured."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from provision.compat import assert_never
from provision.model import MAKERS, Proof, Speed, Verdict
from provision.prove.reason import ON_CPU

EXACT = 10  # a ratio below this is told with one decimal
# Of a product's name what tells it from no other: its maker, and the kind of memory that its size stands for.
_NOISE = re.compile(rf"^({'|'.join(MAKERS.values())})\s+(Instinct\s+)?|\s+HBM\w*$")


def headline(proof: Proof) -> str:
    """Return the first line for people."""
    word = {Verdict.PROVED: "PROVED", Verdict.CPU: "TRAINED ON CPU", Verdict.NOT_PROVED: "NOT PROVED"}
    who = place(proof)
    return f"{word.get(proof.verdict, 'INVALID')}  {who}{': ' if who else ''}{_what(proof)}"


def place(proof: Proof) -> str:
    """Return the host and the minute: "node7, 2026-11-23 07:42 UTC"; empty where the proof does not say."""
    origin = proof.origin
    return f"{origin.node}, {origin.at[:16].replace('T', ' ')} UTC" if origin else ""


def origin(proof: Proof) -> dict[str, str]:
    """Return in words, by name, who made a proof, where, when and how; empty where it does not say."""
    told = proof.origin
    if told is None:
        return {}
    system = (told.distribution, f"kernel {told.kernel}" if told.kernel else "", told.architecture)
    return {
        "host": told.node,
        "ended": told.at,
        "system": ", ".join(filter(None, system)),
        "drivers": ", ".join(told.drivers) or "none loaded",
        "GPUs": "; ".join(told.gpus) or "none",
        "engine": told.engine or "none: a process of this host",
        "options": ", ".join(f"{name} {value}" for name, value in told.options.items()),
        "tool": told.tool,
    }


def _what(proof: Proof) -> str:
    match proof.verdict:
        case Verdict.PROVED:
            return ", ".join([*devices_of(proof), *figures(proof.speeds)]) or proof.reason
        case Verdict.CPU:
            return f"{losses(proof)}. {sentence(ON_CPU)}"
        case Verdict.NOT_PROVED | Verdict.INVALID:
            return ": ".join(filter(None, (proof.code, sentence(proof.reason))))
        case _:
            assert_never(proof.verdict)


def devices_of(proof: Proof) -> Iterator[str]:
    """Yield how many of the GPUs asked for did it, and what they are: "2 of 2 GPUs (2 x H100 80GB)"."""
    count = len(proof.expected)
    if not count:
        return
    seen = sum(item.seen is not False for item in proof.expected)
    names = [" ".join(filter(None, (short(item.name), item.partition))) for item in proof.expected]
    if not any(names):  # the host does not know them, and the framework inside may
        names = [short(device.description) for device in proof.devices if device.description]
    products = f" ({_products(names)})" if any(names) else ""
    yield f"{seen} of {count} GPU{'s' if count > 1 else ''}{products}"


def _products(names: Iterable[str]) -> str:
    counts = Counter(names)
    one = len(counts) == 1 and next(iter(counts.values())) == 1
    return ", ".join(name if one else f"{number} x {name}" for name, number in counts.items())


def short(name: str) -> str:
    """Return a product's name without what every product of its maker has."""
    return _NOISE.sub("", name) or name


def figures(speeds: tuple[Speed, ...]) -> Iterator[str]:
    """Yield how fast the slowest device is, as far as it was measured."""
    if not speeds:
        return
    least, several = min(row.flops / row.cpu_flops for row in speeds), len(speeds) > 1
    bound = "at least " if several else ""
    yield f"{bound}{least:.{0 if least >= EXACT else 1}f} times {'the' if several else 'its'} CPU"
    shares = [row.flops / row.peak_flops for row in speeds if row.peak_flops]
    if len(shares) == len(speeds):
        yield f"{bound}{100 * min(shares):.0f} % of {'the' if several else 'its'} peak"


def losses(proof: Proof) -> str:
    """Return the first and the last loss, and the time between."""
    known, seconds = proof.training.losses, proof.training.seconds
    if not known:
        return "no loss was recorded"
    time = f" in {seconds:.1f} s" if seconds is not None else ""
    return f"loss {known[0]:.2f} -> {known[-1]:.2f}{time}"


def sentence(text: str) -> str:
    """Return a text with a capital at its start and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")

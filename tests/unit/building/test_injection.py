"""User text never adds an instruction, an option or a command: it stays the one word that it is.

The reader of Dockerfiles below is written apart from the code that renders them, by
https://docs.docker.com/reference/dockerfile/ (format, escape, environment replacement) and
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_02 (quoting).
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.catalogue import load
from provision.cli.options import StackOptions
from provision.cli.planning import plan
from provision.errors import InputError, NoStackError
from provision.model import Gpu, Host, Request, User, Vendor
from provision.model.host import Driver
from provision.render import render
from provision.resolve import resolve
from provision.resolve.request import check_request

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

SHELL = "$`;&|<>()*?[]#~!{}\n"  # what means something to a shell outside of quotes
DOCKER = "$"


class Active(NamedTuple):
    """A character that is not text: the shell or BuildKit acts on it."""

    character: str


Word = tuple[str | Active, ...]


class Instruction(NamedTuple):
    """One instruction, its continued lines joined."""

    name: str
    words: tuple[Word, ...]


def logical_lines(text: str) -> Iterator[str]:
    """Join continued lines; comments and empty lines vanish, also between continued ones."""
    held = ""
    for raw in text.split("\n"):
        line = raw.removesuffix("\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if re.search(r"\\[ \t]*$", line):
            held += re.sub(r"\\[ \t]*$", "", line)
            continue
        yield held + line
        held = ""
    if held:
        yield held


@cache
def words(text: str, active: str) -> tuple[Word, ...]:
    """Split into words; characters that are quoted are text, the others of `active` are marked."""
    return tuple(_words(text, active))


def _words(text: str, active: str) -> Iterator[Word]:
    word: list[str | Active] = []
    started = False
    quote = ""
    characters = iter(text)
    for one in characters:
        if quote == "'":
            quote = "" if one == "'" else quote
            word += [] if one == "'" else [one]
        elif one == "\\":
            following = next(characters, "")
            special = not quote or following in '"\\$`'
            word += [following] if special else [one, following]
            started = True
        elif quote == '"' and one == '"':
            quote = ""
        elif not quote and one in "'\"":
            quote, started = one, True
        elif one in " \t" and not quote:
            if word or started:
                yield tuple(word)
            word, started = [], False
        elif one in active and (not quote or one in "$`"):
            word.append(Active(one))
        else:
            word.append(one)
    assert not quote, f"a quote is never closed: {text}"
    if word or started:
        yield tuple(word)


def read(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    first = text.split("\n", 1)[0]
    assert not re.match(r"#\s*[A-Za-z]\w*\s*=", first), f"a parser directive: {first}"
    found = []
    for line in logical_lines(text):
        name, _, rest = line.strip().partition(" ")
        active = SHELL if name.upper() == "RUN" else DOCKER
        found.append(Instruction(name.upper(), words(rest, active)))
    return found


HOSTS = {
    Vendor.CPU: Host(),
    Vendor.CUDA: Host(
        gpus=(Gpu(vendor="nvidia", architecture="sm_90"),),
        drivers=(Driver(vendor="nvidia", version="580.95.05", flavour="open"),),
    ),
    Vendor.ROCM: Host(
        gpus=(Gpu(vendor="amd", architecture="gfx942"),),
        drivers=(Driver(vendor="amd", version="6.14.14", release="30.10", flavour="dkms"),),
    ),
}
NASTY = [
    "x\nRUN touch /pwned",
    "x\\\nRUN touch /pwned",
    "x\r\nRUN touch /pwned",
    "x; rm -rf /",
    "x && rm -rf /",
    "x | sh",
    "$(touch /pwned)",
    "`touch /pwned`",
    "${PATH}",
    "'; touch /pwned; '",
    '"; touch /pwned; "',
    '" && USER root',
    "x\\",
    "x\\ ",
    "x'",
    'x"',
    "x\u2028RUN touch /pwned",
    "x\u2029RUN touch /pwned",
    "x\x85RUN touch /pwned",
    "x\x0bRUN touch /pwned",
    "x\x00y",
    "<<EOF",
    "x <<EOF\nUSER root\nEOF",
    "# escape=`",
    "--index-url=https://evil.example/simple",
    "-o=APT::Update::Pre-Invoke::=id",
    "-r /etc/passwd",
    "python3-",
    "x @ https://evil.example/'; touch /pwned; '.whl",
    "x @ file:///$(touch /pwned)",
    'x; python_version > "3" or "`id`" == ""',
    "a b",
    "",
    " ",
    "\udcff",
    "\u202etxt.exe",
]
text = st.one_of(st.sampled_from(NASTY), st.text(max_size=20), st.text("ab'\"\\$`;&|<>#\n -{}()=@:/.", max_size=20))


def rendered(request: Request) -> list[Instruction]:
    checked = check_request(request)
    stack = resolve(MINIATURE, HOSTS[checked.vendor], checked)
    return read(render(MINIATURE, stack, checked).dockerfile)


def with_text(vendor: Vendor, values: dict[str, str]) -> Request:
    """A request that has one text of each kind."""
    return Request(
        vendor=vendor,
        packages=(values["package"],),
        apt=(values["apt"],),
        user=User(name=values["user"], uid=5, gid=6),
        labels={"zz.key": values["label"]},
        env={"ZZ_KEY": values["env"]},
    )


PLAIN = {"package": "zzpackage", "apt": "zzapt", "user": "zzuser", "label": "zzlabel", "env": "zzenv"}


@cache
def joined(word: Word) -> str:
    return "".join(map(str, word))


def replaced(instructions: list[Instruction], texts: dict[str, str]) -> list[Instruction]:
    """Put other texts in the places of the plain ones."""
    changed = {plain: texts[kind] for kind, plain in PLAIN.items() if texts[kind] != plain}

    def swap(word: Word) -> Word:
        if not any(plain in joined(word) for plain in changed):
            return word
        found: list[str | Active] = []
        for is_text, run in groupby(word, lambda one: isinstance(one, str)):
            if not is_text:
                found += run
                continue
            text = "".join(map(str, run))
            for plain, other in changed.items():
                text = text.replace(plain, other)
            found += text
        return tuple(found)

    return [Instruction(one.name, tuple(map(swap, one.words))) for one in instructions]


@cache
def plain_names(vendor: Vendor) -> list[str]:
    """Return the instructions of a request that asks for nothing."""
    return [one.name for one in rendered(Request(vendor=vendor))]


def without_digest(instructions: list[Instruction]) -> list[Instruction]:
    return [one for one in instructions if not joined(one.words[0]).startswith("io.kgpu-env.plan=")]


@pytest.mark.parametrize("vendor", [Vendor.CPU, Vendor.CUDA, Vendor.ROCM])
@pytest.mark.parametrize("kind", PLAIN)
def test_any_text_stays_one_word(vendor: Vendor, kind: str) -> None:
    plain = without_digest(rendered(with_text(vendor, PLAIN)))
    taken = 0

    @settings(max_examples=150, derandomize=True)
    @given(text)
    @example("a-fine-name")
    def check(value: str) -> None:
        nonlocal taken
        try:
            checked = check_request(with_text(vendor, {**PLAIN, kind: value}))
        except InputError:
            return
        taken += 1
        word = {**PLAIN, kind: checked.packages[0] if kind == "package" else value}
        assert without_digest(rendered(checked)) == replaced(plain, word)

    check()
    assert taken > 0, "every text was refused, so that nothing was seen"


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(["base", "tensorflow", "python", "cuda", "rocm"]), text)
def test_versions_and_bases_come_from_the_catalogue_only(key: str, value: str) -> None:
    try:
        found = rendered(msgspec.structs.replace(Request(vendor=Vendor.CUDA), **{key: value}))
    except (InputError, NoStackError):
        return
    assert [one.name for one in found] == plain_names(Vendor.CUDA)


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(["labels", "env"]), text)
def test_keys_are_names(key: str, value: str) -> None:
    try:
        request = check_request(msgspec.structs.replace(Request(vendor=Vendor.CPU), **{key: {value: "zz"}}))
    except InputError:
        return
    names = [one.name for one in rendered(request)]
    assert sorted(names) == sorted([*plain_names(Vendor.CPU), "LABEL" if key == "labels" else "ENV"])


# Where a text comes from, in the option that each place knows for it.
def from_flag(key: str, value: str, _: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"settings": {key: [value] if key in {"packages", "apt"} else value}}


def from_variable(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    text = value.replace("\x00", "")  # no variable can hold a zero byte
    written = text if key in {"base", "tag"} else yaml.safe_dump(shaped(key, value))
    monkeypatch.setenv(f"KGPU_ENV_{key.upper()}", written)
    return {}


def from_file(key: str, value: str, _: pytest.MonkeyPatch) -> dict[str, Any]:
    Path("kgpu-env.yaml").write_text(yaml.safe_dump({key: shaped(key, value)}))
    return {}


def shaped(key: str, value: str) -> object:
    match key:
        case "packages" | "apt":
            return [value]
        case "labels" | "env":
            return {"zz": value}
        case "user":
            return {"name": value}
        case "network":
            return {"registries": {"docker.io": value}}
        case _:
            return value


Source = Callable[[str, str, pytest.MonkeyPatch], dict[str, Any]]
KEYS: dict[Source, tuple[str, ...]] = {
    from_flag: ("packages", "apt", "base", "tag"),
    from_variable: ("packages", "apt", "base", "tag", "labels", "env"),
    from_file: ("packages", "apt", "base", "tag", "labels", "env", "user", "network"),
}


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("source", KEYS)
def test_nasty_text_from_every_place(
    source: Source,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = sorted(one.name for one in rendered(Request(vendor=Vendor.CPU)))
    for key in KEYS[source]:
        with monkeypatch.context() as patch:
            (tmp_path / "kgpu-env.yaml").unlink(missing_ok=True)
            try:
                found = plan(StackOptions(vendor="cpu", **source(key, value, patch)))
                text = render(found.catalogue, found.stack, found.request).dockerfile
            except (InputError, NoStackError):
                continue
        more = {"apt": ["RUN"], "labels": ["LABEL"], "env": ["ENV"]}.get(key, [])
        given_any = bool(value.strip()) or key in {"labels", "env"}
        assert sorted(one.name for one in read(text)) == sorted([*names, *(more if given_any else [])])


def test_the_reader_sees_what_it_must() -> None:
    """The tests above rest on it: text that is not quoted has to show."""
    assert [one.name for one in read("FROM a\nLABEL x=b\nRUN c")] == ["FROM", "LABEL", "RUN"]
    assert [one.name for one in read("RUN a \\\n# words\n\n  b\nUSER c")] == ["RUN", "USER"]
    assert read("RUN a 'b;c' d;e") == [
        Instruction("RUN", (("a",), tuple("b;c"), ("d", Active(";"), "e"))),
    ]
    assert read('ENV a="$b\\$c"') == [Instruction("ENV", (("a", "=", Active("$"), "b", "$", "c"),))]
    with pytest.raises(AssertionError):
        read("# escape=`\nFROM a")
    with pytest.raises(AssertionError):
        read("RUN 'a")

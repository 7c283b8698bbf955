"""Wheels by hash: what uv is asked, and what is read back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.errors import InputError
from provision.lock import (
    Question,
    Uv,
    Wheel,
    WheelFile,
    compile_wheels,
    conflict_in_short,
    heeded,
    network_environment,
    of_framework,
    of_stack,
    of_tools,
    parse,
    platform_of,
)
from provision.lock.pylock import text_of
from provision.model import Driver, Gpu, Host, Request, Stack, User, Vendor
from provision.model.wanted import Entry, Wanted
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
HOST = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
PLATFORM = "x86_64-manylinux_2_36"
WANTED = Wanted(entries=(Entry(text="pandas", source="--package pandas"),))
REQUEST = Request(vendor=Vendor.CUDA, packages=("pandas",), apt=("git", "less=590-2"), user=User(name="dev"))
TENSORFLOW = "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"
INDEX, ANY = "https://index.example", "tensorflow-2.21.0-1-py3-none-any.whl"
ANSWER = f"""
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "tensorflow"
version = "2.21.0"
wheels = [
    {{ url = "https://index.example/t/{TENSORFLOW}", size = 5, hashes = {{ sha256 = "{"2" * 64}" }} }},
    {{ url = "https://index.example/tensorflow-2.21.0-1-py3-none-any.whl", hashes = {{ sha256 = "{"1" * 64}" }} }},
]

[[packages]]
name = "absl-py"
version = "2.5.1"
wheels = [{{ path = "wheels/absl_py-2.5.1-py3-none-any.whl", hashes = {{ sha256 = "{"1" * 64}" }} }}]
"""
WHEELS = (
    Wheel(name="absl-py", version="2.5.1", files=(WheelFile(file="absl_py-2.5.1-py3-none-any.whl", hash=ONE),)),
    Wheel(
        name="tensorflow",
        version="2.21.0",
        files=(
            WheelFile(file="tensorflow-2.21.0-1-py3-none-any.whl", hash=ONE, url=f"{INDEX}/{ANY}"),
            WheelFile(file=TENSORFLOW, hash=TWO, size_bytes=5, url=f"{INDEX}/t/{TENSORFLOW}"),
        ),
    ),
)


def stack() -> Stack:
    return resolve(MINIATURE, HOST, REQUEST)


def uv(code: int = 0, out: str = ANSWER, problem: str = "", seen: list[Sequence[str]] | None = None) -> Uv:
    def run(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        assert environment == {"HOME": "/root"}
        if seen is not None:
            seen.append([*command, Path(command[3]).read_text()])
        return code, out, problem

    return Uv("uv", {"HOME": "/root"}, run)


def ask(given: Stack, wanted: Wanted = WANTED) -> Question:
    return of_stack(MINIATURE, given, PLATFORM, wanted)


def test_uv_is_asked_for_the_containers_python_and_platform() -> None:
    seen: list[Sequence[str]] = []
    assert compile_wheels(ask(stack()), uv(seen=seen)) == WHEELS
    words = " ".join(seen[0])
    assert "--format pylock.toml" in words
    assert f"--python-version 3.11 --python-platform {PLATFORM}" in words
    assert seen[0][-1].splitlines() == [*stack().packages, "pandas"]


def test_nothing_to_ask_needs_no_uv() -> None:
    assert compile_wheels(ask(replace(stack(), packages=()), Wanted()), uv(code=9)) == ()


def test_amds_indexes_are_searched_together() -> None:
    amd = replace(stack(), indexes=("https://a.example/", "https://b.example/"), find_links="https://c.example/")
    words = " ".join(ask(amd).options)
    assert "--index https://a.example/ --index https://b.example/ --index-strategy unsafe-best-match" in words
    assert "--find-links https://c.example/" in words


def test_a_framework_under_another_name_is_held_to_its_version() -> None:
    cpu = replace(stack(), packages=("tensorflow-cpu==2.21.0",))
    asked = ask(cpu)
    assert asked.requirements == ("tensorflow-cpu==2.21.0", "tensorflow==2.21.0", "pandas")
    assert {"tensorflow-rocm", "tf-nightly", "tensorflow-gpu"} <= set(asked.excludes)
    assert not {"tensorflow", "tensorflow-cpu"} & set(asked.excludes)
    assert ask(cpu, Wanted()).requirements == ("tensorflow-cpu==2.21.0",)  # nothing is there that could ask for it
    local = replace(stack(), packages=("tensorflow-rocm==2.21.0+rocm10.1.0",))
    assert "tensorflow==2.21.0" in ask(local).requirements


def test_the_newest_framework_is_asked_for_without_the_stacks_own_pins() -> None:
    asked = of_framework(MINIATURE, stack(), PLATFORM, WANTED)
    assert asked.requirements == (f"tensorflow<={stack().framework.version}", "pandas")


def test_packages_that_contradict_each_other_are_an_input_error() -> None:
    with pytest.raises(InputError) as caught:
        compile_wheels(ask(stack()), uv(code=1, problem="no solution found"))
    assert (caught.value.code, caught.value.cause) == ("KGE-622", "no solution found")


def test_of_a_conflict_the_part_is_told_that_somebody_can_change() -> None:
    words = """error: No solution found when resolving dependencies
      cause: Because jax[cuda12]==0.2.23 was yanked (reason: Install command errors) and jax[cuda12]==0.3.18 was yanked
             (reason: none), we can conclude that jax[cuda12]>=0.2.23 needs cudnn. And because jax==0.10.2 depends on
             nvidia-cudnn-cu12>=9.8 and you require nvidia-cudnn-cu12==9.3.0.75, we can conclude that your requirements
             are unsatisfiable."""
    told = "jax==0.10.2 depends on nvidia-cudnn-cu12>=9.8 and you require nvidia-cudnn-cu12==9.3.0.75"
    assert conflict_in_short(words) == told
    assert conflict_in_short("Because a was yanked, we can conclude that b. So c.") == "a was yanked"


def test_a_name_that_no_index_has_is_told_as_such() -> None:
    words = (
        "error: No solution found when resolving dependencies\n  cause: Because pandaz was not found in the package\n"
        "         registry and you require pandaz, we can conclude that your requirements are unsatisfiable."
    )
    with pytest.raises(InputError) as caught:
        compile_wheels(ask(stack()), uv(code=1, problem=words))
    assert (caught.value.code, caught.value.text) == ("KGE-636", "The package index has no pandaz.")


def test_a_repository_that_cannot_be_read_is_no_contradiction() -> None:
    words = (
        "error: Failed to download and build `six @ git+https://me:hush@host.example/six@v1`\n"
        "  cause: Git operation failed\n  cause: failed to fetch branch or tag `v1`\n"
        "  cause: process didn't exit successfully: `git fetch` (exit status: 128)\n--- stderr\n"
        "fatal: unable to access 'https://host.example/six/': Could not resolve host: host.example\n"
    )
    with pytest.raises(InputError) as caught:
        compile_wheels(ask(stack()), uv(code=1, problem=words))
    told = "six @ git+https://***@host.example/six@v1 cannot be fetched with Git."
    assert (caught.value.code, caught.value.text) == ("KGE-226", told)
    assert caught.value.cause.startswith("fatal: unable to access")


def test_an_index_that_does_not_answer_is_no_contradiction() -> None:
    words = (
        "error: Request failed after 3 retries in 5.3s\n  cause: Failed to fetch: https://far.example/x/\n  cause: dns"
    )
    with pytest.raises(InputError) as caught:
        compile_wheels(ask(stack()), uv(code=1, problem=words))
    assert (caught.value.code, caught.value.cause) == ("KGE-626", "Failed to fetch: https://far.example/x/\ndns")
    assert "https://far.example/x/ cannot be fetched" in caught.value.text


@pytest.mark.parametrize(
    "out",
    [
        "",
        "tensorflow==2.21.0\n",
        "packages = 1\n",
        "packages = [1]\n",
        ANSWER.replace("sha256", "md5"),
        ANSWER.replace('version = "2.21.0"', 'version = "x"'),
        ANSWER.replace("wheels = [{", "sdists = [{"),
        ANSWER.replace('"2.5.1"', '"2.5.1; reboot"'),
        ANSWER.replace("absl_py-2.5.1-py3-none-any.whl", "absl_py-2.5.1.exe"),
    ],
    ids=["nothing", "pins", "a number", "numbers", "md5", "no version", "no wheel", "a command", "a program"],
)
def test_an_answer_without_wheel_or_hash_is_refused(out: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(out)
    assert caught.value.code == "KGE-623"


def test_uv_itself_is_locked_too() -> None:
    amd = replace(stack(), indexes=("https://a.example/",))
    asked = of_tools(amd, {"uv": "0.13.9"}, PLATFORM)
    assert asked.requirements == ("uv==0.13.9",)
    assert "--index" not in asked.options  # AMD's index has none
    assert of_tools(replace(stack(), packages=()), {"uv": "0.13.9"}, PLATFORM).requirements == ()


SOURCE = ANSWER.replace("wheels = [{ path", "sdist = { path").replace(
    'absl_py-2.5.1-py3-none-any.whl", hashes = { sha256 = "' + "1" * 64 + '" } }]',
    'absl_py-2.5.1.tar.gz", hashes = { sha256 = "' + "1" * 64 + '" } }',
)


@pytest.mark.parametrize(("second", "taken"), [("2.4", "2.4"), ("", "2.5.1")], ids=["there is one", "there is none"])
def test_a_wheel_is_taken_where_it_costs_nothing_that_was_asked_for(second: str, taken: str) -> None:
    def run(command: Sequence[str], _: Mapping[str, str]) -> tuple[int, str, str]:
        again = "--only-binary" in command
        return (0, ANSWER.replace("2.5.1", second), "") if again and second else (int(again), SOURCE, "no solution")

    found = compile_wheels(ask(stack()), Uv("uv", {}, run))
    assert [one.version for one in found if one.name == "absl-py"] == [taken]


def test_a_source_is_taken_rather_than_an_older_release_of_what_was_asked_for() -> None:
    def run(command: Sequence[str], _: Mapping[str, str]) -> tuple[int, str, str]:
        return 0, ANSWER.replace("2.5.1", "2.4") if "--only-binary" in command else SOURCE, ""

    asked = ask(stack(), Wanted(entries=(Entry(text="absl-py", source="--package absl-py"),)))
    found = compile_wheels(asked, Uv("uv", {}, run))
    assert [one.files[0].file for one in found if one.name == "absl-py"] == ["absl_py-2.5.1.tar.gz"]


def test_hashes_that_were_given_are_heeded() -> None:
    entry = Entry(text="tensorflow==2.21.0", source="requirements.txt, line 3", hashes=(TWO,))
    assert [file.hash for file in heeded(WHEELS, (entry,))[1].files] == [TWO]
    with pytest.raises(InputError) as caught:
        heeded(WHEELS, (replace(entry, hashes=(f"sha256:{'3' * 64}",)),))
    assert caught.value.code == "KGE-635"
    assert "requirements.txt, line 3" in caught.value.text


def test_a_lock_is_read_as_it_was_written() -> None:
    commit = Wheel(
        name="b", version="0", files=(), origin="git+https://host.example/b.git@0123#subdirectory=x", use="added"
    )
    archive = WheelFile(file="c-1.whl", hash=ONE, url="https://host.example/c-1.whl")
    at_address = Wheel(name="c", version="0", files=(archive,), origin="https://host.example/c-1.whl", use="added")
    source = WheelFile(file="promise-2.3.tar.gz", hash=TWO, size_bytes=3, url="https://host.example/promise-2.3.tar.gz")
    every = (*WHEELS, commit, at_address, Wheel(name="promise", version="2.3", files=(source,), use="added"))
    assert parse(text_of(every, "3.11")) == tuple(sorted(every, key=lambda one: one.name))


@pytest.mark.parametrize(("glibc", "platform"), [("2.36", "2_36"), ("2.41", "2_40"), ("2.28", "2_28")])
def test_the_platform_follows_the_bases_c_library(glibc: str, platform: str) -> None:
    assert platform_of("x86_64", glibc) == f"x86_64-manylinux_{platform}"


def test_the_hosts_own_index_reaches_uv(tmp_path: Path) -> None:
    found = network_environment({"network/uv.toml": b"x"}, {"HOME": "/root"}, "/ca.pem", tmp_path)
    assert found == {"HOME": "/root", "UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "SSL_CERT_FILE": "/ca.pem"}
    assert (tmp_path / "uv.toml").read_bytes() == b"x"

"""Wheels by hash: what uv is asked, and what is read back."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.errors import InputError
from provision.lock import Uv, Wheel, WheelFile, compile_tools, compile_wheels, network_environment, platform_of
from provision.model import Driver, Gpu, Host, Request, Stack, User, Vendor
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
HOST = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
REQUEST = Request(vendor=Vendor.CUDA, packages=("pandas",), apt=("git", "less=590-2"), user=User(name="dev"))
TENSORFLOW = "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"
ANSWER = f"""
lock-version = "1.0"

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
            WheelFile(file="tensorflow-2.21.0-1-py3-none-any.whl", hash=ONE),
            WheelFile(file=TENSORFLOW, hash=TWO, size_bytes=5),
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


def test_uv_is_asked_for_the_containers_python_and_platform() -> None:
    seen: list[Sequence[str]] = []
    found = compile_wheels(stack(), REQUEST, "x86_64-manylinux_2_36", uv(seen=seen))
    assert found == WHEELS
    words = " ".join(seen[0])
    assert "--format pylock.toml" in words
    assert "--python-version 3.11 --python-platform x86_64-manylinux_2_36" in words
    assert seen[0][-1].splitlines() == [*stack().packages, "pandas"]


def test_a_stack_without_packages_needs_no_uv() -> None:
    bare = replace(stack(), packages=())
    assert compile_wheels(bare, replace(REQUEST, packages=()), "x86_64-manylinux_2_28", uv(code=9)) == ()


def test_amds_indexes_are_searched_together() -> None:
    seen: list[Sequence[str]] = []
    amd = replace(stack(), indexes=("https://a.example/", "https://b.example/"), find_links="https://c.example/")
    compile_wheels(amd, REQUEST, "x86_64-manylinux_2_28", uv(seen=seen))
    words = " ".join(seen[0])
    assert "--index https://a.example/ --index https://b.example/ --index-strategy unsafe-best-match" in words
    assert "--find-links https://c.example/" in words


def test_packages_that_contradict_each_other_are_an_input_error() -> None:
    with pytest.raises(InputError) as caught:
        compile_wheels(stack(), REQUEST, "x86_64-manylinux_2_36", uv(code=1, problem="no solution found"))
    assert (caught.value.code, caught.value.cause) == ("KGE-622", "no solution found")


def test_an_index_that_does_not_answer_is_no_contradiction() -> None:
    words = (
        "error: Request failed after 3 retries in 5.3s\n  cause: Failed to fetch: https://far.example/x/\n  cause: dns"
    )
    with pytest.raises(InputError) as caught:
        compile_wheels(stack(), REQUEST, "x86_64-manylinux_2_36", uv(code=1, problem=words))
    assert (caught.value.code, caught.value.cause) == ("KGE-626", "dns")
    assert "https://far.example/x/ cannot be fetched" in caught.value.text


@pytest.mark.parametrize(
    "out",
    [
        "",
        "tensorflow==2.21.0\n",
        "packages = 1\n",
        "packages = [1]\n",
        ANSWER.replace("sha256", "md5"),
        ANSWER.replace('version = "2.21.0"', ""),
        ANSWER.replace("wheels = [{", "sdists = [{"),
        ANSWER.replace('"2.5.1"', '"2.5.1; reboot"'),
        ANSWER.replace("absl_py-2.5.1-py3-none-any.whl", "absl_py-2.5.1.tar.gz"),
    ],
    ids=["nothing", "pins", "a number", "numbers", "md5", "no version", "no wheel", "a command", "a source"],
)
def test_an_answer_without_wheel_or_hash_is_refused(out: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_wheels(stack(), REQUEST, "x86_64-manylinux_2_36", uv(out=out))
    assert caught.value.code == "KGE-623"


def test_uv_itself_is_locked_too() -> None:
    seen: list[Sequence[str]] = []
    head, _, last = ANSWER.split("[[packages]]")
    answer = f"{head}[[packages]]{last.replace('absl-py', 'uv')}"
    amd = replace(stack(), indexes=("https://a.example/",))
    found = compile_tools(amd, {"uv": "0.13.9"}, "x86_64-manylinux_2_36", uv(out=answer, seen=seen))
    assert [one.name for one in found] == ["uv"]
    assert seen[0][-1] == "uv==0.13.9\n"
    assert "--index" not in seen[0]  # AMD's index has none
    assert compile_tools(replace(stack(), packages=()), {"uv": "0.13.9"}, "x86_64-manylinux_2_36", uv(code=9)) == ()


@pytest.mark.parametrize(("glibc", "platform"), [("2.36", "2_36"), ("2.41", "2_40"), ("2.28", "2_28")])
def test_the_platform_follows_the_bases_c_library(glibc: str, platform: str) -> None:
    assert platform_of("x86_64", glibc) == f"x86_64-manylinux_{platform}"


def test_the_hosts_own_index_reaches_uv(tmp_path: Path) -> None:
    found = network_environment({"network/uv.toml": b"x"}, {"HOME": "/root"}, "/ca.pem", tmp_path)
    assert found == {"HOME": "/root", "UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "SSL_CERT_FILE": "/ca.pem"}
    assert (tmp_path / "uv.toml").read_bytes() == b"x"

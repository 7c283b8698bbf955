"""Locks: the same bytes every time, what a Dockerfile takes from one, and what counts as drift."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from provision.catalogue import load
from provision.engine.context import tarball
from provision.engine.protocol import Context
from provision.errors import InputError
from provision.lock import (
    DebianFile,
    Lock,
    Pinned,
    Wheel,
    WheelFile,
    check_plan,
    drifts,
    files_of,
    in_short,
    keep_debian,
    locked_plan,
    make_lock,
    pins,
    read_lock,
    with_debian,
)
from provision.model import Driver, Gpu, Host, Request, Stack, User, Vendor, decode, encode
from provision.model.pins import requirement
from provision.resolve import resolve

MINIATURE = load(Path(__file__).parents[2] / "data" / "catalogue")

ROOT = Path(__file__).parents[3]
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
DIGEST = f"sha256:{'d' * 64}"
HOST = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="580.65.06"),))
REQUEST = Request(vendor=Vendor.CUDA, packages=("pandas",), apt=("git", "less=590-2"), user=User(name="dev"))
TENSORFLOW = "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"
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

TOOLS = (Wheel(name="uv", version="0.13.9", files=(WheelFile(file="uv-0.13.9-py3-none-any.whl", hash=ONE),)),)


def stack() -> Stack:
    return resolve(MINIATURE, HOST, REQUEST)


def lock(**changes: object) -> Lock:
    values = {"wheels": WHEELS, "tools": TOOLS, "platform": "x86_64-manylinux_2_36", "base_digest": DIGEST, **changes}
    return make_lock(MINIATURE, stack(), REQUEST, Pinned(**values))  # type: ignore[arg-type] # given by name


def test_the_same_lock_gives_the_same_context_byte_for_byte() -> None:
    def context(text: str) -> bytes:
        found = decode(text, Lock)
        plan = locked_plan(MINIATURE, found)
        assert plan.digest == found.plan_digest
        return tarball(Context(files=plan.files))

    text = encode(lock())
    assert text == encode(lock())
    assert context(text) == context(text)
    with tarfile.open(fileobj=io.BytesIO(context(text))) as archive:
        names = archive.getnames()
    assert names == ["Dockerfile"]  # the hashes are in it


def test_a_locked_dockerfile_installs_by_hash_and_nothing_else() -> None:
    found = lock()
    plan = locked_plan(MINIATURE, found)
    assert f"FROM debian:bookworm-slim@{DIGEST}" in plan.dockerfile
    assert "--require-hashes" in plan.dockerfile
    assert "--no-deps --require-hashes" in plan.dockerfile
    assert "--requirement /opt/venv/requirements/framework.txt" in plan.dockerfile
    assert "pandas" not in plan.dockerfile  # of this lock's wheels none is
    lines = [line.strip(" \\") for line in plan.dockerfile.splitlines() if "==" in line and "--hash=" in line]
    assert lines == [f"'{requirement(pin)}'" for pin in pins(lock())[-1:] + pins(lock())[:-1]]
    assert [line for line in plan.dockerfile.splitlines() if "tensorflow==" in line and "--hash=" not in line] == []


def test_another_wheel_is_another_plan() -> None:
    other = (replace(WHEELS[0], version="2.5.2"), WHEELS[1])
    assert lock(wheels=other).plan_digest != lock().plan_digest


def test_a_base_that_is_locked_is_never_made_locally_instead() -> None:
    assert lock().stack.local_base is None
    assert lock(base_digest=None).stack.local_base == "bookworm"


def test_apt_versions_are_kept_where_they_are_given() -> None:
    assert [(one.name, one.version) for one in lock().apt] == [("git", None), ("less", "590-2")]


LESS = DebianFile(name="less", version="590-2", architecture="amd64", hash=ONE)
GIT = DebianFile(name="git", version="1:2.39.5-0+deb12u2", architecture="amd64", hash=TWO)


def test_debian_packages_are_added_to_a_lock_that_has_none(tmp_path: Path) -> None:
    path = tmp_path / "kgpu.lock"
    for place, content in files_of(lock(), path).items():
        place.write_bytes(content)
    old = json.loads(path.read_bytes())
    del old["debian"]  # as an earlier version wrote it
    path.write_text(json.dumps(old))
    before = read_lock(path)
    assert (before.debian, before.wheels) == ((), lock().wheels)
    path.write_bytes(with_debian(path, [LESS, GIT]))
    found = read_lock(path)
    assert found == replace(before, debian=(GIT, LESS))
    check_plan(MINIATURE, found, path)
    assert drifts(found, lock()) == ()


@pytest.mark.parametrize(
    "changed", [{"name": "../git"}, {"version": "1; rm"}, {"version": "1\n"}, {"architecture": "a b"}, {"hash": "1"}]
)
def test_a_debian_package_is_no_other_word(tmp_path: Path, changed: dict[str, str]) -> None:
    path = tmp_path / "kgpu.lock"
    document = json.loads(encode(replace(lock(), wheels=(), debian=(GIT,))))
    document["debian"][0] |= changed
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        read_lock(path)
    assert (caught.value.code, "debian" in caught.value.cause) == ("KGE-620", True)


def test_debian_packages_stay_while_base_and_request_do() -> None:
    old = replace(lock(), debian=(GIT, LESS))
    assert keep_debian(old, lock()) == old
    assert keep_debian(old, lock(base_digest=ONE)).debian == ()
    assert keep_debian(replace(old, request=replace(REQUEST, apt=("git",))), lock()).debian == ()


def test_nothing_drifts_by_itself() -> None:
    assert drifts(lock(), lock()) == ()


def test_every_kind_of_drift_is_told() -> None:
    now = replace(
        lock(base_digest=ONE),
        version="9",
        catalogue=TWO,
        platform="aarch64-manylinux_2_36",
        apt=(),
        wheels=(replace(WHEELS[0], version="3"), replace(WHEELS[1], files=(WheelFile(file=TENSORFLOW, hash=DIGEST),))),
    )
    now = replace(now, stack=replace(now.stack, summary="another"))
    found = drifts(lock(), now)
    same = "the index has another file under the same version"
    assert list(map(str, found)) == [
        f"tensorflow 2.21.0: {same} (locked sha256:111111111111, now sha256:dddddddddddd)",
        f"stack: locked {stack().summary}, now another",
        "base digest: locked sha256:dddddddddddd, now sha256:111111111111",
        "platform: locked x86_64-manylinux_2_36, now aarch64-manylinux_2_36",
        "apt packages: locked git, less=590-2, now none",
        f"kgpu-env: locked {lock().version}, now 9",
        "absl-py: locked 2.5.1, now 3",
    ]
    assert in_short(found) == (
        "stack, base digest, platform, apt packages, kgpu-env, "
        "wheels (1 of another version, 1 with another file under the same version)"
    )


def test_wheels_that_come_and_go_are_told() -> None:
    found = drifts(lock(wheels=WHEELS[:1]), lock(wheels=WHEELS[1:]))
    assert list(map(str, found)) == [
        "absl-py: locked 2.5.1, no longer needed",
        "tensorflow: now 2.21.0, was not needed",
    ]
    assert in_short(found) == "wheels (1 new, 1 gone)"


def test_another_catalogue_alone_is_no_drift() -> None:
    assert drifts(lock(), replace(lock(), catalogue=TWO)) == ()


def test_another_plan_for_no_reason_that_is_known_is_told() -> None:
    (found,) = drifts(lock(), replace(lock(), plan_digest=TWO))
    assert str(found).startswith("Dockerfile: locked sha256:")


def test_one_more_file_of_a_version_is_no_drift() -> None:
    added = WheelFile(file="absl_py-2.5.1-py2-none-any.whl", hash=TWO)
    more = (replace(WHEELS[0], files=(*WHEELS[0].files, added)), WHEELS[1])
    assert not [one for one in drifts(lock(), lock(wheels=more)) if "absl" in one.what]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"schema": "kgpu-env/lock/2"}',
        encode(lock()).replace(ONE, "sha256:1; rm -rf /"),
        encode(lock()).replace('"vendor": "cuda"', '"vendor": "auto"'),
    ],
    ids=["empty", "no keys", "a list", "another schema", "a hash with a command", "no vendor"],
)
def test_a_file_that_is_no_lock(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kgpu.lock"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_lock(path)
    assert caught.value.code == "KGE-620"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"image": "debian:bookworm-slim"', '"image": "debian\\nRUN reboot"'),
        ('"python": "3.11"', '"python": "3.11; reboot"'),
        ('"LD_LIBRARY_PATH": "', '"A\\nRUN reboot": "'),
        ('"LD_LIBRARY_PATH": "', '"LD_LIBRARY_PATH": "x\\nRUN reboot'),
        ('"version": "2.21.0"', '"version": "2.21.0\\nRUN reboot"'),
    ],
)
def test_no_text_of_a_lock_becomes_an_instruction(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "kgpu.lock"
    text = encode(lock())
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_lock(path)
    assert caught.value.code == "KGE-620"


def test_a_lock_that_was_edited_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "kgpu.lock"
    path.write_text(encode(lock()).replace('"2.5.1"', '"2.5.0"'))
    with pytest.raises(InputError) as caught:
        check_plan(MINIATURE, read_lock(path), path)
    assert caught.value.code == "KGE-625"
    check_plan(MINIATURE, lock(), path)


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_lock(tmp_path / "kgpu.lock")


def test_a_locked_dockerfile_takes_uv_by_hash_too() -> None:
    text = locked_plan(MINIATURE, lock()).dockerfile
    assert f"      'uv==0.13.9 --hash={ONE}' " in text
    assert "/opt/uv/bin/pip install uv==" not in text


@pytest.mark.parametrize("vendor", ["cuda", "rocm"])
def test_the_reference_dockerfiles_are_their_locks(vendor: str) -> None:
    path = ROOT / "images" / "locks" / f"{vendor}.lock"
    found = read_lock(path)
    check_plan(load(), found, path)
    plan = locked_plan(load(), found)
    assert set(plan.files) == {"Dockerfile"}  # it can be built with nothing beside it
    assert plan.dockerfile == (ROOT / f"Dockerfile.{vendor}").read_text()
    assert all(one.hash in plan.dockerfile for wheel in found.wheels for one in wheel.files)


def test_the_reference_lock_says_what_it_does_not_fix() -> None:
    text = (ROOT / "Dockerfile.rocm").read_text()
    assert "0 wheels by hash, the base by name only." in text
    assert "the base by digest" in locked_plan(MINIATURE, lock()).dockerfile

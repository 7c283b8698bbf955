"""A support archive: what a probe of it sees, what nobody may see in it, and that nothing is overwritten."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archives import unpack
from trees import ROWS, causes, make

from provision import api
from provision.errors import InputError
from provision.model import Host
from provision.report import Contents
from provision.report.names import Names

GEFORCE = next(row for row in ROWS if row["name"] == "nvidia-cdi-spec-stale")


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        unpack(tar, folder)
    return folder / "kgpu-env-report" / "tree"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_probe_of_the_archive_sees_what_a_probe_of_the_host_saw(
    tmp_path: Path, row: dict[str, Any], kept_tree: Callable[[str], Path], probed: Callable[[str], Host]
) -> None:
    archive = tmp_path / "a.tar.gz"
    api.report(archive, root=kept_tree(row["name"]), keep_names=True)
    assert api.probe_host(unpacked(archive, tmp_path / "there")) == probed(row["name"])


@pytest.mark.parametrize("name", make.TREES)
def test_also_without_names_it_is_the_same_cause(
    tmp_path: Path, name: str, kept_tree: Callable[[str], Path], probed: Callable[[str], Host]
) -> None:
    archive = tmp_path / "a.tar.gz"
    api.report(archive, root=kept_tree(name))
    there, here = api.probe_host(unpacked(archive, tmp_path / "there")), probed(name)
    assert [finding.code for finding in there.findings] == [finding.code for finding in here.findings]
    assert [gpu.architecture for gpu in there.gpus] == [gpu.architecture for gpu in here.gpus]
    told = {gpu.uuid for gpu in here.gpus if gpu.uuid}
    kept = {gpu.uuid for gpu in there.gpus if gpu.uuid}
    assert len(kept) == len(told)
    assert not told & kept


SECRETS = {
    "hunter2-url": "https://alice:{}@index.example/simple",
    "hunter2-word": 'registry_password = "{}"',
    "hunter2-token": "HF_TOKEN={}",
    "hunter2-json": '"identitytoken": "{}"',
    "hunter2-bearer": "Authorization: Bearer {}",
    "ghp_abcdefghijklmnopqrstuvwxyz0123": "text {} text",
    "AKIAABCDEFGHIJKLMNOP": "text {} text",
    "hf_abcdefghijklmnopqrstuvwx": "clone {}",
}
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2-key\n-----END OPENSSH PRIVATE KEY-----"
NAMED = {
    "node7.lab.example": "node7.lab.example",
    "node7": "on node7 today",
    "marieclaire": "/home/marieclaire/.docker",
    "10.20.30.41": "addr 10.20.30.41/24",
    "fe80::42:6ff:fe9d:24e5": "inet6 fe80::42:6ff:fe9d:24e5",
    "02:42:06:9d:24:e5": "link/ether 02:42:06:9d:24:e5",
    "1322919104711": "Serial Number : 1322919104711",
    "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c": "root=UUID=6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c",
}


def plant(tree: Path, text: str) -> None:
    """Put a text wherever a probe reads, and into places that it only looks at."""
    places = (
        *("proc/cmdline", "proc/1/environ", "etc/environment", "etc/docker/daemon.json", "etc/cdi/nvidia.yaml"),
        *("var/log/dmesg", "etc/modprobe.d/own.conf", "home/marieclaire/.docker/config.json", "proc/version"),
        *("etc/nvidia-container-runtime/config.toml", "etc/os-release", "usr/bin/podman", "run/systemd/container"),
    )
    for path in places:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        with (tree / path).open("a") as file:
            file.write(f"\n{text}\nNVRM: {text}\nHSA_X={text}\n")


@pytest.fixture
def planted(tmp_path: Path) -> Callable[..., bytes]:
    """Every byte of an archive of a host that is full of secrets and names."""
    tree = tmp_path / "host"
    causes.build(make, tree, GEFORCE)
    lines = [form.format(secret) for secret, form in SECRETS.items()] + [PRIVATE, *NAMED.values()]
    plant(tree, "\n".join(lines))
    (tree / "etc/hostname").write_text("node7.lab.example\n")
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmarieclaire:x:1000:1000::/home/marieclaire:/bin/sh\n")

    def bytes_of(**options: Any) -> bytes:  # noqa: ANN401 - of `report`, of several types
        archive = tmp_path / f"{len(list(tmp_path.iterdir()))}.tar.gz"
        api.report(archive, root=tree, **options)
        return gzip.decompress(archive.read_bytes())

    return bytes_of


def test_no_secret_and_no_name_is_anywhere_in_the_archive(planted: Callable[..., bytes]) -> None:
    data = planted()
    assert b"NVRM:" in data  # the files were read
    found = [word for word in (*SECRETS, "hunter2", *NAMED) if word.encode() in data]
    assert found == []


def test_names_may_be_kept_and_secrets_may_not(planted: Callable[..., bytes]) -> None:
    data = planted(keep_names=True)
    assert [word for word in NAMED if word.encode() not in data] == []
    assert b"hunter2" not in data


def test_a_key_is_seen_behind_any_character_and_a_form_inside_a_word_is_none() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"
    for before in ("", "x", "-", "\n"):
        assert Names().text(f"{before}{key}.") == f"{before}***."
    assert Names().text(f"xhf_{'a' * 20}") == f"xhf_{'a' * 20}"


def test_one_name_has_one_mark_and_another_archive_another() -> None:
    names = Names(["node7"], ["eve"])
    first = names.text("node7 eve 10.0.0.1 and node7")
    assert first == names.text("node7 eve 10.0.0.1 and node7")
    assert first.split()[0] == first.split()[-1]
    assert Names(["node7"], ["eve"]).text("node7") != names.text("node7")


@pytest.mark.parametrize(
    "text",
    [
        "0000:01:00.0 10de:2684",
        "6.19.14.31400000",
        "nvidia-cudnn-cu12==9.10.2.21",
        "12:34:56",
        "96.00.74.00.01",
        "/dev/nvidia0 666 0",
        "unix:///var/run/docker.sock",
        "127.0.0.1:5000",
        "rocm/tensorflow@sha256:0123",
        "simd_count 64",
    ],
)
def test_what_is_no_name_stays(text: str) -> None:
    assert Names(["dev", "node7"], ["render", "ubuntu"]).text(text) == text


def test_a_number_stays_a_number_of_its_length() -> None:
    names = Names()
    found = names.text("unique_id 15931900197903628200")
    assert found != "unique_id 15931900197903628200"
    assert found.split()[1].isdecimal()
    assert names.text("dd1b00000000a000\n", "tree/sys/x/unique_id") != "dd1b00000000a000\n"
    assert len(names.text("dd1b00000000a000\n", "tree/sys/x/unique_id")) == 17


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    make.make(tmp_path, ["none"])
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(b"mine")
    with pytest.raises(InputError) as error:
        api.report(archive, root=tmp_path / "none")
    assert error.value.code == "KGE-338"
    assert archive.read_bytes() == b"mine"
    with pytest.raises(InputError) as error:
        api.report(tmp_path / "nowhere" / "a.tar.gz", root=tmp_path / "none")
    assert error.value.code == "KGE-605"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "none"]


def test_only_its_owner_can_read_it_and_its_order_is_fixed(tmp_path: Path) -> None:
    make.make(tmp_path, ["h100"])
    lists = []
    for name in ("a", "b"):
        found = api.report(tmp_path / f"{name}.tar.gz", root=tmp_path / "h100")
        lists.append([one.path for one in found.files])
        with tarfile.open(tmp_path / f"{name}.tar.gz") as tar:
            members = tar.getmembers()
        assert [one.name for one in members] == sorted(one.name for one in members)
        assert {(one.mtime, one.uid, one.uname) for one in members} == {(0, 0, "")}
        assert {one.name for one in members if one.isreg()} == set(lists[-1])
        assert (tmp_path / f"{name}.tar.gz").stat().st_mode & 0o777 == 0o600
    assert lists[0] == lists[1]
    assert {"kgpu-env-report/doctor.txt", "kgpu-env-report/host.json", "kgpu-env-report/resolve.txt"} <= set(lists[0])


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.report.archive.TOTAL_BYTES", 1 << 20)
    contents = Contents(Names())
    contents.add("large", b"x" * ((1 << 20) - 10))
    contents.add("more", b"y" * 11)
    contents.add("small", b"z" * 10)
    assert [*contents.listed] == ["kgpu-env-report/large", "kgpu-env-report/small"]
    assert contents.left_out == ["kgpu-env-report/more: the archive has 1 MiB already"]


@pytest.mark.parametrize("text", ["x", "1.", "a:", "token ", "-", "serial ", "ab:", "0123456789abcdef"])
@pytest.mark.timeout(20)
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    """A regular expression that looks at each start of a long run again would take minutes."""
    Names(["node7"]).text(text * ((256 << 10) // len(text)))

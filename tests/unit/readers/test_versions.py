"""Versions from outside that are no dotted numbers."""

from itertools import pairwise
from pathlib import Path

import pytest

from provision.api import read_host
from provision.errors import InputError
from provision.model import is_before_release, is_version, version_key
from provision.probe import Lookups, probe_files
from provision.probe.amd_parsers import parse_driver_version

TREES = Path(__file__).parents[2] / "data" / "trees"
NONE = ["6.16.6-custom", "", "foo", "6.", ".6", "6..1", "6.1\n", "v6", "\u0667", "9" * 5000]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="is not a dotted version number"):
        version_key(text)


@pytest.mark.parametrize("text", ["6", "6.16.6", "6.19.14.31400000", "580.95.05"])
def test_what_is_one(text: str) -> None:
    assert is_version(text)
    assert version_key(text)


@pytest.mark.parametrize("maker", ["nvidia", "amd"])
@pytest.mark.parametrize("text", NONE)
def test_a_host_file_with_such_a_driver_is_none(tmp_path: Path, maker: str, text: str) -> None:
    path = tmp_path / "host.json"
    quoted = text.replace("\n", "\\n")
    path.write_text(f'{{"drivers": [{{"vendor": "{maker}", "version": "{quoted}"}}]}}')
    with pytest.raises(InputError) as caught:
        read_host(path)
    assert caught.value.code == "KGE-607"
    assert "drivers[0].version" in caught.value.cause


@pytest.mark.parametrize(
    ("told", "version"),
    [("6.16.6-custom", "6.16.6"), ("6.16.13", "6.16.13"), ("foo", None), ("-6", None), ("6.", "6")],
)
def test_amdgpu_of_ones_own_making(told: str, version: str | None) -> None:
    assert parse_driver_version(told) == version


@pytest.mark.parametrize("told", ["6.16.6-custom", "foo"])
def test_it_is_a_finding_that_names_it(tmp_path: Path, told: str) -> None:
    module = tmp_path / "sys/module/amdgpu"
    module.mkdir(parents=True)
    (module / "initstate").write_text("live\n")
    (module / "version").write_text(f"{told}\n")
    device = tmp_path / "sys/bus/pci/devices/0000:03:00.0"
    device.mkdir(parents=True)
    for name, value in (("class", "0x120000"), ("vendor", "0x1002"), ("device", "0x74a1")):
        (device / name).write_text(f"{value}\n")
    host = probe_files(tmp_path, Lookups())
    assert [driver.flavour for driver in host.drivers] == ["dkms"]  # not the kernel's own
    [finding] = [one for one in host.findings if one.code == "KGE-108"]
    assert told in finding.text


def test_what_comes_before_a_release_is_older_than_it_and_newer_than_those_before() -> None:
    ordered = ["2.21.9", "2.22.0a1", "2.22.0b2", "2.22.0rc0", "2.22.0rc1", "2.22.0", "2.22.1rc0", "2.22.1"]
    assert all(version_key(older) < version_key(newer) for older, newer in pairwise(ordered))
    assert [one for one in ordered if is_before_release(one)] == [one for one in ordered if set(one) & set("abrc")]
    assert not is_version("2.22.0rc")
    assert not is_version("rc0")

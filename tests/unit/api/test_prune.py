"""What may be removed: nothing that a record, a lock or a plan names."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision import api
from provision.engine.protocol import OwnImage
from provision.model import Host
from provision.records import Record, host_key, save, seal

DAY = 86_400


class Words:
    """An engine with images, of which it keeps some."""

    def __init__(self, *images: OwnImage, kept: str = "") -> None:
        self.images, self.kept = images, kept
        self.gone: list[str] = []

    def own_images(self) -> tuple[OwnImage, ...]:
        return self.images

    def discard(self, image: OwnImage) -> str:
        if image.image_id == self.kept:
            return "a container uses it"
        self.gone.append(image.image_id)
        return ""


def image(ident: str, *names: str) -> OwnImage:
    return OwnImage(image_id=ident, names=names, size_bytes=10, created=1, plan=f"sha256:{ident}")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kgpu-env"


@pytest.fixture
def kept_record(tmp_path: Path) -> Path:
    """A record about team/x:1, in a folder of its own."""
    record = Record(
        tool="1.0",
        host=host_key(Host(kernel="6.1.0"), "node1"),
        image="team/x:1",
        image_id="sha256:1",
        plan="sha256:2",
        backend="tensorflow",
        level="standard",
        requested="cuda GPU 0",
        verdict="proved",
        code="",
        reason="it learned",
        at="2026-11-22T10:00:00Z",
        controlled="",
        proof="sha256:3",
    )
    return save(tmp_path / "proofs", seal(record, Ed25519PrivateKey.from_private_bytes(b"k" * 32)))


def engine(*images: OwnImage, kept: str = "") -> Any:  # noqa: ANN401 - as much of an engine as these tests need
    return Words(*images, kept=kept)


def test_what_is_named_stays(tmp_path: Path) -> None:
    one = engine(image("a", "x:1"), image("b", "x:2"), image("c", "x:3", "y:1"), image("d"))
    found = api.unused({"x:1"}, {"sha256:b"}, tmp_path, engine=one)
    assert [(each.what, each.why) for each in found] == [
        ("x:3 y:1", "no record, lock or plan names it"),
        ("d", "another image has its name by now"),
    ]


def test_what_is_in_use_is_kept_and_told(tmp_path: Path) -> None:
    one = engine(image("a", "x:1"), image("b", "x:2"), kept="a")
    assert api.remove_unused(api.unused((), (), tmp_path, engine=one), engine=one) == {"x:1": "a container uses it"}
    assert one.gone == ["b"]


def test_copies_are_removed_and_a_link_is_not_followed(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("precious")
    cache.mkdir(parents=True)
    (cache / "copy").write_text("12345")
    (cache / "link").symlink_to(tmp_path / "theirs")
    one = engine()
    found = api.unused((), (), tmp_path, engine=one)
    assert [(each.kind, each.what, each.bytes) for each in found] == [("cache", str(cache), 5)]
    assert api.remove_unused(found, engine=one) == {}
    assert not cache.exists()
    assert (tmp_path / "theirs" / "file").exists()


def test_a_cache_that_is_a_link_is_refused_by_name(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("precious")
    cache.parent.mkdir()
    cache.symlink_to(tmp_path / "theirs")
    one = engine()
    kept = api.remove_unused(api.unused((), (), tmp_path, engine=one), engine=one)
    assert list(kept) == [str(cache)]
    assert (tmp_path / "theirs" / "file").exists()


def test_a_record_that_tells_nothing_any_more_goes(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"schema": "kgpu-env/record/1", "digest": "x"}')
    (tmp_path / "broken.json").write_text("{")  # whatever it is, it is looked at by a person first
    found = api.unused((), (), tmp_path, engine=engine())
    assert [(each.kind, Path(each.what).name) for each in found] == [("record", "old.json")]
    assert api.remove_unused(found, engine=engine()) == {}
    assert [path.name for path in tmp_path.glob("*.json")] == ["broken.json"]


def test_a_record_names_its_image_until_it_is_gone_for_long(kept_record: Path) -> None:
    assert api.unused((), (), kept_record.parent, engine=engine(image("sha256:1", "other:name"))) == ()
    assert api.unused((), (), kept_record.parent, engine=engine(image("z", "team/x:1"))) == ()
    assert api.unused((), (), kept_record.parent, engine=engine()) == ()
    os.utime(kept_record, (time.time() - 100 * DAY,) * 2)
    (found,) = api.unused((), (), kept_record.parent, engine=engine())
    assert (found.kind, found.what) == ("record", str(kept_record))
    assert "team/x:1 is not here, and the record is 100 days old" in found.why

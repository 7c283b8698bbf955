"""An image as an OCI layout, from what an engine saves; and back, as what every engine loads.

Layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md. Layers are kept unpacked, so that the
same image gives the same bytes whichever engine saved it.

An engine calls what it loads by the digest of its configuration; with containerd's image store, Docker 29's default, by
that of its manifest. So that this is the layout's, a loadable archive is a layout, too: such an engine makes a manifest
of its own for the older form alone (containerd, core/images/archive/importer.go, checked 2026-11-30).
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from provision.errors import EngineError, InputError
from provision.model.base import parse_json
from provision.model.reference import parse_reference

_OCI: Final = "application/vnd.oci.image"
_CHUNK: Final = 1 << 20
_LIMIT: Final = 8 << 20  # of a manifest or configuration
_BLOBS: Final = "blobs/sha256"
_INDEX: Final = "index.json"
_VERSION: Final = ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
_NAME: Final = "io.containerd.image.name"  # of an index's entry, as containerd reads it
# What makes an archive loadable beside its blobs: https://github.com/moby/moby/blob/master/image/spec/v1.2.md for the
# first, a layout for an engine with containerd's store.
LOADING: Final = ("manifest.json", _INDEX, _VERSION[0])


class Saved(NamedTuple):
    """An image as a layout.

    Attributes:
        image_id: of its configuration.
        manifest: the digest of its manifest.
        files: by their path in the layout.
    """

    image_id: str
    manifest: str
    files: dict[str, Path]


def to_layout(archive: Path, folder: Path) -> Saved:
    """Return an image as a layout below `folder`.

    Raises:
        EngineError: KGE-305, the archive is not what engines save.
    """
    blobs = folder / _BLOBS
    blobs.mkdir(parents=True)
    try:
        with tarfile.open(archive, "r:") as tar:
            [listed] = _json(tar, "manifest.json")
            content = _read(tar, listed["Config"]).read(_LIMIT)
            config = _descriptor("config.v1+json", content, blobs)
            diffs = json.loads(content)["rootfs"]["diff_ids"]
            layers = [_layer(tar, name, blobs, diff) for name, diff in zip(listed["Layers"], diffs, strict=True)]
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        what = "the engine saved an image in a form that is not understood"
        raise EngineError("KGE-305", what, cause=f"{type(error).__name__}: {error}") from error
    kind = f"{_OCI}.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}
    described = _descriptor("manifest.v1+json", _bytes(manifest), blobs)
    (folder / _INDEX).write_bytes(_index(described))
    (folder / _VERSION[0]).write_bytes(_VERSION[1])
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return Saved(str(config["digest"]), str(described["digest"]), files)


def _index(described: Mapping[str, Any]) -> bytes:
    return _bytes({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [described]})


def _layer(tar: tarfile.TarFile, name: str, blobs: Path, diff: str) -> dict[str, Any]:
    """Copy a layer, unpacked, and check that it is the one that the configuration names."""
    source = _read(tar, name)
    packed = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    place, found, size = blobs / diff.removeprefix("sha256:"), hashlib.sha256(), 0
    with place.open("wb") as into, gzip.open(source) if packed else source as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            into.write(chunk)
            size += len(chunk)
    if f"sha256:{found.hexdigest()}" != diff:
        raise ValueError(f"the layer {name} is not {diff}")
    return {"mediaType": f"{_OCI}.layer.v1.tar", "digest": diff, "size": size}


def _read(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file


def _json(tar: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401 - JSON
    return parse_json(_read(tar, name).read(_LIMIT))


def _descriptor(kind: str, content: bytes, blobs: Path) -> dict[str, Any]:
    number = hashlib.sha256(content).hexdigest()
    (blobs / number).write_bytes(content)
    return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{number}", "size": len(content)}


def image_archive(layout: Path, image_id: str, name: str, into: IO[bytes]) -> None:
    """Write an image of a layout as what `docker load` takes. Its name is ours: a layout could claim any other.

    Args:
        layout: a folder, each of whose blobs was checked against its name.
        image_id: of the image that is expected in it.
        name: the only name that it gets.
        into: an empty file.

    Raises:
        InputError: KGE-221, the layout does not hold that image.
    """
    try:
        described, blobs = _described(layout, image_id)
        with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for blob in dict.fromkeys((*blobs, _blob(layout, described["digest"]))):
                tar.add(blob, f"{_BLOBS}/{blob.name}", recursive=False)
            for path, content in loading_files(layout, image_id, name).items():
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unloadable(layout, error) from error


def loading_files(layout: Path, image_id: str, name: str, below: str = "") -> dict[str, bytes]:
    """Return the files by which an archive with a layout's blobs is what `docker load` takes, whatever else is in it.

    Args:
        layout: a folder; of its blobs the manifest alone is read.
        image_id: of the image that is expected in it.
        name: the only name that it gets.
        below: the layout's folder in the archive: "image/".

    Raises:
        InputError: KGE-221, the layout does not hold that image.
    """
    try:
        described, blobs = _described(layout, image_id)
        names = [f"{below}{_BLOBS}/{blob.name}" for blob in blobs]
        listed = _bytes([{"Config": names[0], "RepoTags": [name], "Layers": names[1:]}])
        found = parse_reference(name)
        whole = f"{found.registry}/{found.repository}:{found.version}"
        named = {key: described[key] for key in ("mediaType", "digest", "size")} | {"annotations": {_NAME: whole}}
        return dict(zip(LOADING, (listed, _index(named), _VERSION[1]), strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unloadable(layout, error) from error


def ids_of(layout: Path, image_id: str) -> tuple[str, str]:
    """Return what engines may call the image of a layout: the digests of its configuration and of its manifest.

    Raises:
        InputError: KGE-221, the layout does not hold the image `image_id`.
    """
    try:
        return image_id, str(_described(layout, image_id)[0]["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unloadable(layout, error) from error


def blobs_of(layout: Path, image_id: str) -> list[Path]:
    """Return the configuration and the layers of a layout's image."""
    return _described(layout, image_id)[1]


def _described(layout: Path, image_id: str) -> tuple[Mapping[str, Any], list[Path]]:
    """Return an image's entry in the index of a layout, and its configuration and layers there."""
    [described] = _object(layout / _INDEX)["manifests"]
    manifest = _object(_blob(layout, described["digest"]))
    if manifest["config"]["digest"] != image_id:
        raise ValueError(f"it has {manifest['config']['digest']}, and {image_id} is listed")
    return described, [_blob(layout, one["digest"]) for one in (manifest["config"], *manifest["layers"])]


def _unloadable(layout: Path, error: Exception) -> InputError:
    what = f"The bundle's {layout.name} is no image that can be loaded."
    return InputError("KGE-221", what, cause=str(error), fix="make the bundle anew: kgpu-env bundle")


def _blob(layout: Path, digest: str) -> Path:
    number = digest.removeprefix("sha256:")
    if not (len(number) == 64 and set(number) <= set("0123456789abcdef")):  # noqa: PLR2004 - of a SHA-256
        raise ValueError(f"{digest[:80]!r} is no digest")
    return layout / _BLOBS / number


def _object(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        found = parse_json(file.read(_LIMIT))
    if not isinstance(found, dict):
        raise TypeError(f"{path.name} is no object")
    return found


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

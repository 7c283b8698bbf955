"""An image as an OCI layout, from what an engine saves; and back, as what every engine loads.

Layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md. Layers are kept unpacked, so that the
same image gives the same bytes whichever engine saved it.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from provision.errors import EngineError, InputError
from provision.model.base import parse_json

_OCI: Final = "application/vnd.oci.image"
_CHUNK: Final = 1 << 20
_LIMIT: Final = 8 << 20  # of a manifest or configuration
_BLOBS: Final = "blobs/sha256"
LOADING: Final = "manifest.json"  # https://github.com/moby/moby/blob/master/image/spec/v1.2.md


def to_layout(archive: Path, folder: Path) -> tuple[str, dict[str, Path]]:
    """Return an image's id, and the files of its layout below `folder` by their path in it.

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
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [described]}
    (folder / "index.json").write_bytes(_bytes(index))
    (folder / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return str(config["digest"]), files


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
        blobs = _blobs_of(layout, image_id)
        listed = loading_list(layout, image_id, name)
        with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for blob in dict.fromkeys(blobs):
                tar.add(blob, f"{_BLOBS}/{blob.name}", recursive=False)
            member = tarfile.TarInfo(LOADING)
            member.size = len(listed)
            tar.addfile(member, io.BytesIO(listed))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unloadable(layout, error) from error


def loading_list(layout: Path, image_id: str, name: str, below: str = "") -> bytes:
    """Return the file by which an archive with a layout is what `docker load` takes, whatever else is in it.

    Args:
        layout: a folder; of its blobs the manifest alone is read.
        image_id: of the image that is expected in it.
        name: the only name that it gets.
        below: the layout's folder in the archive: "image/".

    Raises:
        InputError: KGE-221, the layout does not hold that image.
    """
    try:
        names = [f"{below}{_BLOBS}/{blob.name}" for blob in _blobs_of(layout, image_id)]
        return _bytes([{"Config": names[0], "RepoTags": [name], "Layers": names[1:]}])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unloadable(layout, error) from error


def _blobs_of(layout: Path, image_id: str) -> list[Path]:
    """Return an image's configuration and layers in a layout."""
    [described] = _object(layout / "index.json")["manifests"]
    manifest = _object(_blob(layout, described["digest"]))
    if manifest["config"]["digest"] != image_id:
        raise ValueError(f"it has {manifest['config']['digest']}, and {image_id} is listed")
    return [_blob(layout, one["digest"]) for one in (manifest["config"], *manifest["layers"])]


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

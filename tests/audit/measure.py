"""Opens TensorFlow's wheels and records what is really in them; tests/audit compares the catalogue's rows with it.

nox -s measure -- tensorflow==2.21.0 tensorflow-rocm==2.14.0.600

Each wheel is fetched by pip (about 600 MB) and removed again. GPU code is found by the magic numbers of its containers:
NVIDIA's fat binaries (an entry is PTX or machine code for a compute capability) and LLVM's offload bundles (an entry
names its gfx target). What a library loads at start, where it looks for it, and the newest symbol versions that it
needs are in its ELF tables.
"""

import ast
import mmap
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

OUTPUT = Path(__file__).parent / "measured.yaml"
HEADER = "# Written by tests/audit/measure.py: what TensorFlow's wheels for x86_64 contain. Not edited by hand.\n"
Bytes = bytes | mmap.mmap
Entry = tuple[int, int, bytes]  # kind, capability, the beginning of the code

_FATBIN = struct.pack("<I", 0xBA55ED50)
_FAT = struct.Struct("<IHHQ")  # magic, version, size of the header, size of the entries
# Kind, version, size of the header, padded size of the code; at 16 its size, at 28 the capability, at 56 the size
# that it has when it is unpacked (0: it is not packed).
_ENTRY = struct.Struct("<HHIQI8xI24xQ")
_PTX, _CODE = 1, 2
_ZSTD = b"\x28\xb5\x2f\xfd"
_PTX_HEAD = re.compile(rb"\.version (\d+\.\d+)\s*\n\.target (sm_\d+[af]?)")
_HEAD_BYTES = 2048  # PTX begins with comments, then its version and target
_BUNDLE = b"__CLANG_OFFLOAD_BUNDLE__"
_RUN_TOGETHER = re.compile(rb"\0((?:gfx[0-9a-f]{3,4}){2,})\0")
_LOADERS = re.compile(r"libtensorflow_\w+\.so\.2|_pywrap_tensorflow_internal\.so")  # what opens libraries by name
_DLOPENED = re.compile(rb"\0(lib(?:cu|nv|nccl|amdhip|hip|roc|rccl|MIOpen)[A-Za-z0-9_-]*\.so(?:\.\d+)*)\0")


def fat_binaries(library: Bytes, unlinked: range = range(0)) -> Iterator[list[Entry]]:
    """Yield the entries of each fat binary: kind, capability and the beginning of the code.

    Args:
        library: its bytes.
        unlinked: where code lies that was an input of device linking: the driver never loads it.
    """
    place = library.find(_FATBIN)
    while place >= 0:
        _, _, header, size = _FAT.unpack_from(library, place)
        end = place + header + size
        if end > len(library):  # the number stands there by chance
            place = library.find(_FATBIN, place + 4)
            continue
        if place not in unlinked and (found := list(_entries(library, place + header, end))):
            yield found
        place = library.find(_FATBIN, max(end, place + 4))


def _entries(library: Bytes, here: int, end: int) -> Iterator[Entry]:
    while here + _ENTRY.size <= end:
        kind, _, own, padded, packed, capability, unpacked = _ENTRY.unpack_from(library, here)
        if kind not in {_PTX, _CODE} or not own:
            break
        start = here + own
        whole = library[start : start + len(_ZSTD)] == _ZSTD  # it is unpacked in one piece
        code = library[start : start + (packed if whole else min(_HEAD_BYTES, padded))]
        yield kind, capability, unpacked_head(code[:packed]) if unpacked else code
        here += own + padded


def unpacked_head(packed: bytes) -> bytes:
    """Return the beginning of packed code; CUDA 13 packs with Zstandard, CUDA 11 and 12 with LZ4."""
    if not packed.startswith(_ZSTD):
        return lz4_head(packed)
    # Only the nox sessions have it, and the tests of this file need nothing of it.
    import zstandard  # type: ignore[import-not-found] # noqa: PLC0415

    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(packed))


def lz4_head(packed: bytes) -> bytes:
    """Return the beginning of what was packed as an LZ4 block, as far as the bytes given reach.

    Format: github.com/lz4/lz4, doc/lz4_Block_format.md.
    """
    found, place = bytearray(), 0
    try:
        while place < len(packed):
            token = packed[place]
            literals, place = _length(packed, place + 1, token >> 4)
            found += packed[place : place + literals]
            place += literals
            back = int.from_bytes(packed[place : place + 2], "little")
            copied, place = _length(packed, place + 2, token & 15)
            for _ in range(copied + 4 if back else 0):
                found.append(found[-back])
    except IndexError:  # the bytes end inside a sequence
        pass
    return bytes(found)


def _length(packed: bytes, place: int, first: int) -> tuple[int, int]:
    if first == 15:
        while True:
            first += packed[place]
            place += 1
            if packed[place - 1] != 255:
                break
    return first, place


def nvidia_code(library: Bytes, unlinked: range = range(0)) -> dict[str, dict[str, int]]:
    """Return how many fat binaries hold code or PTX for each capability, the PTX versions, and what goes together.

    A driver reads the PTX of a fat binary alone that has no machine code for its GPU: hence `together`.

    {"fat_binaries": {"code 80": 1398, "ptx 90": 1398}, "ptx": {"sm_90 .version 8.5": 1149},
    "together": {"code 80; ptx sm_90 8.5": 1149, "code 80 90; ptx sm_90 8.3": 249}}
    """
    fat: Counter[str] = Counter()
    ptx: Counter[str] = Counter()
    together: Counter[str] = Counter()
    for found in fat_binaries(library, unlinked):
        fat.update(f"{'ptx' if kind == _PTX else 'code'} {capability}" for kind, capability, _ in found)
        targets = [_target(head) for kind, _, head in found if kind == _PTX]
        ptx.update(" .version ".join(target) or "not readable" for target in targets)
        code = sorted({capability for kind, capability, _ in found if kind == _CODE})
        parts = [f"code {' '.join(map(str, code))}"] if code else []
        parts += sorted({f"ptx {' '.join(target) or 'not readable'}" for target in targets})
        together["; ".join(parts)] += 1
    counts = {"fat_binaries": fat, "ptx": ptx, "together": together}
    return {name: dict(sorted(count.items())) for name, count in counts.items()} if fat else {}


def _target(head: bytes) -> tuple[str, ...]:
    """Return the target and the version of PTX: ("sm_90a", "8.5"); nothing where it cannot be read."""
    match = _PTX_HEAD.search(head)
    return (match[2].decode(), match[1].decode()) if match else ()


def amd_code(library: Bytes) -> dict[str, Any]:
    """Return how many offload bundles hold code for each gfx target, and names of targets that run together.

    {"offload_bundles": {"gfx90a": 1200}, "run_together": ["gfx1030gfx1100"]}
    """
    found: Counter[str] = Counter()
    place = library.find(_BUNDLE)
    while place >= 0:
        here = place + len(_BUNDLE) + 8
        for _ in range(struct.unpack_from("<Q", library, here - 8)[0]):
            length = struct.unpack_from("<16xQ", library, here)[0]
            name = bytes(library[here + 24 : here + 24 + length]).decode("ascii", "replace")
            if target := re.search(r"gfx[0-9a-f]+\S*", name):
                found[target[0]] += 1
            here += 24 + length
        place = library.find(_BUNDLE, here)
    joined = sorted({match[1].decode() for match in _RUN_TOGETHER.finditer(library)})
    return ({"offload_bundles": dict(sorted(found.items()))} if found else {}) | (
        {"run_together": joined} if joined else {}
    )


def linking(path: Path) -> dict[str, Any]:
    """Return what a library needs, the folders of NVIDIA's wheels it searches, and the symbol versions it needs.

    A library that is opened by name is looked for in the folders (RUNPATH) of the library that opens it, and no other.
    """
    # Only the nox session has it, and the tests of this file need nothing of it.
    from elftools.elf.elffile import ELFFile  # type: ignore[import-not-found] # noqa: PLC0415

    with path.open("rb") as file:
        elf = ELFFile(file)
        tags = list(elf.get_section_by_name(".dynamic").iter_tags())
        needs = elf.get_section_by_name(".gnu.version_r")
        versions = [one.name for _, found in needs.iter_versions() for one in found] if needs else []
        runpath = "".join(tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH")
        return {
            "needed": {tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"},
            "searched": set(re.findall(r"/nvidia/(\w+)/lib", runpath)),
            "versions": versions,
        }


def relocatable(file: BinaryIO) -> range:
    """Return where a library keeps relocatable device code: NCCL's, 113 fat binaries of TensorFlow 2.17."""
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415 - as above

    section = ELFFile(file).get_section_by_name("__nv_relfatbin")
    return range(section["sh_offset"], section["sh_offset"] + section["sh_size"]) if section else range(0)


def newest(versions: list[str], name: str) -> str:
    """Return the newest of ["GLIBC_2.17", "GLIBC_2.2.5"] for "GLIBC": "2.17"."""
    numbers = [one.removeprefix(f"{name}_") for one in versions if re.fullmatch(rf"{name}_[\d.]+", one)]
    return max(numbers, key=lambda text: [int(part) for part in text.split(".")], default="")


def measure(wheel: Path) -> dict[str, Any]:
    """Return what a wheel contains."""
    libraries: dict[str, Any] = {}
    needed: set[str] = set()
    searched: dict[str, list[str]] = {}
    loaded: set[str] = set()
    versions: list[str] = []
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = sorted(name for name in archive.namelist() if re.search(r"\.so(\.\d+)*$", name))
        for name in names:
            place = Path(archive.extract(name, folder))
            linked = linking(place)
            needed |= linked["needed"]
            if _LOADERS.fullmatch(place.name):
                searched[place.name] = sorted(linked["searched"])
            versions += linked["versions"]
            with place.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
                loaded |= {match[1].decode() for match in _DLOPENED.finditer(library)}
                if code := nvidia_code(library, relocatable(file)) | amd_code(library):
                    libraries[place.name] = code
            place.unlink()
        told = build_info(archive), cuda_config(archive)
    own = {Path(name).name for name in names}
    return {
        "wheel": wheel.name,
        "size_bytes": wheel.stat().st_size,
        "build_info": told[0],
        "cuda_config": told[1],
        "libraries": libraries,
        "needed": sorted(needed - own),
        "loaded_by_name": sorted(loaded - own),
        "searched": searched,
        "glibc": newest(versions, "GLIBC"),
        "libstdcxx": newest(versions, "GLIBCXX"),
    }


def build_info(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return what the wheel says of its own build: the dictionary, or list of pairs, in build_info.py."""
    values: dict[str, Any] = {}
    for node in ast.walk(ast.parse(archive.read("tensorflow/python/platform/build_info.py"))):
        if isinstance(node, ast.Dict | ast.List):
            try:
                values |= dict(ast.literal_eval(node))
            except (ValueError, TypeError):  # another list than that of pairs
                continue
    return {key: value for key, value in sorted(values.items()) if re.search("cuda|cudnn|rocm|tensorrt", key)}


def cuda_config(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the versions that end the sonames TensorFlow loads, from its own header: {"cudart": "12"}."""
    names = [name for name in archive.namelist() if name.endswith("third_party/gpus/cuda/cuda_config.h")]
    text = archive.read(names[0]).decode() if names else ""
    return {name.lower(): version for name, version in re.findall(r'#define TF_(\w+)_VERSION "([\d.]+)"', text)}


def fetch(requirement: str, folder: str) -> Path:
    """Return a wheel for x86_64, fetched by pip: for Python 3.11, and for 3.10 where there is none for that."""
    old = requirement.startswith(("tensorflow==2.10.", "tensorflow==2.11."))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", folder]
    command += ["--only-binary", ":all:", "--python-version", "3.10" if old else "3.11"]
    subprocess.run([*command, requirement], check=True)
    return next(Path(folder).glob("*.whl"))


def main() -> None:
    """Measure the wheels named on the command line, and add them to the file."""
    known = yaml.safe_load(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for requirement in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            known[requirement] = measure(fetch(requirement, folder))
        OUTPUT.write_text(HEADER + yaml.safe_dump(dict(sorted(known.items())), width=110))


if __name__ == "__main__":
    main()

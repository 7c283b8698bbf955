"""What a node's collector copies, from what probes of all trees of the tests asked for; for tests/regenerate.py."""

import json
import re
import tempfile
from pathlib import Path

from helpers.trees import REAL, ROWS, build, make  # type: ignore[import-not-found] # a folder beside this file

from provision.catalogue import load
from provision.model import GPU_VENDORS
from provision.probe import lookups_of, probe_files, smi, system
from provision.probe.causes.kernel_log import READS as LOGS
from provision.probe.reader import Touch

COLLECTOR = Path(__file__).parents[1] / "provision" / "probe" / "collector.py"
BEGIN = "# What follows is written by tests/regenerate.py.\n"
END = "# The end of what tests/regenerate.py writes.\n"
# Parts of a path that are another one on each machine.
_OWN = (
    (r"/[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f](?=/|$)", "/*:*:*.*"),
    (r"(?<=/modules/)[^/]+", "*"),
    (r"^/home/[^/]+", "/home/*"),
    (r"^/proc/(?!1/)\d+", "/proc/[0-9]*"),
    (r"/(modprobe\.d|cdi|profile\.d|environment\.d|ld\.so\.conf\.d)/[^/]+$", r"/\1/*"),
    (r"(/dkms/[^/*]+)/[^/]+", r"\1/*"),
    (r"(/dkms/[^/*]+/\*)/(?!build|source)[^/]+", r"\1/*"),
    (r"(/dkms/[^/*]+/\*/\*)/[^/]+(?=/)", r"\1/*"),
    (r"^/usr/local/cuda-[^/]+", "/usr/local/cuda-*"),
    (r"\.so\.[0-9.]+$", ".so.*"),
    (r"/nvidia-current\.ko$", "/nvidia-current.ko*"),
    (r"(/|renderD|nvidia|cap|gpu|gi|ci|soc)\d+(?=/|$)", r"\1[0-9]*"),
)
# What no tree of the tests has: Ubuntu's folders of signed modules, the module under its usual name, CUDA's usual link.
_ALSO: dict[str, Touch] = {
    "/lib/modules/*/kernel/nvidia-*": "seen",
    "/usr/lib/modules/*/kernel/nvidia-*": "seen",
    "/lib/modules/*/updates/dkms/nvidia.ko*": "read",
    "/usr/local/cuda/compat": "seen",
    "/usr/local/cuda/compat/libcuda.so.*": "linked",
}
_RANK: tuple[Touch, ...] = ("seen", "read", "linked")


def paths() -> list[tuple[str, str]]:
    """Return the patterns of paths, and how each is asked for."""
    touched: dict[str, Touch] = {}
    lookups = lookups_of(load())
    for name in (*make.TREES, *REAL, *(row["name"] for row in ROWS)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "host"
            build(root, name)
            probe_files(root, lookups, touched)
    found = dict(_ALSO)
    for path, touch in touched.items():
        if "None" in path:  # of a GPU without a number
            continue
        place = path
        for pattern, general in _OWN:
            place = re.sub(pattern, general, place) if "/proc/1/" not in place else place
        found[place] = max(touch, found.get(place, "seen"), key=_RANK.index)
    return sorted(found.items())


def collector() -> str:
    """Return the collector with its table."""
    before, _, rest = COLLECTOR.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [
        "# fmt: off",
        f"VENDORS = {json.dumps([word for vendor, row in GPU_VENDORS.items() for word in (vendor, row.maker)])}",
        f"LOGS = {json.dumps(LOGS)}",
        f"FOLDERS = {json.dumps([*system.BINARIES, *smi.FOLDERS])}",
        f"TOOLS = {json.dumps([*smi.COMMANDS, *system.VERSIONS], indent=4)}",
        "PATHS = [",
        *(f"    ({json.dumps(path)}, {json.dumps(touch)})," for path, touch in paths()),
        "]",
        "# fmt: on",
    ]
    return before + BEGIN + "\n".join(lines) + "\n" + END + after

"""An OCI runtime whose containers tell another boot id, as those of another machine do.

It gives a container that is created a hook that binds a file over /proc/sys/kernel/random/boot_id inside, before the
container's root is entered, and is runc for everything else.
Source: https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-hooks (checked 2026-11-29).
"""

import json
import os
import shutil
import sys
from pathlib import Path

BOOT_ID = "proc/sys/kernel/random/boot_id"


def rewrite(bundle: Path, told: Path) -> None:
    """Add the hook to a container's configuration."""
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    root = bundle / config["root"]["path"]  # absolute paths stay as they are
    mount = str(shutil.which("mount"))
    hook = {"path": mount, "args": ["mount", "--bind", str(told), str(root / BOOT_ID)]}
    config.setdefault("hooks", {}).setdefault("createContainer", []).append(hook)
    path.write_text(json.dumps(config))


def main() -> None:
    """Be runc, after that."""
    words = sys.argv[1:]
    if "create" in words:
        rewrite(Path(words[words.index("--bundle") + 1]), Path(__file__).with_name("boot_id"))
    os.execvp("runc", ["runc", *words])


if __name__ == "__main__":
    main()

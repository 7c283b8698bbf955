"""Writes the locks of Dockerfile.cuda and Dockerfile.rocm anew, with kgpu-env lock: python tests/relock.py.

Needs uv in PATH and a package index. Then run tests/regenerate.py and read the difference.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from regenerate import (  # type: ignore[import-not-found] # it lies beside this file, and no package holds them
    DATA,
    LOCKS,
    REFERENCE,
)

PROGRAM = Path(sys.executable).with_name("kgpu-env")

if __name__ == "__main__":
    LOCKS.mkdir(exist_ok=True)
    for vendor, host in REFERENCE.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [PROGRAM, "lock", "--vendor", vendor, "--host", DATA / "hosts" / f"{host}.json"]
            subprocess.run(command, cwd=folder, check=True)
            (LOCKS / f"{vendor}.lock").write_bytes((Path(folder) / "kgpu.lock").read_bytes())

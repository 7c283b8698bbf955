"""The workload as one file that runs by itself, and as one argument of ``python -c``; this module stays here."""

import base64
import io
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can have: the same sources give the same bytes
# The zip is gone from the file system before the training begins, whatever ends that. An empty entry of the path is
# the folder that the command was called in: its files are no part of what is to be proved.
BOOTSTRAP = """\
import sys
sys.path[:] = [one for one in sys.path if one]
import base64, runpy, tempfile
with tempfile.NamedTemporaryFile(prefix="kgpu-env-", suffix=".pyz") as file:
    file.write(base64.b64decode("{archive}"))
    file.flush()
    program = runpy.run_path(file.name)["program"]
program()
"""


def archive() -> bytes:
    """Return the workload's modules as a zip, which Python runs whatever its name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for path in sorted(FOLDER.glob("*.py")):
            if path.name != Path(__file__).name:
                entry = zipfile.ZipInfo(path.name, DATE)
                file.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def source() -> str:
    """Return a program that unpacks the workload to the temporary folder and runs it.

    One argument of a command may have 128 KiB on Linux (MAX_ARG_STRLEN); this has a third of that.
    """
    return BOOTSTRAP.format(archive=base64.b64encode(archive()).decode())


def write(path: str) -> None:
    """Write the zip: ``python -m provision.prove.workload --pack FILE``."""
    Path(path).write_bytes(archive())

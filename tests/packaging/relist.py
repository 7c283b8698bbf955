"""Writes the lists of files that wheel and sdist hold: python tests/packaging/relist.py."""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    import test_packaging  # type: ignore[import-not-found] # it lies beside this file, and no package holds them

    with tempfile.TemporaryDirectory() as folder:
        for archive, name in zip(test_packaging.build(Path(folder)), ("wheel.txt", "sdist.txt"), strict=True):
            (HERE / name).write_text("\n".join(test_packaging.contents(archive)) + "\n")

"""Runs the workload from a folder, from a zip, or as ``python -m provision.prove.workload``."""

import importlib
import os
import sys
from types import ModuleType

if __package__:
    name = __package__
else:
    # Python has put the folder or the zip on its path. As a package of a name of its own instead, none of its
    # modules hides one of the framework's, and none on the path hides one of these.
    here, name = os.path.dirname(__file__), "kgpu_env_workload"  # noqa: PTH120 - inside a zip there is no Path
    sys.path[:] = [one for one in sys.path if one != here]
    package = ModuleType(name)
    package.__path__ = [os.path.abspath(here)]  # noqa: PTH100 - the same
    sys.modules[name] = package
program = importlib.import_module(f"{name}.main").program

if __name__ == "__main__" and __package__ and sys.argv[1:2] == ["--pack"] and sys.argv[2:]:
    # With a `-m`, so from an installation: a zip cannot pack itself.
    importlib.import_module(f"{name}.zipapp").write(sys.argv[2])
elif __name__ == "__main__":
    program()

"""The commands, one module each (a group's commands share one). Only the module that is asked for is imported."""

import importlib
from collections.abc import Sequence
from typing import Final

# In the order in which the help lists them.
MODULES: Final = {
    "up": "up",
    "probe": "probe",
    "resolve": "resolve",
    "check": "check",
    "lock": "lock",
    "render": "render",
    "build": "build",
    "verify": "verify",
    "gate": "gate",
    "init": "init",
    "run": "run",
    "shell": "shell",
    "jupyter": "jupyter",
    "export": "export",
    "doctor": "doctor",
    "base": "base",
    "catalogue": "catalogue",
}


def register(arguments: Sequence[str]) -> None:
    """Import the module of the command that `arguments` name, or all of them for help and completion."""
    if "--version" in arguments:
        return
    named = next((word for word in arguments if not word.startswith("-")), None)
    for module in [MODULES[named]] if named in MODULES else MODULES.values():
        importlib.import_module(f"{__name__}.{module}")

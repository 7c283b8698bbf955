"""What the commands of a fleet have in common."""

from pathlib import Path
from typing import Annotated

import typer

Hosts = Annotated[
    Path,
    typer.Argument(
        metavar="HOSTS", help="A folder: NODE.json (kgpu-env probe --json), NODE.tar.gz (--capture) or a tree NODE/."
    ),
]

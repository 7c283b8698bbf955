"""`kgpu-env report`."""

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from provision import api
from provision.cli.context import load_catalogue
from provision.cli.options import Json
from provision.cli.output import print_json, print_result
from provision.records import state_folder

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE.tar.gz", help="The archive; by default named after the time, here."),
]
Root = Annotated[Path | None, typer.Option(metavar="DIR", help="Of the captured or mounted machine below DIR.")]
KeepNames = Annotated[
    bool, typer.Option("--keep-names", help="Leave hosts, users, addresses, serial numbers, UUIDs. Secrets go anyway.")
]


def report(output: Output = None, root: Root = None, keep_names: KeepNames = False, as_json: Json = False) -> None:
    """Write a support archive without secrets and names.

    What is in it is listed. Unpacked, it can be examined: kgpu-env doctor --root kgpu-env-report/tree.

    Examples:
        kgpu-env report -o report.tar.gz
    """
    path = output or Path(f"kgpu-env-report-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.tar.gz")
    found = api.report(
        path,
        root=root,
        records=None if root else state_folder(os.environ),
        keep_names=keep_names,
        catalogue=load_catalogue(),
    )
    if as_json:
        print_json(found)
        return
    lines = [f"{file.bytes:>9} {file.path}" for file in found.files]
    left = [f"left out  {one}" for one in found.left_out]
    kept = "names kept" if found.names_kept else "names are marks"
    print_result("\n".join([*lines, *left, f"{found.archive}  {found.bytes} bytes, {len(found.files)} files, {kept}"]))

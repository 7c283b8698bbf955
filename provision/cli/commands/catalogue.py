"""`kgpu-env catalogue`: reading the facts."""

from typing import Annotated

import typer

from provision.cli import options as o
from provision.cli.app import app, catching
from provision.cli.output import answer, answer_json
from provision.errors import UsageError

_group = typer.Typer(help="Read the facts that stacks are picked by.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(_group, name="catalogue")


@_group.command("list")
@catching
def list_rows(
    table: Annotated[str | None, typer.Argument(help="Only this table, such as releases or drivers.")] = None,
    as_json: o.Json = False,
) -> None:
    """Print every row with its source."""
    from provision.catalogue import Listing
    from provision.cli.session import facts

    every = facts().listing().rows
    tables = sorted({str(row["table"]) for row in every})
    if table is not None and table not in tables:
        raise UsageError("KGE-901", f"There is no table {table!r}.", fix=f"choose from {', '.join(tables)}")
    rows = tuple(row for row in every if table in (None, row["table"]))
    if as_json:
        answer_json(Listing(rows=rows))
        return
    for row in rows:
        answer(f"{row['table']:<13} {row['id']:<28} {row['confidence']:<11} {row['checked']}  {row['source']}")

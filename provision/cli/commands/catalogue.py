"""`kgpu-env catalogue`: reading the facts, what they decide, and what is doubtful in them."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from provision import api
from provision.catalogue import Catalogue, Listing
from provision.cli import options as o
from provision.cli.app import GROUP, subcommand
from provision.cli.commands import Command
from provision.cli.completion import row_ids
from provision.cli.documents import DoctorDocument, MatrixDocument, WhyDocument
from provision.cli.formatting.freshness import draft_text
from provision.cli.formatting.freshness import lines as freshness_lines
from provision.cli.formatting.matrix import csv_table, html_page, text_table
from provision.cli.output import log, print_json, print_lines, print_result, write_file
from provision.cli.planning import project_catalogue, settings
from provision.errors import InputError, UsageError, nearest
from provision.model import GPU_VENDORS, VENDORS, Severity, Vendor, encode
from provision.model.matrix import Cell
from provision.resolve.catalogue_check import review
from provision.resolve.matrix import effects, matrix, named_by, served

group = typer.Typer(help="Read the facts that stacks are picked by.", **GROUP)

_SCREEN = 40  # lines of consequences
_FORMATS = ("table", "json", "csv", "html")
RowId = Annotated[
    str, typer.Argument(metavar="ROW", help="Id of a row, such as r550 or tensorflow-2.21.0.", autocompletion=row_ids)
]
Form = Annotated[str, typer.Option("--format", metavar="|".join(_FORMATS), help="The form of the answer.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the answer to this file.")]
MaxAge = Annotated[int, typer.Option(metavar="DAYS", min=1, help="Tell rows that were checked longer ago.")]
Online = Annotated[bool, typer.Option("--online", help="Compare the rows with what the package indexes publish.")]
Draft = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --online: write rows for newer releases to this file: a site's tensorflow.yaml or keras.yaml.",
    ),
]


@subcommand(group, Command("list"))
def list_rows(
    table: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Only this table, such as releases or drivers.")
    ] = None,
    catalogue: o.Catalogue = None,
    as_json: o.Json = False,
) -> None:
    """Print every row with its source.

    Examples:
        kgpu-env catalogue list drivers
    """
    facts = project_catalogue(catalogue)
    every = facts.listing().rows
    tables = sorted({str(row["table"]) for row in every})
    if table is not None and table not in tables:
        fix = nearest(table, tables) or f"choose from {', '.join(tables)}"
        raise UsageError("KGE-901", f"There is no table {table!r}.", fix=fix)
    rows = tuple(row for row in every if table in (None, row["table"]))
    if as_json:
        print_json(Listing(rows=rows, sources=facts.cited(*rows)))
        return
    for row in rows:
        print_result(f"{row['table']:<13} {row['id']:<28} {row['confidence']:<11} {row['checked']}  {row['source']}")
    _log_legend(facts, rows)


def _log_legend(facts: Catalogue, rows: tuple[dict[str, Any], ...]) -> None:
    """Tell a person where the short names of sources are told in full; a file or a pipe gets the rows alone."""
    if not sys.stdout.isatty():
        return
    for row in rows:
        for one in facts.cited(row):
            log(f"note      what {one.id} and its like stand for:\n          kgpu-env catalogue show {row['id']}")
            return


@subcommand(group, Command("show"))
def show(row: RowId, catalogue: o.Catalogue = None, as_json: o.Json = False) -> None:
    """Print a row with all its fields.

    Examples:
        kgpu-env catalogue show tensorflow-2.21.0
    """
    facts = project_catalogue(catalogue)
    found = _row(facts, row)
    legend = facts.cited(found)
    if as_json:
        print_json(Listing(rows=(found,), sources=legend))
        return
    for key, value in found.items():
        print_result(f"{key:<14} {_plain(value)}")
    for number, one in enumerate(legend):
        print_result(f"{'' if number else 'sources':<14} {one.line}")


@subcommand(group, Command("why"))
def why(row: RowId, catalogue: o.Catalogue = None, as_json: o.Json = False) -> None:
    """Tell what a row rests on, and what it decides.

    That is: which hosts would get another stack without it.

    Examples:
        kgpu-env catalogue why r550
    """
    facts = project_catalogue(catalogue)
    found = _row(facts, row)
    table = str(found["table"])
    document = WhyDocument(
        row=found,
        effects=effects(facts, table, row),
        serves=served(facts, table, found),
        named_by=named_by(facts, table, found),
        sources=facts.cited(found),
    )
    if as_json:
        print_json(document)
        return
    note = [f"Note      {found['note']}"] if found.get("note") else []
    lines = [f"{table}, {row}: {found['confidence']}, checked {found['checked']}", f"Source    {found['source']}"]
    legend = [f"          {one.line}" for one in document.sources]
    print_lines([*lines, *legend, *note, *_consequences(document)])


def _consequences(document: WhyDocument) -> list[str]:
    lines = [f"Needed    by {', '.join(document.named_by)}"] if document.named_by else []
    lines += [
        f"Gives     {cell.gpu} ({cell.name}) on driver {cell.driver}: {cell.summary or 'no stack'}"
        for cell in document.serves
    ]
    for one in document.effects:
        lines.append(f"Decides   {one.gpu} ({one.name}) on driver {one.driver}: {one.stack or 'no stack'}")
        lines.append(f"          without it: {one.without or 'no stack'}")
    if len(lines) > _SCREEN:
        lines[_SCREEN:] = [f"          and {len(lines) - _SCREEN} more lines (--json tells all)"]
    return lines or ["Decides   nothing by itself: no driver and GPU of the catalogue gets another stack without it."]


@subcommand(group, Command("matrix"))
def print_matrix(
    vendor: o.Vendor = None,
    catalogue: o.Catalogue = None,
    form: Form = "table",
    output: Output = None,
    force: o.Force = False,
    as_json: o.Json = False,
) -> None:
    """Print which stack each driver and GPU gets.

    That is: when nothing else is asked for.

    Examples:
        kgpu-env catalogue matrix --vendor cuda --format html -o matrix.html
    """
    if form not in _FORMATS:
        raise UsageError(
            "KGE-904", f"There is no form {form!r}.", fix=nearest(form, _FORMATS) or f"choose from {_FORMATS}"
        )
    text = _matrix_text(project_catalogue(catalogue), _vendors(vendor), "json" if as_json else form)
    if output is None:
        print_result(text)
        return
    write_file(output, text.encode(), force=force)
    log(f"wrote {output}")


@subcommand(group, Command("check"))
def check_rows(
    max_age: MaxAge = 180,
    online: Online = False,
    draft: Draft = None,
    *,
    options: o.NetworkOptions,
    as_json: o.Json = False,
) -> None:
    """Find rows that are old, contradictory, or of no use.

    With --online: what is newer than the rows, comes next, was yanked or is missing in the package indexes.

    Examples:
        kgpu-env catalogue check --online
    """
    if online:
        _check_published(options, draft, as_json=as_json)
        return
    if draft:
        raise UsageError("KGE-904", "--draft writes what --online finds.", fix="ask for both: --online --draft FILE")
    found = review(project_catalogue(options.catalogue), time.strftime("%Y-%m-%d"), max_age)
    wrong = [one for one in found if one.severity is Severity.ERROR]
    if not as_json:
        print_result(f"{len(found)} findings, {f'{len(wrong)} of them errors' if wrong else 'none of them an error'}.")
        print_lines(f"{one.severity:<8} {one.code} {one.text}; {one.fix}" for one in found)
    if wrong:
        raise InputError("KGE-250", f"The catalogue contradicts itself in {len(wrong)} places.", cause=wrong[0].text)
    if as_json:
        print_json(DoctorDocument(findings=found))


def _check_published(options: o.NetworkOptions, draft: Path | None, *, as_json: bool) -> None:
    from provision.resolve.draft import FILES, TABLES, wanted  # noqa: PLC0415 - 20 ms

    if draft and draft.name not in FILES:
        fix = nearest(draft.name, list(FILES)) or f"choose from {', '.join(FILES)}"
        raise UsageError("KGE-904", f"A draft cannot be {draft.name}: its name tells which rows it has.", fix=fix)
    if draft and draft.exists():
        raise InputError("KGE-605", f"{draft} exists and is left as it is.", fix="name another folder")
    facts, network = project_catalogue(options.catalogue), settings(options).network
    document = api.check_published(facts, network, log=lambda text: log(f"note      {text}"))
    if draft:
        rows, why = api.draft_rows(draft.name, document, facts, network, time.strftime("%Y-%m-%d"))
        document = replace(document, not_drafted=why, drafted=tuple(str(row["id"]) for row in rows))
        if rows:
            write_file(draft, draft_text(TABLES[draft.name], rows).encode())
            document = replace(document, draft=str(draft))
            log(f"wrote {draft}: {', '.join(document.drafted)}")
        else:
            log("note      nothing is newer that a row follows from: no file was written")
    if as_json:
        print_json(document)
        return
    print_lines(freshness_lines(document))
    if draft is None and any(list(wanted(file, document.projects)) for file in FILES):
        log("note      rows for newer releases: add --draft DIR/tensorflow.yaml, or DIR/keras.yaml")


def _row(facts: Catalogue, name: str) -> dict[str, Any]:
    rows = facts.listing().rows
    found = next((row for row in rows if row["id"] == name), None)
    if found is None:
        fix = nearest(name, [str(row["id"]) for row in rows]) or "kgpu-env catalogue list prints them all"
        raise UsageError("KGE-905", f"The catalogue has no row {name!r}.", fix=fix)
    return found


def _plain(value: object) -> str:
    match value:
        case list() | tuple():
            return ", ".join(map(_plain, value)) or "none"
        case dict():
            return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
        case None:
            return "none"
        case _:
            return str(value)


def _vendors(requested: str | None) -> tuple[Vendor, ...]:
    vendor = VENDORS[requested or "auto"]
    if vendor is Vendor.CPU:
        raise UsageError("KGE-906", "A CPU environment depends on no driver: it has no matrix.", fix="cuda or rocm")
    return tuple(GPU_VENDORS) if vendor is Vendor.AUTO else (vendor,)


def _matrix_text(facts: Catalogue, vendors: tuple[Vendor, ...], form: str) -> str:
    found: dict[str, tuple[Cell, ...]] = {_title(vendor): matrix(facts, vendor) for vendor in vendors}
    every = tuple(cell for cells in found.values() for cell in cells)
    match form:
        case "json":
            return encode(MatrixDocument(cells=every)) + "\n"
        case "csv":
            return csv_table(every)
        case "html":
            return html_page(list(found.items()), time.strftime("%Y-%m-%d"))
        case _:
            return "\n\n".join(f"{title}\n{text_table(cells)}" for title, cells in found.items()) + "\n"


def _title(vendor: Vendor) -> str:
    return f"{vendor.maker} on x86-64: what Keras runs on (a bare number is TensorFlow)"

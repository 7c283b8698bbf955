"""A matrix of hosts as text, CSV or a page: one line a driver, one column a GPU."""

import csv
import io
from collections.abc import Sequence
from html import escape

from provision.model.matrix import Cell

_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#1b1f24}table{border-collapse:collapse}"
    "th,td{border:1px solid #c9ced6;padding:.25rem .5rem;text-align:left;vertical-align:top}"
    "thead th{position:sticky;top:0;background:#f2f4f7}td.none{color:#8a9099}small{color:#5b626c;display:block}"
    "@media(prefers-color-scheme:dark){body{background:#14171b;color:#e4e7eb}thead th{background:#23282f}}"
)


def text_table(cells: Sequence[Cell]) -> str:
    """Return the matrix for a terminal: the framework's version in each cell, "-" where there is none."""
    gpus, drivers, found = _axes(cells)
    width = max(len(driver) for driver in drivers)
    columns = {gpu: max(len(gpu), *(len(_short(found[driver, gpu])) for driver in drivers)) for gpu in gpus}
    lines = ["  ".join(["driver".ljust(width), *(gpu.ljust(columns[gpu]) for gpu in gpus)]).rstrip()]
    for driver in drivers:
        row = [_short(found[driver, gpu]).ljust(columns[gpu]) for gpu in gpus]
        lines.append("  ".join([driver.ljust(width), *row]).rstrip())
    return "\n".join(lines)


def csv_table(cells: Sequence[Cell]) -> str:
    """Return one line a host: vendor, driver, GPU, name, framework, runtime, route, summary."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Cell.__struct_fields__)
    writer.writerows([getattr(cell, name) for name in Cell.__struct_fields__] for cell in cells)
    return out.getvalue()


def html_page(sections: Sequence[tuple[str, Sequence[Cell]]], today: str) -> str:
    """Return a page that needs nothing else: a table for each vendor, the whole stack in every cell."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>kgpu-env: which host gets what</title>',
        f"<style>{_STYLE}</style></head><body><h1>Which host gets what</h1>",
        f"<p>By the catalogue of kgpu-env on {escape(today)}: the newest stack for one GPU and driver when nothing is",
        "asked for. A driver counts until the next line's. Empty cells have no stack.</p>",
    ]
    for title, cells in sections:
        parts += [f"<h2>{escape(title)}</h2>", *_html_table(cells)]
    return "\n".join([*parts, "</body></html>", ""])


def _html_table(cells: Sequence[Cell]) -> list[str]:
    gpus, drivers, found = _axes(cells)
    names = {cell.gpu: cell.name for cell in cells}
    heads = "".join(f'<th scope="col">{escape(gpu)}<small>{escape(names[gpu])}</small></th>' for gpu in gpus)
    lines = [f'<table><thead><tr><th scope="col">driver</th>{heads}</tr></thead><tbody>']
    for driver in drivers:
        row = "".join(_html_cell(found[driver, gpu]) for gpu in gpus)
        lines.append(f'<tr><th scope="row">{escape(driver)}</th>{row}</tr>')
    return [*lines, "</tbody></table>"]


def _html_cell(cell: Cell) -> str:
    if not cell.framework:
        return '<td class="none">none</td>'
    return f'<td title="{escape(cell.summary)}">{escape(cell.framework)}<small>{escape(cell.runtime)}</small></td>'


def _axes(cells: Sequence[Cell]) -> tuple[list[str], list[str], dict[tuple[str, str], Cell]]:
    gpus = list(dict.fromkeys(cell.gpu for cell in cells))
    drivers = list(dict.fromkeys(cell.driver for cell in cells))
    return gpus, drivers, {(cell.driver, cell.gpu): cell for cell in cells}


def _short(cell: Cell) -> str:
    return cell.framework or "-"

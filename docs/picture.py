"""Draws the text of a run as docs/up.svg; the text is taken as it came.

./run up 2>&1 | tee /tmp/up.txt && .venv/bin/python docs/picture.py '$ ./run up' </tmp/up.txt
"""

import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 118


def main() -> None:
    """Read the run from stdin and write the picture."""
    console = Console(record=True, width=WIDTH, file=Path("/dev/null").open("w", encoding="utf-8"))  # noqa: SIM115 - for this process
    console.print(Text(sys.argv[1], style="bold"))
    for line in sys.stdin.read().splitlines():
        console.print(Text(line))
    picture = console.export_svg(title="kgpu-env", theme=MONOKAI, unique_id="up")
    # The typeface would be fetched from elsewhere: the reader's own will do.
    start, end = picture.find("@font-face"), picture.rfind("@font-face")
    after = picture.find("}", end) + 1
    Path(__file__).with_name("up.svg").write_text(picture[:start] + picture[after:], encoding="utf-8")


if __name__ == "__main__":
    main()

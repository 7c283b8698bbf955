"""What several runs of pytest had, from their JUnit files: one line for each, and one for all."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

KINDS = ("tests", "failures", "errors", "skipped")


def main(paths: list[Path]) -> None:
    """Print a line for each file, and their sum."""
    rows = {path.stem: ET.parse(path).getroot()[0].attrib for path in paths}
    rows["all"] = {kind: str(sum(float(row[kind]) for row in rows.values())) for kind in (*KINDS, "time")}
    for name, row in rows.items():
        counts = ", ".join(f"{float(row[kind]):,.0f} {kind}" for kind in KINDS)
        print(f"{name:<8}{counts}, {float(row['time']):.0f} s")  # noqa: T201 - its answer


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])

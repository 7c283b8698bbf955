"""What several runs of pytest had, from their JUnit files: one line for each, and one for all."""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

KINDS = ("tests", "failures", "errors", "skipped")


def main(paths: list[Path]) -> None:
    """Print a line for each file, and their sum; a test that stands in two of them is an error."""
    suites = {path.stem: ET.parse(path).getroot()[0] for path in paths}
    every = Counter(identity for suite in suites.values() for identity in _tests(suite))
    if twice := [identity for identity, count in every.items() if count > 1]:
        raise SystemExit(f"{len(twice)} tests were run twice, {' '.join(twice[0])} among them")
    rows = {name: suite.attrib for name, suite in suites.items()}
    rows["all"] = {kind: str(sum(float(row[kind]) for row in rows.values())) for kind in (*KINDS, "time")}
    for name, row in rows.items():
        counts = ", ".join(f"{float(row[kind]):,.0f} {kind}" for kind in KINDS)
        print(f"{name:<8}{counts}, {float(row['time']):.0f} s")  # noqa: T201 - its answer


def _tests(suite: ET.Element) -> set[tuple[str, str]]:
    return {(one.get("classname", ""), one.get("name", "")) for one in suite.iter("testcase")}


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])

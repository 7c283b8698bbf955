"""Writes the table of docs/proof.md from scenarios.yaml; a test fails when it is stale.

.venv/bin/python tests/sabotage/table.py
"""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "proof.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
# From reading the peers' code: whose own pass appears although the framework runs on the CPU.
PEERS = {"cpu": "most pass (1)", "wsl": "assumed to work (2)", "unread": ""}
NOTES = """\
Peers, from reading their code; an empty cell was not looked at. (1) The framework then runs on the CPU. Pass: cog,
`accelerate test`, docker-stacks, mlenvdoctor, jetson-containers (TensorFlow), SuperBench outside NCCL, devcontainers.
Fail: gpu-operator, RVS, DCGM, gpu-burn, gpu-fryer. (2) By gpu-operator's driver stage and envd."""
VERDICTS = {"KGE-584": "invalid", "KGE-605": "refused, exit 3", "KGE-306": "refused, exit 2"}


def table() -> str:
    """Return the table: scenario, how it is played, our verdict, what peers' checks do; and its notes."""
    rows = yaml.safe_load((ROOT / "tests" / "sabotage" / "scenarios.yaml").read_text())["scenarios"]
    lines = ["| scenario | played as | kgpu-env | peers |", "|---|---|---|---|"]
    for row in rows:
        verdict = f"{VERDICTS.get(row['code'], 'not proved')}, {row['code']}"
        lines.append(f"| {row['what']} | {row['where']} | {verdict} | {PEERS[row['peers']]} |")
    return "\n".join([*lines, "", NOTES])


def document(text: str) -> str:
    """Return the document with its table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text()))

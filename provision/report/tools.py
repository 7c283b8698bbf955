"""What the vendors' and the engine's own tools say, for a person who reads a support archive."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from provision.probe import command

SECONDS: Final = 10.0
CHARACTERS: Final = 1 << 18  # of one tool
_MORE: Final = ("/opt/rocm/bin", "/opt/rocm/core/bin", "/usr/sbin", "/sbin")
# File in the archive -> the command. None of them changes anything, or shows the environment or a container's.
TOOLS: Final = {
    "amd-smi.txt": ("amd-smi", "static"),
    "rocminfo.txt": ("rocminfo",),
    "nvidia-smi.txt": ("nvidia-smi", "-q"),
    "nvidia-smi-topology.txt": ("nvidia-smi", "topo", "-m"),
    "nvidia-ctk.txt": ("nvidia-ctk", "--version"),
    "nvidia-ctk-cdi.txt": ("nvidia-ctk", "cdi", "list"),
    "amd-ctk.txt": ("amd-ctk", "--version"),
    "lspci.txt": ("lspci", "-nnk"),
    "lsmod.txt": ("lsmod",),
    "docker-version.txt": ("docker", "version"),
    "podman-version.txt": ("podman", "version"),
    "dkms.txt": ("dkms", "status"),
    "mokutil.txt": ("mokutil", "--sb-state"),
    "uname.txt": ("uname", "-srvm"),
}


def ask_tools() -> dict[str, str]:
    """Return what each tool of `TOOLS` that is here says, or why it said nothing; 10 s for each, side by side."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = dict(zip(TOOLS, pool.map(_ask, TOOLS.values()), strict=True))
    return {name: answer for name, answer in answers.items() if answer is not None}


def _ask(words: tuple[str, ...]) -> str | None:
    program = command.find(words[0], *_MORE)
    if program is None:
        return None
    answer = command.run(program, *words[1:], seconds=SECONDS)
    head = f"$ {' '.join(words)}\n"
    return head + (f"no answer: {answer.reason}\n" if isinstance(answer, command.Failed) else answer[:CHARACTERS])

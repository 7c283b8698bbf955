"""What nvidia-smi tells. Its output is not promised to stay as it is: fields it lacks are absent, not errors."""

from dataclasses import dataclass
from typing import Final

from provision.probe import command
from provision.probe.command import Tools
from provision.probe.nvidia_parsers import (
    HEALTH_FIELDS,
    SMI_FIELDS,
    ReportedGpu,
    parse_smi_health,
    parse_smi_list,
    parse_smi_table,
    with_health,
    with_slices,
)
from provision.probe.wsl import LIBRARIES

_OLD_FIELDS: Final = tuple(field for field in SMI_FIELDS if field != "compute_cap")
_TABLE: Final = "--format=csv,noheader,nounits"
FOLDERS: Final = (LIBRARIES,)  # where the tool may be beside PATH
# All that is asked of it, for a node's collector.
COMMANDS: Final = (
    *(("nvidia-smi", f"--query-gpu={','.join(one)}", _TABLE) for one in (SMI_FIELDS, _OLD_FIELDS, HEALTH_FIELDS)),
    ("nvidia-smi", "-L"),
)
_UNKNOWN_FIELD: Final = "is not a valid field"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What a tool answered.

    Attributes:
        tool: "NVML" or the path of nvidia-smi.
        gpus: the GPUs that it listed.
        cuda: the newest CUDA that the driver reports, "12.4".
        failure: why there is no answer; "" when there is one.
        mismatch: the failure is NVML's "driver/library version mismatch".
    """

    tool: str
    gpus: tuple[ReportedGpu, ...] = ()
    cuda: str | None = None
    failure: str = ""
    mismatch: bool = False


def ask_smi(tools: Tools = command) -> ToolAnswer | None:
    """Return what nvidia-smi answers within its time limit, or None when it is not installed."""
    path = tools.find("nvidia-smi", *FOLDERS)
    if not path:
        return None
    fields: tuple[str, ...] = SMI_FIELDS
    answer = _query(tools, path, fields)
    if isinstance(answer, command.Failed) and _UNKNOWN_FIELD in answer.reason:
        fields = _OLD_FIELDS
        answer = _query(tools, path, fields)
    if isinstance(answer, command.Failed):
        return ToolAnswer(tool=path, failure=answer.reason, mismatch="version mismatch" in answer.reason)
    gpus = parse_smi_table(answer, fields)
    listed = tools.run(path, "-L")
    slices = {} if isinstance(listed, command.Failed) else parse_smi_list(listed)
    told = _query(tools, path, HEALTH_FIELDS)
    health = {} if isinstance(told, command.Failed) else parse_smi_health(told)
    return ToolAnswer(tool=path, gpus=with_health(with_slices(gpus, slices), health))


def _query(tools: Tools, path: str, fields: tuple[str, ...]) -> str | command.Failed:
    return tools.run(path, f"--query-gpu={','.join(fields)}", _TABLE)

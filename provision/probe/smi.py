"""What nvidia-smi tells. Its output is not promised to stay as it is: fields it lacks are absent, not errors."""

from dataclasses import dataclass
from typing import Final

from provision.probe import command
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


def ask_smi() -> ToolAnswer | None:
    """Return what nvidia-smi answers within its time limit, or None when it is not installed."""
    path = command.find("nvidia-smi", LIBRARIES)
    if not path:
        return None
    fields: tuple[str, ...] = SMI_FIELDS
    answer = _query(path, fields)
    if isinstance(answer, command.Failed) and _UNKNOWN_FIELD in answer.reason:
        fields = _OLD_FIELDS
        answer = _query(path, fields)
    if isinstance(answer, command.Failed):
        return ToolAnswer(tool=path, failure=answer.reason, mismatch="version mismatch" in answer.reason)
    gpus = parse_smi_table(answer, fields)
    listed = command.run(path, "-L")
    slices = {} if isinstance(listed, command.Failed) else parse_smi_list(listed)
    told = _query(path, HEALTH_FIELDS)
    health = {} if isinstance(told, command.Failed) else parse_smi_health(told)
    return ToolAnswer(tool=path, gpus=with_health(with_slices(gpus, slices), health))


def _query(path: str, fields: tuple[str, ...]) -> str | command.Failed:
    return command.run(path, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")

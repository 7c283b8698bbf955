"""Options from flags, `KGPU_ENV_*` variables and the project file, each value knowing where it came from."""

from provision.config.project import FILE_NAME, Project, find_project, nearest_project, read_project
from provision.config.settings import Settings, check_variables, settle

__all__ = [
    "FILE_NAME",
    "Project",
    "Settings",
    "check_variables",
    "find_project",
    "nearest_project",
    "read_project",
    "settle",
]

"""A lock: the plan, the base by digest and every wheel by hash, so that the same lock gives the same image context."""

from provision.lock.document import LOCK_FILE, PYLOCK_FILE, DebianFile, Lock, Wheel, WheelFile, pins
from provision.lock.drift import Drift, drifts, in_short
from provision.lock.lock_files import files_of, pylock_path, read_lock, with_debian
from provision.lock.make import Pinned, check_plan, keep_debian, locked_plan, make_lock
from provision.lock.pylock import parse
from provision.lock.question import name_of, of_framework, of_stack, of_tools, platform_of
from provision.lock.uv import ConflictError, Question, Uv, ask, export, find_uv, network_environment
from provision.lock.uv import in_short as conflict_in_short
from provision.lock.wheels import compile_wheels, heeded, is_older, is_source

__all__ = [
    "LOCK_FILE",
    "PYLOCK_FILE",
    "ConflictError",
    "DebianFile",
    "Drift",
    "Lock",
    "Pinned",
    "Question",
    "Uv",
    "Wheel",
    "WheelFile",
    "ask",
    "check_plan",
    "compile_wheels",
    "conflict_in_short",
    "drifts",
    "export",
    "files_of",
    "find_uv",
    "heeded",
    "in_short",
    "is_older",
    "is_source",
    "keep_debian",
    "locked_plan",
    "make_lock",
    "name_of",
    "network_environment",
    "of_framework",
    "of_stack",
    "of_tools",
    "parse",
    "pins",
    "platform_of",
    "pylock_path",
    "read_lock",
    "with_debian",
]

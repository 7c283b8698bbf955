"""A lock: the plan, the base by digest and every wheel by hash, so that the same lock gives the same image context."""

from provision.lock.document import LOCK_FILE, Lock, Wheel, WheelFile, pins, read_lock
from provision.lock.drift import Drift, drifts, in_short
from provision.lock.make import Pinned, check_plan, locked_plan, make_lock
from provision.lock.wheels import Uv, compile_tools, compile_wheels, find_uv, network_environment, platform_of

__all__ = [
    "LOCK_FILE",
    "Drift",
    "Lock",
    "Pinned",
    "Uv",
    "Wheel",
    "WheelFile",
    "check_plan",
    "compile_tools",
    "compile_wheels",
    "drifts",
    "find_uv",
    "in_short",
    "locked_plan",
    "make_lock",
    "network_environment",
    "pins",
    "platform_of",
    "read_lock",
]

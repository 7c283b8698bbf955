"""Proofs that were kept: under what they hold, sealed against change, and whether they still hold."""

from provision.records.environment import Environment, environment, title
from provision.records.gate import Answer, State, answer
from provision.records.record import HostKey, Record, canonical, host_key, problem, seal
from provision.records.store import load, load_last, save, state_folder

__all__ = [
    "Answer",
    "Environment",
    "HostKey",
    "Record",
    "State",
    "answer",
    "canonical",
    "environment",
    "host_key",
    "load",
    "load_last",
    "problem",
    "save",
    "seal",
    "state_folder",
    "title",
]

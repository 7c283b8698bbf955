"""Proofs that were kept: under what they hold, signed against change, and whether they still hold."""

from provision.records.attest import Envelope, UntrustedError
from provision.records.environment import Environment, environment, title
from provision.records.gate import Answer, State, answer
from provision.records.record import HostKey, Record, canonical, host_key
from provision.records.store import Kept, Refused, load, load_last, save, seal, state_folder, trusted

__all__ = [
    "Answer",
    "Envelope",
    "Environment",
    "HostKey",
    "Kept",
    "Record",
    "Refused",
    "State",
    "UntrustedError",
    "answer",
    "canonical",
    "environment",
    "host_key",
    "load",
    "load_last",
    "save",
    "seal",
    "state_folder",
    "title",
    "trusted",
]

"""The commands. Each imports what it needs when it runs, so that no command pays for another."""

from provision.cli.commands import build, catalogue, doctor, probe, render, resolve, up, verify

__all__ = ["build", "catalogue", "doctor", "probe", "render", "resolve", "up", "verify"]

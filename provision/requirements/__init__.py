"""The files in which a project says what it needs: requirements.txt, pyproject.toml, pylock.toml, uv.lock."""

from provision.requirements.context import context_files, place_of
from provision.requirements.found import FOUND, found_in
from provision.requirements.read import Reading, read, wanted

__all__ = ["FOUND", "Reading", "context_files", "found_in", "place_of", "read", "wanted"]

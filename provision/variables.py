"""The variables that the command line reads, beside one for each option: those follow from the project file's keys."""

from typing import Final

PREFIX: Final = "KGPU_ENV_"
DEBUG: Final = f"{PREFIX}DEBUG"  # any text: show tracebacks
CONFIG: Final = f"{PREFIX}CONFIG"  # the project file
PROFILE: Final = f"{PREFIX}PROFILE"  # a profile of it
CATALOGUE: Final = f"{PREFIX}CATALOGUE"  # of the key `catalogue`, for commands that read no project file
KEY: Final = f"{PREFIX}KEY"  # the file of the private key that signs records
OWN: Final = (DEBUG, CONFIG, PROFILE, KEY)

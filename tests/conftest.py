"""Guards for all tests. A hook and no fixture: each fixture takes a tenth of a millisecond of every test."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import pytest

# A shell starts what it puts in the background with Ctrl-C ignored, which every program below would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

_NUMBERS: Final = count()
_OWN: Final = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what tests would keep among the user's own things."""
    config.stash[_OWN] = Path(tempfile.mkdtemp(prefix="kgpu-env-tests."))
    config.add_cleanup(partial(shutil.rmtree, config.stash[_OWN], ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep what a test makes out of the user's own folders, and what is in those, or asked for there, out of tests."""
    own = item.config.stash[_OWN]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(own / f"state-{next(_NUMBERS)}"))
        for name in ("XDG_CACHE_HOME", "KERAS_HOME"):  # once for all tests: the copies of the catalogue save time
            patch.setenv(name, str(own / name))
        for name in [name for name in os.environ if name.startswith("KGPU_ENV_")]:
            patch.delenv(name)
        return (yield)

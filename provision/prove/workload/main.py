"""The whole of it: what is asked for in, what was seen out."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import platform
import signal
import sys
import time
from typing import Any, NoReturn

from .container import driver, environment, mapped
from .jax import Jax
from .measurements import more
from .model import BOUND
from .record import message
from .tell import silent, teller
from .tensorflow import TensorFlow
from .torch import Torch
from .training import asked, trainings

MARKER = "KGPU-ENV-RESULT"
DEFAULTS: dict[str, Any] = {
    "nonce": "none",
    "vendor": None,  # or "cuda", "rocm", "cpu": whose driver library is opened; None: any
    "device": "GPU",  # or "CPU"
    "indices": "all",  # or the framework's indices, [0, 1]
    "jit_compile": "auto",  # or the value for Keras' compile()
    "seed": 20,
    "epochs": 6,
    "backend": "tensorflow",  # or "jax", "torch": what Keras runs on
    "parts": ["reference", "product"],  # also "profile", "speed", "libraries"; the host chooses by level
    "minutes": 0,  # how long to soak each device after all else
    "limit": 0,  # seconds after which it ends by itself, whoever waits for it; 0: never
}


class Stopped(BaseException):
    """SIGTERM arrived; what was recorded so far is still printed."""


BACKENDS: dict[str, Any] = {"tensorflow": TensorFlow, "jax": Jax, "torch": Torch}


def work(spec: dict[str, Any], record: dict[str, Any], tell: Any = silent) -> None:
    """Fill `record`, in the order of what a reader asks first."""
    record["environment"] = environment(spec["vendor"])
    record["driver"] = driver(spec["vendor"]) if spec["device"] == "GPU" else []
    # The framework's own words tell why it skipped a GPU: an image must not silence them.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    os.environ["KERAS_BACKEND"] = spec["backend"]
    tell("import")
    begun = time.monotonic()
    try:
        backend = BACKENDS[spec["backend"]]()
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything at import
        record["import_error"] = message(error)
        return
    # What is proved is float32, whatever a user's keras.json makes the default.
    backend.keras.backend.set_floatx("float32")
    record["import_seconds"] = time.monotonic() - begun
    record["versions"] = {
        "python": platform.python_version(),
        **backend.versions(),
        "numpy": str(backend.np.__version__),
    }
    record["build"] = backend.build()
    try:
        record["listing"] = backend.listing(spec["device"])
    except Exception as error:  # noqa: BLE001 - a driver library that does half its work raises anything
        record["listing_error"] = message(error)
        return
    names = asked(record["listing"], spec)
    for one in trainings(backend, spec, names, tell):
        record["trainings"].append(one)
    record["mapped"] = mapped()
    more(backend, spec, names, record, tell)
    try:
        record["devices"] = backend.describe()
    except Exception as error:  # noqa: BLE001 - a description is welcome, its absence is recorded
        record["devices_error"] = message(error)


def stop(*_: object) -> None:
    """Turn SIGTERM into an exception, so that the evidence so far is printed."""
    raise Stopped


def asked_for(words: list[str]) -> dict[str, Any]:
    """Return the spec of a command line: nothing, or one JSON object with keys of `DEFAULTS`."""
    with contextlib.suppress(json.JSONDecodeError):
        found = json.loads(words[0] if words else "{}")
        if len(words) < 2 and isinstance(found, dict) and found.keys() <= DEFAULTS.keys():  # noqa: PLR2004 - one
            return found
    sys.stderr.write(f"usage: python workload.pyz [JSON]; JSON is an object with keys of {json.dumps(DEFAULTS)}\n")
    raise SystemExit(2)


def program() -> NoReturn:
    """Do it and end at once, without the teardown of what was loaded.

    All is said by then, and torch's profiler was seen to abort in it (docs/hardware; pytorch#195207, #195471).
    """
    code = main()
    sys.stderr.flush()
    os._exit(code)


def main() -> int:
    """Record and print the one line, and before it what has begun."""
    result = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Frameworks print to stdout, some from C++: only the result line may arrive there.
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, stop)
    begun = time.monotonic()
    spec = {**DEFAULTS, **asked_for(sys.argv[1:])}
    if spec["limit"]:
        # By a thread of C that needs nothing of Python, in case whoever would end this was killed: it exits with 1.
        faulthandler.dump_traceback_later(spec["limit"], exit=True, file=2)
    record: dict[str, Any] = {"schema": "kgpu-env/evidence/1", "nonce": spec["nonce"], "spec": spec, "bound": BOUND}
    record.update({"trainings": [], "import_error": None, "stopped": False})
    try:
        work(spec, record, teller(result.fileno(), spec["nonce"]))
    except Stopped:
        record["stopped"] = True
    record["seconds"] = time.monotonic() - begun
    result.write(f"{MARKER} {spec['nonce']} {json.dumps(record, allow_nan=False)}\n")
    result.flush()
    return 0

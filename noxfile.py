"""Sessions that are not part of ./run test: they fetch gigabytes."""

import nox

WHEELS = (
    "tensorflow==2.10.1",
    "tensorflow==2.11.1",
    "tensorflow==2.12.1",
    "tensorflow==2.13.1",
    "tensorflow==2.14.1",
    "tensorflow==2.15.1",
    "tensorflow==2.16.2",
    "tensorflow==2.17.1",
    "tensorflow==2.18.1",
    "tensorflow==2.19.1",
    "tensorflow==2.20.0",
    "tensorflow==2.21.0",
    "tensorflow-rocm==2.14.0.600",
)


@nox.session
def measure(session: nox.Session) -> None:
    """Open TensorFlow's wheels and record what they contain; name wheels after -- to measure only those."""
    session.install("pyelftools", "pyyaml")
    session.run("python", "tests/audit/measure.py", *(session.posargs or WHEELS))


@nox.session
def measure_keras(session: nox.Session) -> None:
    """Open the wheels of JAX and torch that the catalogue says were measured, or those named after --."""
    session.install("pyelftools", "pyyaml")
    session.run("python", "tests/audit/measure_keras.py", *session.posargs)

"""Sessions that are not part of ./run test: they fetch gigabytes."""

import nox

RELEASES = ("2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")


@nox.session
def measure(session: nox.Session) -> None:
    """Open TensorFlow's wheels and record what they contain; name releases after -- to measure only those."""
    session.install("pyyaml")
    session.run("python", "tests/audit/measure.py", *(session.posargs or RELEASES))

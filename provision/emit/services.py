"""What `export compose` runs beside the environment: its port, its command and what the environment knows of it.

Each keeps what it has in the project's folder, as the developer. Sources, checked 2026-11-30: the helps of
`python -m tensorboard.main` 2.21 and `mlflow server` 3.17; https://mlflow.org/docs/latest/self-hosting/security/network/
"""

from collections.abc import Mapping
from typing import Final

from provision.model.base import Value
from provision.model.compose import ServiceName
from provision.model.inside import PROJECT


class Beside(Value):
    """A service beside the environment."""

    package: str  # that its image needs
    module: str  # of Python, which runs it
    port: int  # inside, and on the host's loopback
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = {}  # of the service
    clients: Mapping[str, str] = {}  # of the environment, by which its programs find the service; {name}: the service


SERVICES: Final[dict[ServiceName, Beside]] = {
    "tensorboard": Beside(
        package="tensorboard",
        module="tensorboard.main",
        port=6006,
        arguments=(f"--logdir={PROJECT}/logs", "--host=0.0.0.0", "--port=6006"),
    ),
    "mlflow": Beside(
        package="mlflow",
        module="mlflow",
        port=5000,
        arguments=(
            "server",
            "--host=0.0.0.0",
            "--port=5000",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{PROJECT}/mlflow.db",
            f"--artifacts-destination={PROJECT}/mlartifacts",
        ),
        # From 3.5 on it answers only to names that it was told; an older one does not read this.
        env={"MLFLOW_SERVER_ALLOWED_HOSTS": "localhost:*,127.0.0.1:*,{name}:*"},
        clients={"MLFLOW_TRACKING_URI": "http://{name}:5000"},
    ),
}

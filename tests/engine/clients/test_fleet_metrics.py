"""The metrics of a fleet as Prometheus' own tools read them, hostile names included."""

import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.fleet.metrics import metrics
from provision.model.fleet_status import FleetStatus, NodeState, NodeStatus

pytestmark = pytest.mark.engine
HOSTILE = "</script>\"'\\\n{{7*7}}\u202e`$(id)"


def text() -> str:
    at = "2026-11-29T10:00:00Z"
    nodes = (
        NodeStatus(name="gpu1", state=NodeState.HEALTHY, image="kgpu-env/cuda:x", proof="proved", proved_at=at),
        NodeStatus(name=HOSTILE, state=NodeState.WARNING, why=(HOSTILE,), image=HOSTILE, proof="proved", proved_at=at),
        NodeStatus(name="gpu2", state=NodeState.UNKNOWN),
    )
    counts = {state.value: sum(node.state is state for node in nodes) for state in NodeState}
    return metrics(FleetStatus(at="2026-11-29T12:00:00Z", counts=counts, nodes=nodes))


@pytest.fixture(scope="module")
def programs(unstable: Callable[..., Path]) -> Path:
    return unstable("promtool", "prometheus-node-exporter") / "usr" / "bin"


def test_promtool_has_nothing_to_say(programs: Path) -> None:
    command = [str(programs / "promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text(), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_node_exporter_gives_them_out(
    programs: Path, tmp_path: Path, wait_for: Callable[[Callable[[], bool], str], None]
) -> None:
    (tmp_path / "fleet.prom").write_text(text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = "{}:{}".format(*free.getsockname())
    options = [f"--web.listen-address={place}", f"--collector.textfile.directory={tmp_path}"]
    command = [str(programs / "prometheus-node-exporter"), *options, "--collector.disable-defaults"]
    answers: list[str] = []

    def answered() -> bool:
        try:
            with urllib.request.urlopen(f"http://{place}/metrics", timeout=5) as page:
                answers.append(page.read().decode())
        except urllib.error.URLError:
            return False
        return True

    with subprocess.Popen([*command, "--collector.textfile"], stderr=subprocess.DEVNULL) as exporter:
        try:
            wait_for(answered, "node_exporter's page")
        finally:
            exporter.terminate()
    lines = answers[-1].splitlines()
    assert "node_textfile_scrape_error 0" in lines
    assert 'kgpu_env_fleet_nodes{state="HEALTHY"} 1' in lines
    assert sum(line.startswith("kgpu_env_") for line in lines) == text().count("\nkgpu_env_")

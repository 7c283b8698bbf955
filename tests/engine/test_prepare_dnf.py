"""`prepare` with dnf: Debian's dnf in a folder that says it is Rocky Linux. A real one of that family was not seen."""

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from provision.catalogue import load

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(900)]
KgpuEnv = Any  # the class of conftest.py
INCLUDE = "dnf,rpm,createrepo-c,gpg,gpg-agent"
SPEC = """Name: nvidia-container-toolkit
Version: 1.0
Release: 1
Summary: a stand-in
License: none
BuildArch: noarch
AutoReqProv: no
%description
A stand-in.
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/bin/sh\\necho "$@" >>/var/lib/nvidia-ctk.asked\\n' >%{buildroot}/usr/bin/nvidia-ctk
chmod 755 %{buildroot}/usr/bin/nvidia-ctk
%files
/usr/bin/nvidia-ctk
"""
# Makes the package, its repository below /www/stable/rpm/x86_64, a key, and a signature of the repository's metadata.
MAKE = """set -e
place=/www/stable/rpm/x86_64; mkdir -p $place /root/keys; chmod 700 /root/keys
rpmbuild --quiet -bb --define "_rpmdir $place" /root/stand-in.spec
createrepo_c --quiet $place
sign="gpg --homedir /root/keys --batch --quiet --pinentry-mode loopback --passphrase="
$sign --quick-generate-key 'stand-in <stand-in@packages.example>' rsa2048 sign never
$sign --armor --detach-sign $place/repodata/repomd.xml
$sign --armor --export >/www/gpgkey
$sign --with-colons --list-keys | grep ^fpr | cut -d: -f10
"""


class Rocky(NamedTuple):
    root: Path
    address: str
    fingerprint: str


@pytest.fixture(scope="module")
def rocky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rocky]:
    if not shutil.which("mmdebstrap"):
        pytest.fail("this test needs mmdebstrap: apt-get install mmdebstrap", pytrace=False)
    root = tmp_path_factory.mktemp("rocky") / "root"
    command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={INCLUDE}", "bookworm", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    (root / "root/stand-in.spec").write_text(SPEC)
    made = subprocess.run(["chroot", str(root), "sh", "-c", MAKE], check=True, capture_output=True, text=True)
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").write_text('ID="rocky"\nVERSION_ID="9.5"\nID_LIKE="rhel centos fedora"\n')
    (root / "usr/bin/podman").touch()  # an engine is there; it comes from no repository of this folder
    (root / "etc/yum.repos.d").mkdir(exist_ok=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root / "www")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Rocky(root, f"http://127.0.0.1:{server.server_address[1]}", made.stdout.split()[0])
    server.shutdown()
    thread.join()
    server.server_close()
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_the_toolkit_comes_from_a_signed_repository(rocky: Rocky, kgpu_env: KgpuEnv, tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    facts.mkdir()
    rows = yaml.safe_load((load().directory / "prepare.yaml").read_text())["repositories"]
    row = next(row for row in rows if row["id"] == "nvidia-container-toolkit-rpm")
    own = {**row, "fingerprints": [rocky.fingerprint]}
    (facts / "prepare.yaml").write_text(yaml.safe_dump({"repositories": [own]}))
    words = ("prepare", "--root", rocky.root, "--vendor", "nvidia", "--add-repository", "--mirror", rocky.address)
    environment = {"KGPU_ENV_CATALOGUE": str(facts), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}

    metadata = rocky.root / "www/stable/rpm/x86_64/repodata/repomd.xml"
    signed = metadata.read_text()
    metadata.write_text(signed.replace("<revision>", "<revision>1"))
    refused = kgpu_env(*words, "--yes", env=environment)
    assert refused.returncode == 5, refused.stderr
    assert "KGE-334" in refused.stderr
    assert not [*rocky.root.glob("etc/yum.repos.d/kgpu-env*")]

    metadata.write_text(signed)
    ended = kgpu_env(*words, "--yes", env=environment)
    assert ended.returncode == 0, ended.stderr
    assert (rocky.root / "usr/bin/nvidia-ctk").exists()
    assert "sudo dnf remove nvidia-container-toolkit" in ended.stdout
    assert not (rocky.root / "var/lib/nvidia-ctk.asked").exists()  # Podman knows no runtimes, and no driver is here
    again = kgpu_env(*words, "--yes", env=environment)
    assert again.stdout.startswith("This machine is ready."), again.stderr
